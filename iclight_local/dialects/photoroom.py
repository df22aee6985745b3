"""Photoroom's ``/v2/edit``, as far as it relights: ``lighting.mode``, the cut-out, the size and the file.

The light of a picture is corrected and its own pixels are kept: the engine works small, and its light is carried over.
A cut-out is placed as the API does without paddings and margins: its subject fits the frame, or stays where it was with
``referenceBox=originalImage``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from iclight_local.dialects.base import MEDIA_TYPES, Answer, Asked, Call, Delivered, Fault, Link, Task
from iclight_local.dialects.photoroom_fields import HONOURED, documented
from iclight_local.dialects.photoroom_files import encoded, over, within
from iclight_local.dialects.photoroom_placing import placed
from iclight_local.dialects.pictures import opened_picture
from iclight_local.dialects.values import picture, present, shown
from iclight_local.errors import InvalidRequest, Unsupported
from iclight_local.imaging.exposure import subject_luminance
from iclight_local.imaging.files import Picture, decode
from iclight_local.plan import FRAME_MULTIPLE
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult

MAX_SIDE = 3500
"""Pixels that a picture may have on a side with ``lighting.mode``."""
MAX_BYTES = 30 << 20
"""Bytes that a picture may have."""
LUMINANCE = (0.18, 0.55)
"""Mean luminance of a well exposed picture, in linear light."""
FRAME = (512, 768)
"""Least and largest longer side of the passes in pixels; in between it is the picture's own."""
AVAILABLE = 1_000_000
"""Images and credits that an account is said to have; nothing is charged."""

_ENGINE: dict[str, Any] = {
    "model": "fc",
    "fit": "input",
    "prompt": "natural lighting, even soft light, well exposed, neutral white balance",
    "negative_prompt": "overexposed, underexposed, harsh shadows, color cast",
    "steps": 20,
    "cfg": 1.8,
    "highres_scale": 1.0,
    "highres_denoise": 0.1,
}
_DONE = {"outputSize": ("auto", "originalImage"), "preserveMetadata": ("never",)}
_KEEP = {"ai.auto": "detail", "ai.preserve-hue-and-saturation": "colour"}
_STRENGTH = 0.6
# What needs no correction gets half of one.
_WELL_EXPOSED = 0.5
STATUS: dict[Fault, int] = {
    "invalid": 400,
    "too_large": 400,
    "unsupported": 400,
    "unauthorized": 403,
    "not_found": 404,
    "not_allowed": 405,
    "busy": 429,
    "failed": 500,
    "late": 504,
}
FIXED: dict[Fault, str] = {"unauthorized": "Unauthorized"}
"""Sentences that are the same whatever there is to say."""
_LISTED = 20


class Photoroom:
    """Photoroom's spelling."""

    name = "photoroom"
    task: Task = "relight"

    def read(self, call: Call) -> Asked:
        """As in :class:`~iclight_local.dialects.base.Dialect`; empty values count as missing."""
        values = {name: check(call, name) for name, check in HONOURED.items()}
        source, subject = _source(call)
        refused, ignored = _others(call)
        refused += _refused_values(values)
        if refused:
            raise Unsupported(f"{refused[0]} is not supported by this server")
        if values["lighting.mode"] is None:
            raise Unsupported("lighting.mode: must be provided, because this server only relights")
        return Asked({**values, "source": source}, {"subject_image": subject}, ignored)

    def request(self, asked: Asked, pictures: Mapping[str, bytes]) -> RelightRequest:
        """As in :class:`~iclight_local.dialects.base.Dialect`; the seed follows from the picture's bytes."""
        data, values = pictures["subject_image"], asked.values
        found = _decoded(data, values["source"])
        cut_out = values["removeBackground"]
        own_alpha = found.alpha is not None and (not cut_out or values["keepExistingAlphaChannel"] == "auto")
        exposure = _exposure(found, own_alpha)
        strength = _STRENGTH * (_WELL_EXPOSED if exposure is None else 1)
        wide, high = _frame(found.size)
        knobs: dict[str, Any] = {
            **_ENGINE,
            "width": wide,
            "height": high,
            "keep": _KEEP[values["lighting.mode"]],
            "light_strength": strength,
            "background_mode": "transparent" if cut_out else "keep",
            **({} if cut_out else {"background_strength": strength}),
            "exposure": exposure,
            # Seeds have 63 bits.
            "seed": int.from_bytes(hashlib.sha256(data).digest()[:8]) >> 1,
        }
        # Where its alpha channel is not to count, the picture is given without one, to be segmented.
        subject = Image.fromarray(found.rgb) if found.alpha is not None and not own_alpha else data
        return RelightRequest(subject_image=subject, **knobs)

    def deliver(self, asked: Asked, request: RelightRequest, result: RelightResult) -> list[Delivered]:
        """The picture over its colour, within its largest size, without metadata but for the density asked for."""
        values = asked.values
        spoken = "png" if values["export.format"] is None else values["export.format"]
        file_format = "jpeg" if spoken == "jpg" else spoken
        delivered = []
        for image in result.images:
            if values["removeBackground"] and values["referenceBox"] != "originalImage":
                image = placed(image, snap=values["ignorePaddingAndSnapOnCroppedSides"])
            finished = within(over(image, values["background.color"]), values["maxWidth"], values["maxHeight"])
            data = encoded(finished, file_format, values["export.dpi"])
            delivered.append(Delivered(data, MEDIA_TYPES[file_format]))
        return delivered

    def refusal(self, fault: Fault, sentence: str) -> Answer:
        """``{"error": {"message"}}``, with a ``code`` where another engine could do it."""
        error = {"message": FIXED.get(fault, sentence)}
        if fault == "unsupported":
            error["code"] = "unsupported_locally"
        return Answer(STATUS[fault], {"error": error})


