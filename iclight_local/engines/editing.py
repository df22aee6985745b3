"""An edit: the engine cuts out and relights, and the result is composed around what it gave."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from iclight_local import __version__
from iclight_local.engines.base import Engine
from iclight_local.engines.composing import as_layer, check_room, finished
from iclight_local.engines.edit_ways import CutOut, Kept, Way, in_scene, layer_of
from iclight_local.engines.subject import OPAQUE_ALPHA
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.composition import Layer
from iclight_local.imaging.files import decode, decoded
from iclight_local.imaging.kept import kept_metadata
from iclight_local.imaging.matte import OWN, sure, uncertainty
from iclight_local.imaging.sources import read_source
from iclight_local.imaging.specks import without_specks
from iclight_local.request import EditRequest, Knobs, RelightRequest
from iclight_local.result import ProgressCallback, RelightResult

_TAKING_APART, _COMPOSING = threading.Semaphore(2), threading.Semaphore(2)
"""Held by who does it: an edit of 24 megapixels takes up to 1 GB meanwhile."""


def edit(engine: Engine, request: EditRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
    """Edit one picture.

    Args:
        engine: cuts out and relights.
        request: what is asked.
        progress: told how far it is.

    Returns:
        The results, RGB or RGBA. Their record names the edit's own values under ``edit``, and where a network cut the
        subject out, ``uncertainty`` tells how unsure it was.

    Raises:
        InvalidRequest: the request is wrong.
        ICLightError: as :meth:`iclight_local.engines.base.Engine.relight` does.
    """
    with _TAKING_APART:
        one = _Edit(engine, request, progress)
    light = one.way.light
    lit = None if light is None else engine.relight(light, progress=progress)
    with _COMPOSING:
        return one.result(lit)


class _Edit:
    """One edit on its way."""

    def __init__(self, engine: Engine, request: EditRequest, progress: ProgressCallback | None) -> None:
        """Decode its pictures and cut out what has to be before any light.

        Raises:
            ICLightError: as :func:`edit` does.
        """
        self._engine, self._request, self._progress = engine, request, progress
        self._timings: dict[str, float] = {}
        self._cut: RelightResult | None = None
        self._uncertainty: float | None = None
        self._unpadded: tuple[str, ...] = ()
        with self._stage("decode"):
            # Read once: what an address or a file gives may change from one reading to the next.
            self._data, name = read_source(request.subject_image, offline=engine.offline)
            self._picture = decoded(self._data, name)
            given = request.background_image
            self._background = None if given is None else decode(given, offline=engine.offline)
            self._metadata = kept_metadata(self._data, request.metadata)
        check_room(request, self._picture.size)
        self.way = self._way()

    def result(self, lit: RelightResult | None) -> RelightResult:
        """Compose what was made of it."""
        with self._stage("compose"):
            images = [self._composed(made) for made in ([None] if lit is None else self._made(lit))]
        runs = [run for run in (self._cut, lit) if run is not None]
        base = runs[-1] if runs else self._untouched()
        timings: dict[str, float] = {}
        for each in (*(run.timings for run in runs), self._timings):
            for stage, seconds in each.items():
                timings[stage] = timings.get(stage, 0.0) + seconds
        warnings = dict.fromkeys([*self._idle(), *(warning for run in runs for warning in run.warnings)])
        if self._request.on_canvas:
            # Of the canvas that was drawn for the model, and not of the picture.
            warnings.pop(OPAQUE_ALPHA, None)
        return replace(
            base,
            images=images,
            # No seed made what was only cut out.
            seed=None if lit is None else lit.seed,
            record=self._record(base if lit is not None else _without_a_light(base)),
            # What the engine saw may have been a drawn canvas: what is kept is that of the picture that was given.
            exif=self._metadata.exif,
            xmp=self._metadata.xmp,
            density=self._request.dpi,
            warnings=(*warnings, *self._metadata.warnings),
            timings=timings,
        )

    def _way(self) -> Way:
        """Which way the edit goes."""
        request, picture = self._request, self._picture
        if not request.cuts_out:
            return self._kept()
        subject: Any = self._data
        if picture.alpha is not None and request.own_alpha == "never" and request.matte is None:
            subject = Image.fromarray(picture.rgb)
        asked = {"subject_image": subject, "matte": request.matte}
        if request.relit and not request.on_canvas:
            light = request.light_of(**asked, background_mode="transparent")
            return CutOut(request, light, None, self._background)
        cut = self._cut_out(asked)
        return (
            in_scene(request, cut, self._background) if request.relit else CutOut(request, None, cut, self._background)
        )

    def _kept(self) -> Kept:
        """The way of a picture that keeps its background."""
        request, whole = self._request, as_layer(self._picture)
        opaque = whole.alpha is None or whole.alpha.min() == 1
        if opaque and request.shadow != "none":
            raise InvalidRequest(
                "shadow needs a subject without a background of its own: leave background_mode keep out, "
                "or give a picture that is transparent around its subject."
            )
        whole = Layer(whole.rgb) if opaque else whole
        asked: dict[str, Any] = {"subject_image": self._data, "matte": request.matte}
        if opaque and self._picture.alpha is not None:
            asked["subject_image"] = Image.fromarray(self._picture.rgb)
        front = self._cut_out(asked) if opaque and request.between else None
        if front is not None and front.alpha is not None:
            asked["matte"] = Image.fromarray(np.rint(front.alpha * 255).astype(np.uint8))
        light = request.light_of(**asked, background_mode="keep") if request.relit else None
        return Kept(request, light, whole, front)

    def _cut_out(self, asked: dict[str, Any]) -> Layer:
        """The subject with its matte, by the engine."""
        given = {name: value for name, value in asked.items() if value is not None}
        self._cut = self._engine.cut_out(RelightRequest(**given), progress=self._progress)
        layer = layer_of(self._cut.images[0])
        if layer.alpha is not None and _source(self._cut) not in OWN:
            layer = Layer(layer.rgb, without_specks(sure(layer.alpha)), continued=True)
        self._note_uncertainty(self._cut, layer)
        # The layer is all that is needed of it, and a large picture takes 50 MB and more.
        self._cut = replace(self._cut, images=[])
        return layer

    def _note_uncertainty(self, run: RelightResult, cut: Layer) -> None:
        if cut.alpha is not None and _source(run) not in OWN:
            self._uncertainty = uncertainty(cut.alpha)

    def _made(self, lit: RelightResult) -> list[Layer]:
        """What the engine made; a matte of its own making without its specks."""
        layers = [layer_of(image) for image in lit.images]
        if not self._request.cuts_out or self._cut is not None:
            return layers
        if _source(lit) not in OWN:
            layers = [
                Layer(each.rgb, None if each.alpha is None else without_specks(each.alpha), continued=True)
                for each in layers
            ]
        self._note_uncertainty(lit, layers[0])
        return layers

    def _composed(self, made: Layer | None) -> Image.Image:
        placed = self.way.placed(made)
        self._unpadded = placed.where.unpadded
        return finished(self._request, placed.where, placed.front, placed.back)

    def _idle(self) -> list[str]:
        """What was asked for and nothing was done with, one sentence each."""
        request, told = self._request, []
        names = [name for name in RelightRequest.model_fields if name in request.model_fields_set & _OF_A_LIGHT]
        if names and not request.relit:
            told += [f"No light was asked for, so nothing is done with {', '.join(names)}: add --light or --prompt."]
        if request.background_blur != "none" and request.behind in ("transparent", "colour"):
            told += ["Nothing stands behind the subject that could be blurred: add --background-image FILE."]
        if self._unpadded:
            told += [
                f"The picture cuts its subject off ({', '.join(self._unpadded)}), so there is no padding there: "
                "add --pad-cropped-sides to have it all the same."
            ]
        return told

    def _untouched(self) -> RelightResult:
        """What an engine would tell, where none was needed."""
        record: dict[str, Any] = {"iclight_local": __version__}
        return RelightResult(images=[], seed=None, record=record, engine=self._engine.name)

    def _record(self, base: RelightResult) -> dict[str, Any]:
        record = {**base.record, "kind": "edit", "edit": _own_values(self._request)}
        name = {"name": self._picture.name, "sha256": self._picture.sha256}
        width, height = self._picture.size
        # Who found the subject is told by the run that did: later ones were given it.
        found = base.record if self._cut is None else self._cut.record
        record["subject"] = {**found.get("subject", {}), **name, "width": width, "height": height}
        segmenter = found.get("weights", {}).get("sha256", {}).get("segmenter")
        if segmenter is not None:
            # A provider that lit it tells of no weights.
            weights = record.get("weights", {})
            record["weights"] = {**weights, "sha256": {**weights.get("sha256", {}), "segmenter": segmenter}}
        if self._background is not None:
            record["background"] = {"sha256": self._background.sha256}
        if self._uncertainty is not None:
            record["uncertainty"] = self._uncertainty
        return record

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._timings[name] = self._timings.get(name, 0.0) + time.perf_counter() - began


_OF_A_LIGHT = {*Knobs.model_fields, "keep", "light_strength", "background_strength"} - {"background_flip"}
"""Parameters that say how a picture is lit, and nothing without a light."""


def _without_a_light(run: RelightResult) -> RelightResult:
    """A run whose record says nothing of the light that it did not have."""
    light = ("request", "passes", "seed")
    return replace(run, record={name: value for name, value in run.record.items() if name not in light})


def _source(run: RelightResult) -> str:
    """What made a run's matte."""
    return str(run.record.get("subject", {}).get("matte"))


def _own_values(request: EditRequest) -> dict[str, Any]:
    """What was asked beyond a relight, as plain JSON values."""
    own = EditRequest.model_fields.keys() - RelightRequest.model_fields.keys() | {"background_colour"}
    return {name: getattr(request, name) for name in sorted(own & request.model_fields_set)} | {
        "background_mode": request.behind
    }
