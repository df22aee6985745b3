"""Photoroom's ``/v1/segment``: the subject cut out, and nothing else; it has names, values and errors of its own.

Where the background was removed, ``x-uncertainty-score`` says how sure the matte is, by this project's own measure
(:func:`iclight_local.imaging.matte.uncertainty`): 0 is sure, 1 unsure. Hosted answers -1 for a picture of humans; that
is never sent here, because nothing here detects them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from iclight_local.dialects.base import MEDIA_TYPES, Answer, Asked, Call, Delivered, Fault, Task
from iclight_local.dialects.photoroom import FIXED, STATUS
from iclight_local.dialects.photoroom_files import encoded, over
from iclight_local.dialects.photoroom_values import colour
from iclight_local.dialects.pictures import opened_picture
from iclight_local.dialects.segmind import unused
from iclight_local.dialects.values import boolean, picture, word
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.compose import with_alpha
from iclight_local.imaging.despill import despilled
from iclight_local.imaging.files import decode
from iclight_local.imaging.matte import OWN, split_alpha, sure, uncertainty
from iclight_local.imaging.opening import load_picture
from iclight_local.imaging.specks import without_specks
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult

MAX_SIDE = 6000
"""Pixels that a picture may have on a side."""
SIZES = {"full": 36.0, "preview": 0.25, "medium": 1.5, "hd": 4.0}
"""``size``, and the megapixels that a cut-out has at most; the first is the default."""
FORMATS = {"png": "png", "jpg": "jpeg", "webp": "webp"}
"""``format``, and the name that the encoder has for it; the first is the default."""
MISSING = "Please provide an image."

# Opacity above which a pixel belongs to the subject's box.
_SEEN = 0.02
# Mattes that no segmenter made: the picture's own transparency, and one that came along.
_FILES = ("image_file", "image_file_b64")
_FIELDS = (*_FILES, "format", "channels", "bg_color", "size", "crop", "despill")


class PhotoroomSegment:
    """The cut-out alone."""

    name = "photoroom_segment"
    task: Task = "cut_out"

    def read(self, call: Call) -> Asked:
        """As in :class:`~iclight_local.dialects.base.Dialect`; ``image_file_b64`` is the file as base64."""
        brought = [found for name in _FILES if (found := picture(call, name)) is not None]
        if not brought:
            raise InvalidRequest(MISSING)
        if len(brought) > 1 or not isinstance(brought[0], bytes):
            raise InvalidRequest("image_file must be one file, or base64 in image_file_b64")
        values = {
            "format": word(call, "format", "png", tuple(FORMATS)),
            "channels": word(call, "channels", "rgba", ("rgba", "alpha")),
            "bg_color": colour(call, "bg_color"),
            "size": word(call, "size", "full", tuple(SIZES)),
            "crop": boolean(call, "crop", False),
            "despill": boolean(call, "despill", False),
        }
        return Asked(values, {"subject_image": brought[0]}, unused(call, _FIELDS, _FILES))

    def request(self, asked: Asked, pictures: Mapping[str, bytes]) -> RelightRequest:
        """The picture to cut the subject out of; where some of it is transparent already, that is its matte."""
        image = opened_picture(pictures["subject_image"], "image_file")
        if max(image.size) > MAX_SIDE:
            raise InvalidRequest(
                f"image_file must have at most {MAX_SIDE} pixels on a side, not {image.width} x {image.height}"
            )
        load_picture(image, "image_file")
        found = decode(image)
        pixels = found.rgb
        if found.alpha is not None and found.alpha.min() < 255:
            pixels = np.dstack([pixels, found.alpha])
        subject: dict[str, Any] = {"subject_image": Image.fromarray(pixels)}
        return RelightRequest(**subject)

    def deliver(self, asked: Asked, request: RelightRequest, result: RelightResult) -> list[Delivered]:
        """The cut-out, or its alpha channel as a grey picture, without spill, cropped and scaled as asked."""
        values, file_format = asked.values, FORMATS[asked.values["format"]]
        removed = result.record["subject"]["matte"] not in OWN
        delivered = []
        for image in result.images:
            image = _tidied(image) if removed else image
            told = {"x-uncertainty-score": _score(image)} if removed else {}
            # Jobs that an earlier version accepted do not know it.
            if values.get("despill") and values["channels"] == "rgba":
                image = _despilled(image, request)
            data = encoded(_finished(image, values, file_format), file_format)
            delivered.append(Delivered(data, MEDIA_TYPES[file_format], told))
        return delivered

    def refusal(self, fault: Fault, sentence: str) -> Answer:
        """``{"detail", "status_code", "type"}``."""
        kind = {MISSING: "missing_image"}.get(sentence, "unsupported_locally" if fault == "unsupported" else fault)
        return Answer(STATUS[fault], {"detail": FIXED.get(fault, sentence), "status_code": STATUS[fault], "type": kind})


DIALECT = PhotoroomSegment()


def _tidied(image: Image.Image) -> Image.Image:
    """A network's cut-out without its haze and specks, which an edit does not have either."""
    front, matte = split_alpha(image)
    return image if matte is None else Image.fromarray(with_alpha(front, without_specks(sure(matte))))


def _score(image: Image.Image) -> str:
    _, matte = split_alpha(image)
    return f"{0.0 if matte is None else uncertainty(matte):.4f}"


def _despilled(image: Image.Image, request: RelightRequest) -> Image.Image:
    """A cut-out without the light of the backdrop that the picture shows behind it."""
    front, matte = split_alpha(image)
    picture = decode(request.subject_image).rgb
    if matte is None:
        return image
    cleaned = Image.fromarray(despilled(front, picture, matte))
    cleaned.putalpha(image.getchannel("A"))
    return cleaned


def _finished(image: Image.Image, values: Mapping[str, Any], file_format: str) -> Image.Image:
    # A veil that nobody sees is not the subject.
    seen = image.getchannel("A").point(lambda level: 255 * (level > _SEEN * 255))
    box = seen.getbbox() if values["crop"] else None
    cut = image if box is None else image.crop(box)
    cut = _within(cut, SIZES[values["size"]] * 1e6)
    if values["channels"] == "alpha":
        return cut.getchannel("A")
    # A JPEG shows what is transparent in some colour, if none was asked for in white.
    ground = "ffffffff" if values["bg_color"] is None and file_format == "jpeg" else values["bg_color"]
    return over(cut, ground)


def _within(image: Image.Image, pixels: float) -> Image.Image:
    scale = (pixels / (image.width * image.height)) ** 0.5
    if scale >= 1:
        return image
    size = max(1, int(image.width * scale)), max(1, int(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)