def headers(asked: Asked) -> dict[str, str]:
    """Headers of a relit picture: which names of the call nothing was done with, if there are such."""
    if not asked.ignored:
        return {}
    # A name may be empty, and a header may not end in a blank.
    names = [re.sub(r"[^\w.\-{}\[\]]|^$", "?", name, flags=re.ASCII)[:80] for name in asked.ignored[:_LISTED]]
    names += [f"and {more} more"] if (more := len(asked.ignored) - _LISTED) > 0 else []
    return {"pr-unsupported-attributes": f"Unsupported attributes: {', '.join(names)}"}


def account_v1() -> Answer:
    """The answer of ``/v1/account``."""
    return Answer(200, {"credits": {"available": AVAILABLE, "subscription": AVAILABLE}})


def account_v2() -> Answer:
    """The answer of ``/v2/account``."""
    return Answer(200, {"images": {"available": AVAILABLE, "subscription": AVAILABLE}, "plan": "local"})


def account_refusal(fault: Fault, sentence: str, *, given: bool) -> Answer:
    """A refusal of the account calls; ``given``: whether the call came with a key at all."""
    if fault == "unauthorized" and not given:
        return Answer(400, {"error": {"message": "apiKey: Required"}})
    return DIALECT.refusal(fault, sentence)


def _source(call: Call) -> tuple[str, bytes | Link]:
    """The field that brings the picture, and the picture."""
    if "imageFile" not in call.files and present(call, "imageFile") is not None:
        raise InvalidRequest("imageFile: must be a file of a POST request")
    uploaded = picture(call, "imageFile")
    linked = picture(call, "imageUrl")
    if uploaded is not None and linked is not None:
        raise InvalidRequest("imageUrl: must not be provided together with imageFile")
    if linked is not None and not isinstance(linked, Link):
        found = "a file" if "imageUrl" in call.files else shown(call.fields["imageUrl"])
        raise InvalidRequest(f"imageUrl must be an http(s) URL, not {found}")
    if linked is not None:
        return "imageUrl", linked
    if not isinstance(uploaded, bytes):
        raise InvalidRequest(f"{'imageUrl' if call.query else 'imageFile'}: must be provided")
    _check_bytes(uploaded, "imageFile")
    return "imageFile", uploaded


def _others(call: Call) -> tuple[list[str], tuple[str, ...]]:
    """The names that are refused, and those that nothing is done with."""
    refused, ignored = [], []
    for name in sorted(call.fields.keys() | call.files.keys()):
        if name in HONOURED or name in ("imageFile", "imageUrl"):
            continue
        if not call.files.get(name) and present(call, name) is None:
            continue
        known = documented(name)
        value = None if known is None else known.check(call, name)
        if known is None or known.needs is not None:
            ignored.append(name)
        elif value is not None and value not in known.idle:
            refused.append(name)
    return refused, tuple(ignored)


def _refused_values(values: Mapping[str, Any]) -> list[str]:
    """Honoured names whose value asks for more than is done here, each with that value."""
    refused = [name for name, done in _DONE.items() if values[name] is not None and values[name] not in done]
    return [f"{name} {values[name]}" for name in refused]


def _check_bytes(data: bytes, source: str) -> None:
    if len(data) > MAX_BYTES:
        raise InvalidRequest(f"{source} must have at most {MAX_BYTES >> 20} MB, not {len(data) / 2**20:.1f}")


def _decoded(data: bytes, source: str) -> Picture:
    _check_bytes(data, source)
    try:
        # Before the pixels are decoded; a turn by EXIF leaves the larger side as large.
        _check_size(opened_picture(data, source).size, source)
        found = decode(data, offline=True)
    except InvalidRequest as error:
        sentence = str(error)
        raise InvalidRequest(sentence if sentence.startswith(source) else f"{source}: {sentence}") from error
    _check_size(found.size, source)
    return found


def _check_size(size: tuple[int, int], source: str) -> None:
    if max(size) > MAX_SIDE:
        wanted = f"at most {MAX_SIDE} x {MAX_SIDE} pixels with lighting.mode"
        raise InvalidRequest(f"{source} must have {wanted}, not {size[0]} x {size[1]}")


def _exposure(found: Picture, own_alpha: bool) -> float | None:
    """The mean luminance to expose the subject for; None where the picture is well exposed.

    Where the subject is not known yet, the whole picture and its middle have to agree: a black shoe on a white sheet
    is not overexposed, nor is a bright face in the dark underexposed.
    """
    step = max(1, max(found.size) // FRAME[0])
    rgb = found.rgb[::step, ::step]
    high, wide = rgb.shape[:2]
    whole = np.ones((high, wide), np.float32)
    if own_alpha and found.alpha is not None:
        weights = [found.alpha[::step, ::step].astype(np.float32) / np.float32(255)]
    else:
        middle = np.zeros_like(whole)
        middle[high // 4 : high - high // 4, wide // 4 : wide - wide // 4] = 1
        weights = [whole, middle]
    means = [subject_luminance(rgb, weight) for weight in weights]
    low, bright = LUMINANCE
    if max(means) < low:
        return low
    return bright if min(means) > bright else None


def _frame(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the passes: the picture's shape, up to 4 to 1, in multiples of 64."""
    longer = min(max(max(size), FRAME[0]), FRAME[1])
    sides = [max(side / max(size), 1 / 4) * longer for side in size]
    wide, high = (round(side / FRAME_MULTIPLE) * FRAME_MULTIPLE for side in sides)
    return wide, high


DIALECT = Photoroom()
