"""An edit's result, composed of a subject in its place and of what stands behind and around it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from iclight_local.imaging.blur import background_weight, blurred, blurred_alpha
from iclight_local.imaging.cast_shadow import cast_shadow, shade_of
from iclight_local.imaging.composition import CLEAR, Layer, Layers, composed, covering, laid, parse_rgba, shrunk
from iclight_local.imaging.files import Picture
from iclight_local.imaging.fit import FloatArray
from iclight_local.imaging.outline import outline
from iclight_local.imaging.placing import Cropped, Place, cropped_sides, place, subject_box
from iclight_local.request import EditRequest

_UNSEEN = 0.05
"""Pixels; a blur of less leaves every byte as it was, and the least of numbers cannot be divided by."""


def as_layer(picture: Picture) -> Layer:
    """A decoded picture as a layer."""
    alpha = picture.alpha
    return Layer(picture.rgb, None if alpha is None else alpha.astype(np.float32) / np.float32(255))


def place_of(request: EditRequest, whole: Layer) -> Place:
    """Where a picture lies in the result: by its subject's box where that is cut out, else as a whole.

    Raises:
        InvalidRequest: margins and paddings leave no room for it.
    """
    everything = 0, 0, *whole.size
    if not request.cuts_out or whole.alpha is None or whole.alpha.min() == 1:
        return place(request, whole.size, everything, Cropped())
    box = subject_box(whole.alpha)
    return place(request, whole.size, everything if box is None else box, cropped_sides(whole.alpha))


def check_room(request: EditRequest, picture: tuple[int, int]) -> None:
    """Refuse margins and paddings that leave no room for any subject, before it is known.

    Raises:
        InvalidRequest: as :func:`place_of` would.
    """
    if request.output_size != "subject":
        # Sides that cut a subject off have no padding: no subject has more room.
        place(request, picture, (0, 0, *picture), Cropped(left=True, top=True, right=True, bottom=True))


def on_canvas(layer: Layer | None, where: Place) -> Layer | None:
    """A layer of the picture's size as it lies in the result; None where nothing of it does."""
    return None if layer is None else laid(layer, where.source, where.target, where.canvas)


def background_layer(request: EditRequest, picture: Picture, canvas: tuple[int, int]) -> Layer | None:
    """A background picture in the middle of the canvas."""
    layer = as_layer(picture)
    if request.background_flip:
        layer = Layer(layer.rgb[:, ::-1], None if layer.alpha is None else layer.alpha[:, ::-1])
    target = covering(layer.size, canvas, whole=request.background_scaling == "fit")
    return laid(layer, (0, 0, *layer.size), target, canvas)


def finished(request: EditRequest, where: Place, front: Layer | None, back: Layer | None) -> Image.Image:
    """Compose what lies on the canvas.

    Args:
        request: what was asked.
        where: the place of the subject.
        front: the subject on the canvas, or None where none of it is there.
        back: what stands behind it, or None.

    Returns:
        RGB where the result is opaque, unless nothing was to stand behind the subject: then RGBA, too.
    """
    matte = None if front is None else front.alpha
    # They know nothing of each other, and numpy and Pillow let other threads run.
    with ThreadPoolExecutor(2) as pool:
        soft = None if back is None else pool.submit(_soft, request, back, matte)
        shade = None if matte is None else pool.submit(_shade, request, matte)
        line = None if matte is None else pool.submit(_line, request, matte)
    layers = Layers(
        where.canvas,
        colour=parse_rgba(request.background_colour),
        back=None if soft is None else soft.result(),
        shade=None if shade is None else shade.result(),
        outline=None if line is None else line.result(),
        line_colour=CLEAR if request.outline_colour is None else parse_rgba(request.outline_colour),
        front=front,
    )
    pixels = shrunk(composed(layers), where.result)
    if pixels[..., 3].min() < 255 or (request.behind == "transparent" and layers.colour[3] < 255):
        return Image.fromarray(pixels)
    return Image.fromarray(np.ascontiguousarray(pixels[..., :3]))


def _soft(request: EditRequest, back: Layer, matte: FloatArray | None) -> Layer:
    """What stands behind the subject, blurred where that was asked for, without the subject's own light."""
    radius = request.background_blur_radius * max(back.size)
    if request.background_blur == "none" or radius < _UNSEEN:
        return back
    weight = np.ones(back.rgb.shape[:2], np.float32) if back.alpha is None else back.alpha
    # Other backgrounds go on behind the subject.
    if matte is not None and request.behind in ("keep", "generate"):
        weight = weight * background_weight(matte)
    soft = blurred(back.rgb, weight, request.background_blur, radius)
    return Layer(soft, None if back.alpha is None else blurred_alpha(back.alpha, request.background_blur, radius))


def _shade(request: EditRequest, matte: FloatArray) -> FloatArray | None:
    shade = shade_of(request)
    return None if shade is None else cast_shadow(matte, shade)


def _line(request: EditRequest, matte: FloatArray) -> FloatArray | None:
    if request.outline_colour is None or request.outline_width == 0:
        return None
    longer = max(matte.shape)
    return outline(matte, request.outline_width * longer, request.outline_blur * longer)
