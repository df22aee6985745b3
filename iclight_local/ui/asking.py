"""From the page's fields to a job, and back from a result to the fields."""

from __future__ import annotations

import asyncio
import io
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from starlette.requests import Request

from iclight_local.dialects.pictures import opened_picture
from iclight_local.dialects.values import shown as shown_value
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
from iclight_local.ui.uploads import GONE

PAINTED_SIZE = (512, 640)
"""Width and height on which a light is painted."""
LAMP, PAINTED, REFERENCE = "the lamp", "a painted map", "another picture"
"""Where the light is taken from."""
NO_PICTURE = "There is no picture yet: drop one, take one with the camera, or give its address."
NO_FILE = "There is no picture yet: drop one, or take one with the camera; of an address no cut-out is shown."
_NO_CUT_OUT = "The cut-out did not come: the server goes down, or the job was cancelled."
_PAINT_PIXELS = 2**24
_ADDRESS = re.compile(r"https?://|data:", re.IGNORECASE)
MOST_LIGHTS = 40
"""Of a contact sheet."""
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
        paint: files of the layers of the painted light.
        reference: file of a picture whose light is taken.
        background: file of a background.
        cut: the cut-out that the brush works on: its job and the picture it is of.
        strokes: files of the layers of the brush on the matte.
        knobs: the other fields' values by name.
    """

    subject: str | None
    address: str
    light_from: str
    paint: Sequence[str]
    reference: str | None
    background: str | None
    cut: Mapping[str, Any]
    strokes: Sequence[str]
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
        # Its lights are its own, and so is what stands behind the subject.
        own = replace(fields, light_from=LAMP, background=None)

        def job() -> Told:
            values = {name: value for name, value in self._values(own).items() if name not in SET_BY_NORMALS}
            return {"job": self._submit(owner, NORMALS, values, self._files(owner, own))}

        return _worded(job)

    def sheet(self, owner: str, fields: Fields, words: Sequence[str], more: str | None) -> Told:
        """One relight for each light, all with one seed; all of them, or none."""
        own = replace(fields, light_from=LAMP)

        def jobs() -> Told:
            written = [] if more is None else more.split(",")
            lights = list(dict.fromkeys([*words, *(each.strip() for each in written if each.strip())]))
            if not lights:
                raise InvalidRequest("There is no light: choose some, or write one.")
            if len(lights) > MOST_LIGHTS:
                raise InvalidRequest(f"There are {len(lights)} lights, but a sheet has {MOST_LIGHTS} at most.")
            for light in lights:
                parse_lights(light)
            values = {"seed": random_seed(), **self._values(own), "number_of_images": 1}
            return {"jobs": self._submit_all(owner, values, lights, self._files(owner, own))}

        return _worded(jobs)

    def _submit_all(
        self, owner: str, values: Mapping[str, Any], lights: Sequence[str], files: Mapping[str, bytes]
    ) -> list[list[str]]:
        found: list[list[str]] = []
        try:
            for light in lights:
                found.append([light, self._submit(owner, RELIGHT, {**values, "light": light}, files)])
        except ICLightError:
            # Nobody would see what became of those that were taken.
            for _, job_id in found:
                job = self._jobs.own(owner, job_id)
                if job is not None:
                    self._jobs.cancel(job)
            raise
        return found

    async def cut_out(self, owner: str, subject: str | None, call: Request) -> tuple[bytes, dict[str, str]]:
        """The matte as the brush shows it, and the cut-out that it belongs to.

        Args:
            owner: who asks.
            subject: file of the picture.
            call: waits for it; where its caller goes away the job ends, too.

        Returns:
            A JPEG; the cut-out's job and the picture, by name.

        Raises:
            ICLightError: there is no picture, or it could not be cut out; one sentence.
        """
        if subject is None:
            raise InvalidRequest(NO_FILE)
        data = await asyncio.to_thread(_read, subject)
        submitted = await asyncio.to_thread(self._jobs.submit, owner, CUT_OUT, {}, {"image_file": data})
        job = await self._jobs.ended(call, submitted)
        if job.error is not None:
            raise InvalidRequest(job.error)
        if job.state != "done":
            raise InvalidRequest(_NO_CUT_OUT)
        return await asyncio.to_thread(self._shown, owner, job.id, data), {"job": job.id, "subject": subject}

    def _shown(self, owner: str, job_id: str, data: bytes) -> bytes:
        buffer = io.BytesIO()
        cut = self._cut({"job": job_id}, owner)
        shown(cut, Image.fromarray(decode(data).rgb)).save(buffer, "jpeg", quality=90)
        return buffer.getvalue()

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
            address = fields.address.strip()
            if not address:
                raise InvalidRequest(NO_PICTURE)
            if not _ADDRESS.match(address):
                raise InvalidRequest(f"The picture's address is {shown_value(address)}, but must begin with https://.")
            values["subject_image"] = address
        return values

    def _files(self, owner: str, fields: Fields) -> dict[str, bytes]:
        """The pictures."""
        named = {"subject_image": fields.subject, "background_image": fields.background}
        if fields.light_from == REFERENCE:
            if fields.reference is None:
                raise InvalidRequest("The light shall be another picture's, and there is none: drop one there.")
            named["light_reference"] = fields.reference
        files = {name: _read(path) for name, path in named.items() if path is not None}
        if fields.light_from == PAINTED:
            painted = painted_light(_layers(fields.paint), PAINTED_SIZE)
            if painted is None:
                raise InvalidRequest("The light shall be painted, and nothing was: paint where the light comes from.")
            files["light_map"] = painted
        if fields.subject is not None and fields.cut.get("subject") == fields.subject:
            matte = corrected(self._cut(fields.cut, owner), _layers(fields.strokes))
            if matte is not None:
                files["matte"] = matte
        return files

    def _cut(self, cut: Mapping[str, Any], owner: str) -> Image.Image:
        job = self._jobs.own(owner, str(cut.get("job")))
        file = None if job is None else self._jobs.output(job, 0)
        if file is None:
            raise InvalidRequest("The cut-out is no longer here: show it again.")
        return Image.open(io.BytesIO(file.read_bytes())).convert("RGBA")


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        raise InvalidRequest(GONE) from None


def _layers(files: Sequence[str]) -> list[UInt8Array]:
    """The painted layers as RGBA uint8; what has no transparency is none."""
    found = []
    for path in files:
        data = _read(path)
        image = opened_picture(data, "a painted layer")
        if image.width * image.height > _PAINT_PIXELS:
            raise InvalidRequest(f"A painted layer has {image.width} x {image.height} pixels: load the page again.")
        picture = decode(data)
        if picture.alpha is not None:
            found.append(np.dstack([picture.rgb, picture.alpha]))
    return found


def _worded(work: Callable[[], Told]) -> Told:
    """What was told, or the sentence that says why not."""
    try:
        return work()
    except ICLightError as error:
        return {"error": str(error)}
    except Exception:  # noqa: BLE001  # whatever it was, who pressed the button gets a sentence
        _log.exception("the page")
        return {"error": "The page failed at this; the server's log says why."}
