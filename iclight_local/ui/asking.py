"""From the page's fields to a job, and back from a result to the fields."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from iclight_local.engines.record import recorded_run
from iclight_local.errors import ICLightError, InvalidRequest
from iclight_local.imaging.files import decode
from iclight_local.imaging.fit import UInt8Array
from iclight_local.imaging.metadata import read_record
from iclight_local.light import parse_lights
from iclight_local.plan import SET_BY_NORMALS, random_seed
from iclight_local.ui.jobs import CUT_OUT, NORMALS, RELIGHT, PageJobs
from iclight_local.ui.knobs import given
from iclight_local.ui.matting import corrected, painted_light, shown

LAMP, PAINTED, REFERENCE = "the lamp", "a painted map", "another picture"
"""Where the light is taken from."""
NO_PICTURE = "There is no picture yet: drop one, take one with the camera, or give its address."
_LOOK_S = 0.1
_PATIENCE_S = 600.0
_log = logging.getLogger(__name__)
Told = dict[str, Any]
"""What a button hands to the page's scripts: a job, several by their lights, or a sentence."""


@dataclass(frozen=True)
class Fields:
    """What stands in the page's fields.

    Attributes:
        subject: file of the picture, or None.
        address: of the picture, where there is no file.
        light_from: :data:`LAMP`, :data:`PAINTED` or :data:`REFERENCE`.
        paint: layers of the painted light.
        reference: file of a picture whose light is taken.
        background: file of a background.
        cut: the cut-out that the brush works on: its job and the picture it is of.
        strokes: layers of the brush on the matte.
        knobs: the other fields' values by name.
    """

    subject: str | None
    address: str
    light_from: str
    paint: Sequence[UInt8Array]
    reference: str | None
    background: str | None
    cut: Mapping[str, str]
    strokes: Sequence[UInt8Array]
    knobs: Mapping[str, Any]


class Asking:
    """What the page's buttons do.

    Args:
        jobs: takes what they ask for.
    """

    def __init__(self, jobs: PageJobs) -> None:
        self._jobs = jobs

    def relight(self, owner: str, fields: Fields) -> Told:
        """One relight."""
        return _worded(lambda: {"job": self._submit(owner, RELIGHT, self._values(fields), self._files(owner, fields))})

    def normals(self, owner: str, fields: Fields) -> Told:
        """The normal map, with the knobs that its runs leave open."""

        def job() -> Told:
            values = {name: value for name, value in self._values(fields).items() if name not in SET_BY_NORMALS}
            # Its lights are its own.
            files = self._files(owner, fields)
            return {"job": self._submit(owner, NORMALS, values, {k: v for k, v in files.items() if k in _SUBJECT})}

        return _worded(job)

    def sheet(self, owner: str, fields: Fields, words: Sequence[str], more: str) -> Told:
        """One relight for each light, all with one seed."""

        def jobs() -> Told:
            lights = [*words, *(each.strip() for each in more.split(",") if each.strip())]
            if not lights:
                raise InvalidRequest("There is no light: choose some, or write one.")
            for light in lights:
                parse_lights(light)
            values = {"seed": random_seed(), **self._values(fields)}
            files = {name: data for name, data in self._files(owner, fields).items() if name not in _LIGHTS}
            found = [
                [light, self._submit(owner, RELIGHT, {**values, "light": light, "number_of_images": 1}, files)]
                for light in dict.fromkeys(lights)
            ]
            return {"jobs": found}

        return _worded(jobs)

    def cut_out(self, owner: str, subject: str | None) -> tuple[Image.Image, dict[str, str]]:
        """The matte as the brush shows it, and the cut-out that it belongs to.

        Raises:
            ICLightError: there is no picture, or it could not be cut out; one sentence.
        """
        if subject is None:
            raise InvalidRequest(NO_PICTURE)
        data = Path(subject).read_bytes()
        job_id = self._submit(owner, CUT_OUT, {}, {"image_file": data})
        until = time.monotonic() + _PATIENCE_S
        while True:
            job = self._jobs.own(owner, job_id)
            if job is None or time.monotonic() > until:
                raise InvalidRequest("The cut-out did not come: look at the server's log.")
            if job.final:
                break
            time.sleep(_LOOK_S)
        if job.error is not None:
            raise InvalidRequest(job.error)
        cut = self._cut({"job": job_id}, owner)
        return shown(cut, Image.fromarray(decode(data).rgb)), {"job": job_id, "subject": subject}

    @staticmethod
    def restored(picture: str) -> Mapping[str, Any]:
        """The knobs of a result's record.

        Raises:
            InvalidRequest: it is no result of a relight.
        """
        run = recorded_run(read_record(picture, offline=True))
        # What cannot be asked here is refused before a field is changed.
        run.request({"subject_image": Image.new("RGB", (1, 1)), **dict.fromkeys(run.needed, Image.new("L", (1, 1)))})
        return run.knobs

    def _submit(self, owner: str, dialect: str, values: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
        return self._jobs.submit(owner, dialect, values, files).id

    @staticmethod
    def _values(fields: Fields) -> dict[str, Any]:
        """The knobs, with the picture's address where it has no file."""
        values = given(fields.knobs.keys(), fields.knobs.values())
        if fields.light_from != LAMP:
            values.pop("light", None)
        if fields.subject is None:
            if not fields.address.strip():
                raise InvalidRequest(NO_PICTURE)
            values["subject_image"] = fields.address.strip()
        return values

    def _files(self, owner: str, fields: Fields) -> dict[str, bytes]:
        """The pictures."""
        named = {"subject_image": fields.subject, "background_image": fields.background}
        if fields.light_from == REFERENCE:
            if fields.reference is None:
                raise InvalidRequest("The light shall be another picture's, and there is none: drop one there.")
            named["light_reference"] = fields.reference
        files = {name: Path(path).read_bytes() for name, path in named.items() if path is not None}
        if fields.light_from == PAINTED:
            painted = painted_light(fields.paint, (512, 640))
            if painted is None:
                raise InvalidRequest("The light shall be painted, and nothing was: paint where the light comes from.")
            files["light_map"] = painted
        if fields.subject is not None and fields.cut.get("subject") == fields.subject:
            matte = corrected(self._cut(fields.cut, owner), fields.strokes)
            if matte is not None:
                files["matte"] = matte
        return files

    def _cut(self, cut: Mapping[str, str], owner: str) -> Image.Image:
        job = self._jobs.own(owner, cut["job"])
        file = None if job is None else self._jobs.output(job, 0)
        if file is None:
            raise InvalidRequest("The cut-out is no longer here: show it again.")
        return Image.open(io.BytesIO(file.read_bytes())).convert("RGBA")


_LIGHTS = ("light_map", "light_reference")
_SUBJECT = ("subject_image", "matte")


def layers(editor: Mapping[str, Any] | None) -> list[UInt8Array]:
    """The layers of an editor, as it gives them."""
    return [] if editor is None else [np.asarray(layer) for layer in editor.get("layers", [])]


def _worded(work: Any) -> Told:
    """What was told, or the sentence that says why not."""
    try:
        told: Told = work()
        return told
    except ICLightError as error:
        return {"error": str(error)}
    except Exception:  # noqa: BLE001  # whatever it was, who pressed the button gets a sentence
        _log.exception("the page")
        return {"error": "The page failed at this; the server's log says why."}
