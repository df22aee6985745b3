"""The errors a user can meet, each one sentence: what was found, what is needed, what mends it.

::

    ICLightError
    ├── InvalidRequest        no engine could do this: a bad knob, an unreadable picture     exit 2
    │   └── NoSubject         the segmenter found no subject in the picture                  exit 2
    ├── Unsupported           not with this engine or these weights; others could            exit 2
    │   └── WeightsError      weights or a segmenter missing, damaged or of another kind     exit 2
    ├── EngineError           it should have worked: a full disk, a failing device           exit 1
    │   ├── OutOfMemory       the device's memory did not suffice                            exit 1
    │   └── AnswerLost        a provider may have done and charged it, and gave no picture   exit 1
    └── Cancelled             stopped by the user                                            exit 130
"""

from __future__ import annotations

from typing import ClassVar


class ICLightError(Exception):
    """Root of the tree; ``str(error)`` is the sentence that is shown to the user."""

    exit_status: ClassVar[int] = 1


class InvalidRequest(ICLightError):
    """The request is wrong and no engine could honour it."""

    exit_status = 2


class NoSubject(InvalidRequest):
    """The segmenter found no subject in the picture."""


class Unsupported(ICLightError):
    """This engine, or the weights at hand, cannot do it; another engine could."""

    exit_status = 2


class WeightsError(Unsupported):
    """Weights, or a segmenter's model, are missing, damaged or of another kind than asked."""


class EngineError(ICLightError):
    """The request was right and the engine failed at it."""


class OutOfMemory(EngineError):
    """The device's memory did not suffice."""


class AnswerLost(EngineError):
    """A provider was sent the picture and may have charged for it, but its answer never came."""


class Cancelled(ICLightError):
    """The user stopped the run."""

    exit_status = 130
