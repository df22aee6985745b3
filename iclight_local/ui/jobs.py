"""The page's jobs: taken as the server takes any call, and told so that a browser can show them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image
from starlette.requests import Request

from iclight_local.dialects import find_dialect
from iclight_local.dialects.base import Call
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.encode import encode
from iclight_local.imaging.files import decode
from iclight_local.imaging.frame import as_photographed
from iclight_local.imaging.metadata import read_record
from iclight_local.jobs.base import Job
from iclight_local.jobs.runner import QueueFull
from iclight_local.server.service import LOCAL, SUFFIXES, Busy, Service
from iclight_local.ui.copying import SUBJECT, copies
from iclight_local.ui.figures import figures

RELIGHT, CUT_OUT, NORMALS = "house", "photoroom_segment", "house_normals"
"""Dialects in which the page asks."""
WORDS = {RELIGHT: "Relight", CUT_OUT: "Cut-out", NORMALS: "Normals"}
SHOWN = ("prompt", "light", "light_source", "fit")
"""Knobs that a list of jobs names."""
NO_JOB = "There is no such job, or no longer."
NEWEST = 50
_KEPT = 256
_QUALITY = 90


class PageJobs:
    """What browsers ask of their jobs.

    Args:
        service: takes the jobs and keeps them.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._details = lru_cache(_KEPT)(self._read_details)

    def submit(self, owner: str, dialect: str, fields: Mapping[str, Any], files: Mapping[str, bytes]) -> Job:
        """Take a job.

        Args:
            owner: whose it is.
            dialect: one of :data:`WORDS`.
            fields: knobs by name; pictures by their addresses, too.
            files: pictures by name.

        Raises:
            InvalidRequest: a value is wrong, or the server takes no more just now; one sentence.
        """
        asked = find_dialect(dialect).read(Call(fields, files))
        most = self._service.limits.body
        size = sum(len(data) for data in files.values())
        if size > most:
            raise InvalidRequest(f"The pictures have {size / 2**20:.0f} MB, and {most / 2**20:.0f} are taken at most.")
        try:
            self._service.count(owner if self._service.keyed else LOCAL)
            return self._service.runner.submit(owner, dialect, asked)
        except (QueueFull, Busy) as error:
            raise InvalidRequest(str(error)) from None

    async def ended(self, call: Request, job: Job) -> Job:
        """A job as it is when it ended, or when ``call`` may wait no longer; it ends where the caller goes away."""
        return await self._service.ended(call, job)

    def own(self, owner: str, job_id: str) -> Job | None:
        """A job of this owner's."""
        return self._service.own_job(owner, job_id)

    def output(self, job: Job, index: int) -> Path | None:
        """The file of a result; None where there is none, or no longer."""
        file = self._service.store.output(job, index)
        return file if file is not None and file.exists() else None

    def newest(self, owner: str) -> list[dict[str, Any]]:
        """The newest jobs, as :meth:`told` tells each, without what is read from their files."""
        return [self._state(job) for job in self._service.store.of_owner(owner, NEWEST)]

    def base(self, call: Request) -> str:
        """What this server's own addresses begin with."""
        return self._service.base(call)

    def cancel(self, job: Job) -> None:
        """End a job that waits or runs."""
        self._service.runner.cancel(job)

    def told(self, job: Job) -> dict[str, Any]:
        """A job as plain JSON values; addresses are relative to the page's.

        Raises:
            InvalidRequest: its files are gone.
        """
        if job.state != "done":
            return self._state(job)
        try:
            return {**self._state(job), **self._details(job.id)}
        except FileNotFoundError:
            raise InvalidRequest(NO_JOB) from None

    def _state(self, job: Job) -> dict[str, Any]:
        """What changes of a job, and what its row alone tells."""
        place, progress = self._service.runner.place(job.id) if not job.final else (0, float(job.state == "done"))
        found = {
            "id": job.id,
            "what": self._what(job),
            "state": job.state,
            "final": job.final,
            "created": job.created,
            "position": place,
            "progress": progress,
            # As texts: a browser's numbers are not exact beyond 2^53.
            "seeds": [str(seed) for seed in job.seeds],
            "error": job.error,
            "images": [self._image(job, index) for index in range(len(job.outputs))],
        }
        if job.state == "running" and (preview := self._service.runner.preview(job.id)) is not None:
            found["preview"] = f"page/jobs/{job.id}/preview?step={preview.step}"
        return found

    @staticmethod
    def _image(job: Job, index: int) -> dict[str, Any]:
        seed = job.seeds[index] if index < len(job.seeds) else "result"
        what, suffix = WORDS.get(job.dialect, "result").lower(), SUFFIXES[job.outputs[index]]
        return {"url": f"page/jobs/{job.id}/{index}", "name": f"{what}-{seed}-{index + 1}.{suffix}"}

    def before(self, job: Job) -> bytes:
        """The picture that a job was given, framed as its results are; WebP.

        Raises:
            InvalidRequest: the job has no result.
        """
        file = self.output(job, 0)
        if file is None:
            raise InvalidRequest("The job has no result yet, or no longer.")
        try:
            with Image.open(file) as result:
                size = result.size
            picture = decode(self._service.store.pictures(job)[SUBJECT])
        except FileNotFoundError:
            raise InvalidRequest(NO_JOB) from None
        return encode(as_photographed(picture, size), output_format="webp", quality=_QUALITY)

    def preview(self, job: Job) -> bytes | None:
        """The newest preview of a running job as JPEG; None where there is none."""
        found = self._service.runner.preview(job.id)
        if found is None or found.preview is None:
            return None
        buffer = io.BytesIO()
        found.preview.convert("RGB").save(buffer, "jpeg", quality=_QUALITY)
        return buffer.getvalue()

    def _what(self, job: Job) -> str:
        values = job.asked.values
        said = [str(values[name]) for name in SHOWN if values.get(name)]
        return " · ".join([WORDS.get(job.dialect, job.dialect), *said])

    def _read_details(self, job_id: str) -> dict[str, Any]:
        """What the files of a job that is done tell."""
        job = self._service.store.get(job_id)
        if job is None:
            raise InvalidRequest(NO_JOB)
        images, shapes, records = [], [], []
        for index, kind in enumerate(job.outputs):
            file = self._service.store.output(job, index)
            assert file is not None
            with Image.open(file) as image:
                width, height = image.size
            try:
                record: Mapping[str, Any] = read_record(file, offline=True)
            except InvalidRequest:
                # A cut-out has none.
                record = {}
            told = f"{width} x {height}, {SUFFIXES[kind].upper()}, {file.stat().st_size / 1e6:.1f} MB"
            images.append({**self._image(job, index), "told": told, "figures": figures(record)})
            shapes.append(width / height)
            records.append(record)
        return {
            "shape": round(shapes[0], 5),
            "images": images,
            "before": f"page/jobs/{job.id}/before",
            "copies": copies(job, records[0]) if job.dialect == RELIGHT else [],
        }
