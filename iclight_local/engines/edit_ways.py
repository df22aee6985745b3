"""The three ways of an edit: a cut-out lit in its own frame, a picture that keeps its background, a subject in a scene.

Each says what the engine is to relight, if anything, and takes apart what came of it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from iclight_local.engines.composing import background_layer, on_canvas, place_of
from iclight_local.errors import NoSubject
from iclight_local.imaging.compose import with_alpha
from iclight_local.imaging.composition import Layer
from iclight_local.imaging.files import Picture
from iclight_local.imaging.foreground import decontaminated, separated
from iclight_local.imaging.matte import split_alpha
from iclight_local.imaging.placing import Place
from iclight_local.request import EditRequest, RelightRequest


@dataclass(frozen=True, eq=False)
class Placed:
    """What lies on the canvas; see :func:`iclight_local.engines.composing.finished`."""

    where: Place
    front: Layer | None
    back: Layer | None


class Way(Protocol):
    """How an edit is done."""

    @property
    def light(self) -> RelightRequest | None:
        """What the engine has to relight; None: nothing."""
        ...

    def placed(self, made: Layer | None) -> Placed:
        """What lies on the canvas, given what the engine made."""
        ...


@dataclass(frozen=True, eq=False)
class CutOut:
    """The subject leaves its background.

    Attributes:
        request: what was asked.
        light: as in :class:`Way`; it gives the subject with its matte.
        front: the subject as it was, its own colours alone; None where the engine gives it.
        background: what comes behind it, or None.
    """

    request: EditRequest
    light: RelightRequest | None
    front: Layer | None
    background: Picture | None

    def placed(self, made: Layer | None) -> Placed:
        """As in :class:`Way`."""
        front = self.front if made is None else made
        if front is None:
            raise NoSubject("The picture has no subject.")
        where = place_of(self.request, front)
        return Placed(where, on_canvas(front, where), _behind(self.request, self.background, where))


@dataclass(frozen=True, eq=False)
class Kept:
    """The subject stays before its background.

    Attributes:
        request: what was asked.
        light: as in :class:`Way`; it gives the whole picture.
        whole: the picture as it was.
        front: the subject's part of it, where something comes between the two.
    """

    request: EditRequest
    light: RelightRequest | None
    whole: Layer
    front: Layer | None

    def placed(self, made: Layer | None) -> Placed:
        """As in :class:`Way`."""
        whole = self.whole if made is None else made
        where = place_of(self.request, whole)
        if whole.alpha is not None:
            # What is transparent around the subject is all the background that there is.
            return Placed(where, on_canvas(whole, where), None)
        if self.front is None or self.front.alpha is None:
            return Placed(where, None, on_canvas(whole, where))
        matte = self.front.alpha
        with ThreadPoolExecutor(1) as beside:
            back = beside.submit(on_canvas, whole, where)
            front = self.front if made is None else Layer(decontaminated(whole.rgb, matte), matte, continued=True)
            return Placed(where, on_canvas(front, where), back.result())


@dataclass(frozen=True, eq=False)
class InScene:
    """The subject is placed first, and the model lights it there.

    Attributes:
        request: what was asked.
        light: as in :class:`Way`; it gives the whole result, or the subject alone before a given background.
        where: the place of the subject.
        front: the subject on the canvas, as it was.
        back: the given background on the canvas; None where the model makes one.
    """

    request: EditRequest
    light: RelightRequest | None
    where: Place
    front: Layer
    back: Layer | None

    def placed(self, made: Layer | None) -> Placed:
        """As in :class:`Way`."""
        lit = self.front if made is None else made
        if self.request.behind != "generate":
            return Placed(self.where, lit, self.back)
        matte = self.front.alpha
        if matte is None or not self.request.between:
            return Placed(self.where, None, Layer(lit.rgb))
        front, back = separated(lit.rgb, matte)
        return Placed(self.where, Layer(front, matte), Layer(back))


def in_scene(request: EditRequest, cut: Layer, background: Picture | None) -> InScene:
    """The way of a subject into a scene that lights it.

    Raises:
        NoSubject: nothing of it lies in the result.
        InvalidRequest: margins and paddings leave no room for it.
    """
    where = place_of(request, cut)
    front = on_canvas(cut, where)
    if front is None or front.alpha is None or not front.alpha.any():
        raise NoSubject(
            "Nothing of the subject lies in the result, so there is nothing to light: "
            "use scaling fit, or reference_box subject."
        )
    subject = image_of(front)
    back = _behind(request, background, where)
    if request.behind == "generate":
        light = request.light_of(subject_image=subject, background_mode="generate")
    else:
        shown = None if back is None else image_of(back)
        light = request.light_of(subject_image=subject, background_image=shown, background_mode="transparent")
    return InScene(request, light, where, front, back)


def image_of(layer: Layer) -> Image.Image:
    """A layer as a picture, RGB or RGBA."""
    return Image.fromarray(
        np.ascontiguousarray(layer.rgb) if layer.alpha is None else with_alpha(layer.rgb, layer.alpha)
    )


def layer_of(image: Image.Image) -> Layer:
    """A picture as a layer."""
    return Layer(*split_alpha(image))


def _behind(request: EditRequest, background: Picture | None, where: Place) -> Layer | None:
    return None if background is None else background_layer(request, background, where.canvas)
