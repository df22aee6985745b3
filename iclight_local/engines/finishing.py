"""From the model's picture to the result: framing, transfer, background, exposure, measures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from iclight_local.engines.subject import Subject
from iclight_local.imaging.compose import filled, over, with_alpha
from iclight_local.imaging.exposure import exposed, subject_luminance
from iclight_local.imaging.fit import FloatArray, UInt8Array, resize_and_center_crop
from iclight_local.imaging.foreground import decontaminated, separated
from iclight_local.imaging.frame import Frame, scaled
from iclight_local.imaging.matte import OWN, sure
from iclight_local.imaging.measure import Measures, measure
from iclight_local.imaging.shadow import contact_shadow, shaded
from iclight_local.imaging.tint import tinted
from iclight_local.imaging.transfer import TransferOptions, transfer
from iclight_local.light import parse_lights, temperature_of
from iclight_local.request import RelightRequest


@dataclass(frozen=True)
class Source:
    """What the request brought, in the result's frame and at its size.

    Attributes:
        picture: uint8, H x W x 3.
        matte: float32 in 0..1, H x W.
        alpha: the picture's own transparency, uint8, H x W; None where it has none.
        straight: whether the matte is that transparency, so that soft edges show the subject's own colours alone.
        background: the middle of the given background, as large as covers the result, uint8, H x W x 3; or None.
        frame: how the picture lies in the model's frame.
    """

    picture: UInt8Array
    matte: FloatArray
    alpha: UInt8Array | None
    straight: bool
    background: UInt8Array | None
    frame: Frame


@dataclass(frozen=True)
class Finished:
    """A result, and how it compares with the picture it was made from.

    Attributes:
        image: RGB or RGBA.
        measures: against the source's picture.
        luminance: that its subject was to have, in linear light; None where it was left as it came.
    """

    image: Image.Image
    measures: Measures
    luminance: float | None


def framed(subject: Subject, frame: Frame, *, mirrored: bool = False) -> Source:
    """Bring a subject's pictures into the result's frame; ``mirrored``: with the background's left at the right."""
    matte = subject.matte if subject.matte_source in OWN else sure(subject.matte)
    alpha = subject.picture.alpha
    background = subject.background
    if background is not None:
        # At its own resolution: through the model's size it would be soft behind a sharp subject.
        background = resize_and_center_crop(background[:, ::-1] if mirrored else background, *frame.result)
    return Source(
        picture=frame.of_picture(subject.picture.rgb),
        matte=frame.of_matte(matte),
        alpha=None if alpha is None else frame.of_picture(alpha),
        straight=subject.matte_source == "alpha",
        background=background,
        frame=frame,
    )


def finish(made: UInt8Array, source: Source, request: RelightRequest) -> Finished:
    """Turn what the model made into what was asked for.

    Args:
        made: the model's picture, uint8, at the size of the highres pass.
        source: what it was made from.
        request: what was asked.

    Returns:
        The result, RGB or RGBA, and its measures against the source's picture.
    """
    relit = source.frame.from_model(made)
    subject = _subject(relit, source, request)
    # What the model made is one picture and stays one; any other background keeps its brightness.
    together, target = request.behind == "generate", _wanted_luminance(request, source)
    if target is not None and not together:
        subject = _exposed_alone(subject, source, request, target)
    pixels = _before_background(subject, relit, source, request)
    if target is not None and together:
        pixels, _ = exposed(pixels, target, source.matte)
    return Finished(Image.fromarray(pixels), measure(source.picture, _opaque(pixels), source.matte), target)


def _wanted_luminance(request: RelightRequest, source: Source) -> float | None:
    """The mean luminance that the subject shall have, in linear light; None where it is left as it comes."""
    if request.exposure_compensation is None:
        return request.exposure
    return float(subject_luminance(source.picture, source.matte) * 2**request.exposure_compensation)


def _exposed_alone(subject: UInt8Array, source: Source, request: RelightRequest, target: float) -> UInt8Array:
    """The subject exposed, with what of its own background is kept as bright as it was."""
    if request.behind != "keep" or request.kept == "none" or source.straight:
        return exposed(subject, target, source.matte)[0]
    # Its mixed pixels hold light of both: only the subject's is changed.
    front, back = separated(subject, source.matte)
    return over(exposed(front, target, source.matte)[0], back, source.matte)


def _subject(relit: UInt8Array, source: Source, request: RelightRequest) -> UInt8Array:
    """The relit subject at the result's size, with whatever stands around it."""
    if request.kept == "none":
        return scaled(relit, source.frame.result)
    around = request.background_strength if request.behind == "keep" and not source.straight else 0.0
    colour = None if request.light is None else temperature_of(parse_lights(request.light))
    if colour is not None and request.kept == "detail":
        relit = tinted(relit, source.picture, source.matte, colour)
    options = TransferOptions(keep=request.kept, strength=request.light_strength, background_strength=around)
    return transfer(source.picture, relit, source.matte, options, straight=source.straight)


def _before_background(subject: UInt8Array, relit: UInt8Array, source: Source, request: RelightRequest) -> UInt8Array:
    """The subject before what was asked to stand behind it."""
    behind, matte = request.behind, source.matte
    # A cut-out's colours are the subject's own already; the model's picture has a background wherever it comes from.
    pure = source.straight and request.kept != "none"
    if behind == "generate":
        if request.kept == "none":
            return subject
        front = subject if pure else decontaminated(subject, matte)
        return over(front, scaled(relit, source.frame.result), matte)
    if behind == "keep":
        if request.kept == "none":
            # Behind a cut-out's soft edge there is nothing to see through it.
            share = np.asarray(matte > 0, np.float32) if source.straight else matte
            subject = over(decontaminated(subject, matte), decontaminated(source.picture, 1 - matte), share)
        return subject if source.alpha is None else np.dstack([subject, source.alpha])
    front = subject if pure else decontaminated(subject, matte)
    # A cut-out has no ground under it that a shadow could be seen on.
    light = contact_shadow(source.picture, matte) if request.contact_shadow and not source.straight else None
    if behind == "transparent":
        return with_alpha(front, matte) if light is None else _with_shadow(front, matte, light)
    if behind == "image" and source.background is not None:
        back = source.background
    else:
        back = filled(request.background_colour, *matte.shape)
    return over(front, back if light is None else shaded(back, light), matte)


def _with_shadow(front: UInt8Array, matte: FloatArray, light: FloatArray) -> UInt8Array:
    """A cut-out with its shadow: black that hides ``1 - light`` of whatever will stand behind it."""
    alpha = matte + (1 - matte) * (1 - light)
    black = np.zeros_like(front)
    share = np.divide(matte, alpha, out=np.ones_like(matte), where=alpha > 0)
    return with_alpha(over(front, black, share), alpha)


def _opaque(pixels: UInt8Array) -> UInt8Array:
    return np.ascontiguousarray(pixels[..., :3])
