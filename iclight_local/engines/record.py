"""What a result says of itself, and the request that can be read from it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from iclight_local import __version__
from iclight_local.engines.subject import Subject
from iclight_local.errors import InvalidRequest
from iclight_local.plan import RelightPlan, executed_knobs
from iclight_local.request import RelightRequest
from iclight_local.sentences import printable

LIBRARIES = ("torch", "diffusers", "transformers", "rembg", "onnxruntime", "numpy", "pillow", "openvino", "nncf")
"""Distributions whose versions can change a result."""


def make_record(request: RelightRequest, plan: RelightPlan, subject: Subject) -> dict[str, Any]:
    """The executed request, the hashes of its pictures, and the versions, as plain JSON values.

    Pictures are named by their short name and hash; no path of the machine goes into a result.
    """
    width, height = subject.picture.size
    record: dict[str, Any] = {
        "iclight_local": __version__,
        "seed": plan.seed,
        "request": executed_knobs(request, plan),
        "subject": {
            "name": subject.picture.name,
            "sha256": subject.picture.sha256,
            "width": width,
            "height": height,
            "matte": subject.matte_source,
        },
        "passes": {
            name: {"width": each.width, "height": each.height, "steps": each.steps, "of": each.scheduler_steps}
            for name, each in (("lowres", plan.lowres), ("highres", plan.highres))
        },
        "versions": {**library_versions(), "python": platform.python_version()},
    }
    if subject.matte_sha256 is not None:
        record["subject"]["matte_sha256"] = subject.matte_sha256
    if subject.background_sha256 is not None:
        record["background"] = {"sha256": subject.background_sha256}
    if subject.light is not None:
        record[subject.light.kind] = {"sha256": subject.light.picture.sha256}
    return record


PICTURES = {"background": "background_image", "light_map": "light_map", "light_reference": "light_reference"}
"""Pictures beside the subject, as a record names them, and their parameters."""
INPUTS = ("subject_image", "matte", *PICTURES.values())
"""Parameters that are pictures; a record never says where they are."""


@dataclass(frozen=True)
class RecordedRun:
    """A relight as its record tells it.

    Attributes:
        record: the record.
        knobs: the executed request.
        image: which of the run's images the result is.
    """

    record: Mapping[str, Any]
    knobs: Mapping[str, Any]
    image: int

    @property
    def subject(self) -> str:
        """Name of the subject's file; empty where it had none."""
        return str(_table(self.record, "subject").get("name", ""))

    @property
    def loras(self) -> dict[str, str]:
        """LoRAs that were asked for by name: the short name of each and its strength."""
        loras = self.record.get("loras")
        tables = [each for each in loras if isinstance(each, dict)] if isinstance(loras, list) else []
        return {str(each.get("name")): str(each.get("scale", 1.0)) for each in tables if "preset" not in each}

    @property
    def needed(self) -> tuple[str, ...]:
        """Parameters that pictures beside the subject were given with."""
        given = ("matte",) if _table(self.record, "subject").get("matte") == "given" else ()
        return given + tuple(knob for name, knob in PICTURES.items() if name in self.record)

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that the record asks for: weights, segmenter and preset by their names.

        Where it had no preset or no LoRA, this machine's usual ones are out of place.
        """
        subject, weights = _table(self.record, "subject"), _table(self.record, "weights")
        found = {"weights": weights.get("bundle"), "preset": self.record.get("preset", "none")}
        if subject.get("matte") not in ("given", "alpha"):
            found["segmenter"] = subject.get("matte")
        named = {name: str(value) for name, value in found.items() if value is not None}
        # As with the subject's file: a record that came from anybody names no folder of this machine.
        plain = {name: value for name, value in named.items() if not set(value) & {"/", "\\"}}
        return plain if self.loras else {**plain, "lora": ()}

    def request(self, pictures: Mapping[str, Any]) -> RelightRequest:
        """The request of the run, with its pictures.

        Raises:
            InvalidRequest: the record holds a parameter or a value that this version does not know, a picture's place,
                or the number of an image that the run did not have.
        """
        try:
            request = RelightRequest(**{**_set(self.knobs), **pictures})
        except InvalidRequest as error:
            version = self.record.get("iclight_local", "another version")
            raise InvalidRequest(
                printable(f"The record, of iclight-local {version}, cannot be run here: {error}")
            ) from None
        if not 0 <= self.image < request.number_of_images:
            raise InvalidRequest(
                f"The record is that of image {self.image} of {request.number_of_images}, counted from 0: "
                "the file as iclight wrote it is needed."
            )
        return request

    def check_inputs(self, record: Mapping[str, Any]) -> None:
        """Refuse a run whose pictures were not those of the recorded one.

        Raises:
            InvalidRequest: one sentence that names the picture.
        """
        for name in ("subject", *PICTURES):
            then, now = _table(self.record, name).get("sha256"), _table(record, name).get("sha256")
            if then != now:
                raise InvalidRequest(
                    f"The {name.replace('_', ' ')} is another picture than the recorded one "
                    f"(sha256 {str(now)[:12]}, not {str(then)[:12]}): give the file that the result was made from."
                )

    def changes(self, record: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
        """What is different now and may change the pixels: versions, weights, device; as it was then and is now."""
        then, now = (
            {
                **{name: str(value) for name, value in _table(each, "versions").items()},
                **{name: str(value)[:12] for name, value in _table(_table(each, "weights"), "sha256").items()},
                **{name: str(value) for name, value in _table(each, "engine").items()},
                **RecordedRun(each, {}, 0).loras,
            }
            for each in (self.record, record)
        )
        names = dict.fromkeys([*then, *now])
        pairs = {name: (then.get(name, "none"), now.get(name, "none")) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


FRAME = "a sequence's frame, whose light was steadied among its neighbours"
"""What a record of the kind ``frame`` is of."""


def recorded_run(record: Mapping[str, Any]) -> RecordedRun:
    """Read a record back.

    Raises:
        InvalidRequest: it is not the record of a relight.
    """
    knobs, kind = _table(record, "request"), str(record.get("kind", "something else"))
    if kind != "relight" or not knobs:
        raise InvalidRequest(
            f"The record is that of {FRAME if kind == 'frame' else printable(kind)}: "
            "a result of iclight relight is needed; iclight inspect shows the command that makes others again."
        )
    image = record.get("image", 0)
    return RecordedRun(record, knobs, image if isinstance(image, int) else 0)


def _set(knobs: Mapping[str, Any]) -> dict[str, Any]:
    """The knobs that a request has to name: a record tells the defaults, too, of which nobody wants to be warned.

    Raises:
        InvalidRequest: one of them is a picture, so that whoever wrote the record would choose what is read.
    """
    placed = next((name for name in INPUTS if name in knobs), None)
    if placed is not None:
        raise InvalidRequest(f"it says where the {placed} is, which no result of iclight does.")
    # The size is as it was, also where the whole picture is shown and another one would be found.
    sizes = ("width", "height")
    fields = RelightRequest.model_fields
    return {
        name: value
        for name, value in knobs.items()
        if name in sizes or name not in fields or value != fields[name].default
    }


def _table(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A table of a record; empty where a record of another version has none."""
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def library_versions() -> dict[str, str]:
    """Versions of the libraries that are installed, without importing them."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
