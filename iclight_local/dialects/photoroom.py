"""Photoroom's image editing, ``/v2/edit``: relighting, and the 47 other parameters that are honoured beside it.

Their names and values lie in ``photoroom_fields`` and ``photoroom_values``, the names that are not honoured in
``photoroom_outside``, and the rules between them in ``photoroom_rules``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from iclight_local.dialects.base import MEDIA_TYPES, Answer, Asked, Call, Delivered, Fault, Link, Task
from iclight_local.dialects.photoroom_edit import edit_knobs, scene_knobs
from iclight_local.dialects.photoroom_fields import HONOURED, PICTURES
from iclight_local.dialects.photoroom_files import encoded
from iclight_local.dialects.photoroom_lighting import lighting
from iclight_local.dialects.photoroom_rules import check_rules, unheeded
from iclight_local.dialects.pictures import opened_picture
from iclight_local.dialects.values import picture, present, shown
from iclight_local.errors import InvalidRequest, Unsupported
from iclight_local.imaging.files import Picture, decode
from iclight_local.imaging.metadata import Embedded
from iclight_local.request import EditRequest, RelightRequest
from iclight_local.result import RelightResult

MAX_SIDE = 3500
"""Pixels that a picture may have on a side with ``lighting.mode``."""
MAX_BYTES = 30 << 20
"""Bytes that a picture may have."""
AVAILABLE = 1_000_000
"""Images and credits that an account is said to have; nothing is charged."""

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
_BEHIND = ("background.image", "background.guidance.image")


class Photoroom:
    """Photoroom's spelling."""

    name = "photoroom"
    task: Task = "edit"

    def read(self, call: Call) -> Asked:
        """As in :class:`~iclight_local.dialects.base.Dialect`; empty values count as missing."""
        values = {name: field.check(call, name) for name, field in HONOURED.items()}
        refused, ignored = unheeded(call)
        if "imageFromPrompt.prompt" in refused:
            raise _unsupported("imageFromPrompt.prompt")
        brought = {name: found for name in ("image", *_BEHIND) if (found := _brought(call, name)) is not None}
        if "image" not in brought:
            raise InvalidRequest(f"{'imageUrl' if call.query else 'imageFile'}: must be provided")
        fields = [field for field, _ in brought.values()]
        check_rules(values, fields)
        if refused:
            raise _unsupported(refused[0])
        pictures = {PICTURES[field].knob: data for field, data in brought.values() if field not in ignored}
        sources = {PICTURES[field].knob: field for field in fields}
        return Asked({**values, "sources": sources}, pictures, ignored)

    def request(self, asked: Asked, pictures: Mapping[str, bytes]) -> EditRequest:
        """As in :class:`~iclight_local.dialects.base.Dialect`."""
        values = _values(asked)
        sources = values["sources"]
        for knob, data in pictures.items():
            _check_bytes(data, sources[knob])
            opened_picture(data, sources[knob])
        data = pictures["subject_image"]
        if values["lighting.mode"] is not None:
            # Before the pixels are decoded; a turn by EXIF leaves the larger side as large.
            _check_size(opened_picture(data, sources["subject_image"]).size, sources["subject_image"])
        if values["shadow.mode"] is not None and not values["removeBackground"]:
            _check_transparent(_decoded(data, sources["subject_image"]))
        knobs = edit_knobs(values)
        if values["background.prompt"] is not None:
            knobs |= scene_knobs(values, guided="light_map" in pictures)
        elif values["lighting.mode"] is not None:
            found = _decoded(data, sources["subject_image"])
            cut_out = values["removeBackground"]
            own_alpha = found.alpha is not None and (not cut_out or values["keepExistingAlphaChannel"] == "auto")
            knobs |= lighting(values["lighting.mode"], found, data, own_alpha=own_alpha, cut_out=cut_out)
        return EditRequest(**{**pictures, **knobs})

    def deliver(self, asked: Asked, request: RelightRequest, result: RelightResult) -> list[Delivered]:
        """The picture in its format, with what is kept of its metadata."""
        values = _values(asked)
        spoken = "png" if values["export.format"] is None else values["export.format"]
        file_format = "jpeg" if spoken == "jpg" else spoken
        headers = {}
        if values["background.prompt"] is not None and result.seed is not None:
            headers["pr-ai-background-seed"] = str(result.seed)
        if "uncertainty" in result.record:
            headers["x-uncertainty-score"] = f"{result.record['uncertainty']:.4f}"
        embedded = Embedded(exif=result.exif, xmp=result.xmp, density=result.density)
        files = [encoded(image, file_format, embedded) for image in result.images]
        return [Delivered(data, MEDIA_TYPES[file_format], headers) for data in files]

    def refusal(self, fault: Fault, sentence: str) -> Answer:
        """``{"error": {"message"}}``, with a ``code`` where another engine could do it."""
        error = {"message": FIXED.get(fault, sentence)}
        if fault == "unsupported":
            error["code"] = "unsupported_locally"
        return Answer(STATUS[fault], {"error": error})


def headers(asked: Asked) -> dict[str, str]:
    """Headers of an edited picture: which names of the call nothing was done with, if there are such."""
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


def _values(asked: Asked) -> dict[str, Any]:
    """What was read from a call; jobs that an earlier version accepted have fewer names."""
    absent = {name: field.check(Call({}), name) for name, field in HONOURED.items()}
    sources = {"subject_image": asked.values.get("source", "imageFile")}
    return {**absent, "sources": sources, **asked.values}


def _unsupported(name: str) -> Unsupported:
    return Unsupported(f"{name} is not supported by this server")


def _brought(call: Call, name: str) -> tuple[str, bytes | Link] | None:
    """The field that brings a picture, and the picture; ``name`` is what its two fields begin with."""
    file, url = f"{name}File", f"{name}Url"
    if file not in call.files and present(call, file) is not None:
        raise InvalidRequest(f"{file}: must be a file of a POST request")
    uploaded, linked = picture(call, file), picture(call, url)
    if uploaded is not None and linked is not None:
        raise InvalidRequest(f"{url}: must not be provided together with {file}")
    if linked is not None and not isinstance(linked, Link):
        found = "a file" if url in call.files else shown(call.fields[url])
        raise InvalidRequest(f"{url} must be an http(s) URL, not {found}")
    if linked is not None:
        return url, linked
    if not isinstance(uploaded, bytes):
        return None
    _check_bytes(uploaded, file)
    return file, uploaded


def _check_bytes(data: bytes, source: str) -> None:
    if len(data) > MAX_BYTES:
        raise InvalidRequest(f"{source} must have at most {MAX_BYTES >> 20} MB, not {len(data) / 2**20:.1f}")


def _decoded(data: bytes, source: str) -> Picture:
    try:
        return decode(data, offline=True)
    except InvalidRequest as error:
        sentence = str(error)
        raise InvalidRequest(sentence if sentence.startswith(source) else f"{source}: {sentence}") from error


def _check_size(size: tuple[int, int], source: str) -> None:
    if max(size) > MAX_SIDE:
        wanted = f"at most {MAX_SIDE} x {MAX_SIDE} pixels with lighting.mode"
        raise InvalidRequest(f"{source} must have {wanted}, not {size[0]} x {size[1]}")


def _check_transparent(found: Picture) -> None:
    if found.alpha is None or found.alpha.min() == 255:
        raise InvalidRequest(
            "shadow.mode can't be provided if removeBackground is false, unless the picture is transparent around "
            "its subject"
        )


DIALECT = Photoroom()
