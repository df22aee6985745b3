"""From a request's pictures to a subject with a soft matte."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iclight_local.errors import InvalidRequest, NoSubject
from iclight_local.imaging.asked_light import LightPicture, light_picture
from iclight_local.imaging.files import Matte, Picture, decode, decode_matte
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.matte import composite_on_grey
from iclight_local.request import ImageSource, RelightRequest
from iclight_local.segmenters.base import Segmenter

Segment = Callable[[UInt8Array], tuple[FloatArray, Segmenter]]
"""Takes uint8 H x W x 3; gives the matte (float32 in 0..1, H x W) and the segmenter that made it."""
OPAQUE_ALPHA = (
    "The picture's alpha channel is opaque everywhere, so the whole picture counts as the subject: "
    "remove the channel to have the subject cut out, or give --matte."
)


@dataclass(frozen=True)
class Subject:
    """A decoded subject.

    Attributes:
        picture: the decoded picture.
        matte: float32 in 0..1, H x W.
        matte_source: ``given``, ``alpha``, or the segmenter's name.
        matte_sha256: hash of the given matte's file, or None.
        segmenter_file: file of the segmenter that made the matte, or None.
        background: uint8, H x W x 3, or None.
        light: the picture that says the light, or None.
        background_sha256: hash of the background's file, or None.
        warnings: one sentence each.
    """

    picture: Picture
    matte: FloatArray
    matte_source: str
    matte_sha256: str | None
    segmenter_file: Path | None
    background: UInt8Array | None
    background_sha256: str | None
    light: LightPicture | None
    warnings: tuple[str, ...]


def decode_subject(request: RelightRequest, segment: Segment, *, offline: bool) -> Subject:
    """Decode a request's pictures and find the subject.

    A given matte wins over the picture's own alpha channel, and that over segmentation.

    Args:
        request: the request.
        segment: called only where the picture has to be segmented.
        offline: refuse pictures by URL.

    Raises:
        InvalidRequest: a picture cannot be read, or the matte has another size.
        NoSubject: the matte is empty, or the segmenter found nothing.
    """
    picture = decode(request.subject_image, offline=offline)
    background = None if request.background_image is None else decode(request.background_image, offline=offline)
    warnings: tuple[str, ...] = ()
    matte_sha256, segmenter_file = None, None
    if request.matte is not None:
        given = _given_matte(request.matte, picture, offline=offline)
        matte, source, matte_sha256 = given.values, "given", given.sha256
    elif picture.alpha is not None:
        matte, source = picture.alpha.astype(np.float32) / np.float32(255), "alpha"
        warnings = (OPAQUE_ALPHA,) if matte.min() == 1 else ()
    else:
        matte, segmenter = segment(picture.rgb)
        source, segmenter_file = segmenter.name, segmenter.file
    if not matte.any():
        what = "The matte" if source == "given" else "The picture's alpha channel"
        raise NoSubject(f"{what} is empty, so there is no subject to relight: give a matte with white on the subject.")
    return Subject(
        picture=picture,
        matte=matte,
        matte_source=source,
        matte_sha256=matte_sha256,
        segmenter_file=segmenter_file,
        background=None if background is None else _flat(background),
        background_sha256=None if background is None else background.sha256,
        light=light_picture(request, offline=offline),
        warnings=warnings,
    )


def _given_matte(source: ImageSource, picture: Picture, *, offline: bool) -> Matte:
    matte = decode_matte(source, offline=offline)
    height, width = matte.values.shape
    if (width, height) != picture.size:
        raise InvalidRequest(
            f"The matte is {width}x{height} and the picture {picture.size[0]}x{picture.size[1]}: "
            "a matte of the picture's size (after its EXIF rotation) is needed."
        )
    return matte


def _flat(picture: Picture) -> UInt8Array:
    """A picture without its transparency: what is transparent becomes the grey that says nothing."""
    if picture.alpha is None:
        return picture.rgb
    return composite_on_grey(picture.rgb, picture.alpha.astype(np.float32) / np.float32(255))
