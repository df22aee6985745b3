"""What the first relights would wait for, done beforehand: loading, compiling, recording."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw

from iclight_local.engines.presets import PRESETS
from iclight_local.errors import ICLightError
from iclight_local.request import ModelName, RelightRequest
from iclight_local.result import ProgressCallback

if TYPE_CHECKING:
    from iclight_local.engines.local import LocalEngine

_log = logging.getLogger(__name__)
_SMALL: dict[str, Any] = {"width": 64, "height": 64, "highres_scale": 1.0}
"""A size that costs little, where sizes need no preparation."""
_STEPS = 2
"""Both passes take steps, and few; as many as a preset needs."""


def warm(engine: LocalEngine, together: int, progress: ProgressCallback | None) -> None:
    """Relight a drawn picture; see :meth:`iclight_local.engines.base.Engine.warm_up`.

    On CUDA at the default size, 1, 2, 4 and so on up to ``together`` at the same time, with every model of the bundle;
    elsewhere once, small, with the default model.

    Raises:
        ICLightError: as :meth:`LocalEngine.relight` does; the first of several.
    """
    on_card = engine.placement.device.type == "cuda"
    models: tuple[ModelName | None, ...] = engine.options.bundle.models if on_card else (None,)
    size = {} if on_card else _SMALL
    with _hurried(engine):
        for model in models:
            lit: dict[str, Any] = {"light_source": "left"} if model == "fbc" else {}
            request = RelightRequest(subject_image=_picture(), model=model, steps=_steps(engine), seed=1, **size, **lit)
            for count in _counts(together) if on_card else (1,):
                outcomes = engine.relight_together([request] * count, progress=[progress] * count)
                for outcome in outcomes:
                    if isinstance(outcome, ICLightError):
                        raise outcome
                    # Some are told once alone, and nobody else sees this result.
                    for warning in outcome.warnings:
                        _log.warning("%s", warning)


def _steps(engine: LocalEngine) -> int:
    preset = PRESETS.get(engine.options.preset)
    return _STEPS if preset is None else preset.steps[0]


def _counts(together: int) -> Iterator[int]:
    """1, 2, 4 and so on; the last is ``together`` itself."""
    count = 1
    while count < together:
        yield count
        count *= 2
    yield together


def _picture() -> Image.Image:
    """A bright disc, opaque, so that a segmenter has to find it."""
    drawn = Image.new("RGB", (128, 160), (40, 60, 90))
    ImageDraw.Draw(drawn).ellipse((24, 30, 104, 130), fill=(230, 190, 140))
    return drawn


@contextmanager
def _hurried(engine: LocalEngine) -> Iterator[None]:
    """Have what is seen now compiled at once: nobody waits for it."""
    compiler = engine.compiler
    if compiler is None:
        yield
        return
    before, compiler.hurried = compiler.hurried, True
    try:
        yield
    finally:
        compiler.hurried = before
