"""Segmind's ``ic-light``: the knobs of IC-Light by their own names.

What a call leaves out and IC-Light has the same default for stays open in the request, so that a preset of this
machine's owner can stand in for it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from iclight_local.dialects import segmind
from iclight_local.dialects.base import Answer, Asked, Call, Delivered, Dialect, Fault, Task
from iclight_local.dialects.values import number, shown, text, whole, word
from iclight_local.errors import InvalidRequest
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult
from iclight_local.sentences import MAX_SEED

SIZES = tuple(range(256, 1025, 64))
"""Values of ``width`` and ``height``: of the lowres pass, in pixels."""
LIGHTS = {
    "None": "none",
    "Left Light": "left",
    "Right Light": "right",
    "Top Light": "top",
    "Bottom Light": "bottom",
}
"""``light_source``, and the request's word for it; the first is the default."""
FORMATS = {"webp": "webp", "jpg": "jpeg", "png": "png"}
"""``output_format``, and the request's word for it; the first is the default."""
QUALITY = 80
"""``output_quality`` where a call leaves it out."""

_PICTURE = "subject_image"
_TEXTS = ("appended_prompt", "negative_prompt")
_NUMBERS = {"cfg": (1, 32), "lowres_denoise": (0.1, 1), "highres_scale": (1, 3), "highres_denoise": (0.1, 1)}
_WHOLES = {"steps": (1, 100), "number_of_images": (1, 12)}
_FIELDS = (
    *(_PICTURE, "prompt", *_TEXTS, *_NUMBERS, *_WHOLES),
    *("seed", "width", "height", "light_source", "output_format", "output_quality"),
)


class SegmindIcLight:
    """``POST /v1/ic-light`` and ``/v2/ic-light``."""

    name = "segmind_ic_light"
    task: Task = "relight"

    def __init__(self, needs_prompt: bool) -> None:
        """``needs_prompt``: whether a call without one is refused at once, and not when its turn comes."""
        self._needs_prompt = needs_prompt

    def read(self, call: Call) -> Asked:
        """Read and check a call; ``Asked.values`` are knobs of the request.

        Raises:
            InvalidRequest: a missing or bad value; the sentence names the field first.
        """
        picture = segmind.required_picture(call, _PICTURE)
        found: dict[str, Any] = {"prompt": text(call, "prompt")}
        if self._needs_prompt:
            _check_prompt(found)
        found |= {name: text(call, name) for name in _TEXTS}
        found |= {name: number(call, name, None, *bounds) for name, bounds in _NUMBERS.items()}
        found |= {name: whole(call, name, None, *bounds) for name, bounds in _WHOLES.items()}
        found |= {name: _size(call, name) for name in ("width", "height")}
        found |= {"seed": _seed(call), "light_source": _chosen(call, "light_source", LIGHTS)}
        found |= {"output_format": _chosen(call, "output_format", FORMATS)}
        found |= {"output_quality": whole(call, "output_quality", QUALITY, 0, 100)}
        values = {name: value for name, value in found.items() if value is not None}
        return Asked(values, {_PICTURE: picture}, segmind.unused(call, _FIELDS, (_PICTURE,)))

    def request(self, asked: Asked, pictures: Mapping[str, bytes]) -> RelightRequest:
        """The picture's middle, lit by the model alone: hosted gives out the model's picture itself, too.

        Raises:
            InvalidRequest: ``subject_image`` is no picture, or damaged.
        """
        _check_prompt(asked.values)
        subject = segmind.opened(pictures[_PICTURE], _PICTURE)
        return RelightRequest(subject_image=subject, fit="crop", keep="none", model="fc", **asked.values)

    def deliver(self, asked: Asked, request: RelightRequest, result: RelightResult) -> list[Delivered]:
        """All pictures in the format and quality of the call."""
        return segmind.encoded(result, asked.values["output_format"], asked.values["output_quality"])

    def refusal(self, fault: Fault, sentence: str) -> Answer:
        """The gateway's status and body."""
        return segmind.refusal(fault, sentence)


DIALECT: Dialect = SegmindIcLight(needs_prompt=True)
QUEUED: Dialect = SegmindIcLight(needs_prompt=False)
"""Reads ``/v2/``, where hosted takes a call without a prompt and lets the job fail."""


def several(delivered: Sequence[Delivered], seeds: Sequence[int]) -> dict[str, Any]:
    """The JSON body of ``/v1/`` for more than one picture; hosted says nothing of these.

    Args:
        delivered: the pictures, at least one, all of one format.
        seeds: the seed of each.

    Returns:
        ``images`` in base64, their ``format`` as ``output_format`` names it, and ``seeds``.
    """
    spoken = {f"image/{kind}": name for name, kind in FORMATS.items()}
    return {
        "images": [base64.b64encode(one.data).decode() for one in delivered],
        "format": spoken[delivered[0].media_type],
        "seeds": list(seeds),
    }


def _check_prompt(values: Mapping[str, Any]) -> None:
    if values.get("prompt") is None:
        raise InvalidRequest("prompt is required and must be a string")


def _size(call: Call, name: str) -> int | None:
    found = whole(call, name, None, SIZES[0], SIZES[-1])
    if found is not None and found not in SIZES:
        raise InvalidRequest(f"{name} must be one of {', '.join(map(str, SIZES))}, not {shown(call.fields[name])}")
    return found


def _seed(call: Call) -> int | None:
    """The seed; None where it is to be random."""
    found = whole(call, "seed", None, -1, MAX_SEED)
    return None if found == -1 else found


def _chosen(call: Call, name: str, words: Mapping[str, str]) -> str:
    default = next(iter(words))
    found = word(call, name, default, tuple(words))
    return words[default if found is None else found]
