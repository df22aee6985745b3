"""The page's jobs: taken as the server takes any call, and told so that a browser can show them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from iclight_local.dialects import find_dialect
from iclight_local.dialects.base import Asked, Call, Dialect
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.encode import encode
from iclight_local.imaging.files import decode
from iclight_local.imaging.fit import resize_and_center_crop
from iclight_local.imaging.metadata import read_record
from iclight_local.jobs.base import Job
from iclight_local.jobs.runner import QueueFull
from iclight_local.server.service import SUFFIXES, Busy, Service
from iclight_local.ui.copying import copies
from iclight_local.ui.figures import figures

RELIGHT, CUT_OUT, NORMALS = "house", "photoroom_segment", "house_normals"
"""Dialects in which the page asks."""
WORDS = {RELIGHT: "Relight", CUT_OUT: "Cut-out", NORMALS: "Normals"}
SHOWN = ("prompt", "light", "light_source", "fit")
"""Knobs that a list of jobs names."""
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
        asked = self._read(find_dialect(dialect), fields, files)
        most = self._service.limits.body
        size = sum(len(data) for data in files.values())
        if size > most:
            raise InvalidRequest(f"The pictures have {size / 2**20:.0f} MB, and {most / 2**20:.0f} are taken at most.")
        try:
            self._service.count(owner)
            return self._service.runner.submit(owner, dialect, asked)
        except (QueueFull, Busy) as error:
            raise InvalidRequest(str(error)) from None

    def own(self, owner: str, job_id: str) -> Job | None:
        """A job of this owner's."""
        return self._service.own_job(owner, job_id)

    def output(self, job: Job, index: int) -> Path | None:
        """The file of a result; None where there is none."""
        return self._service.store.output(job, index)

    def newest(self, owner: str) -> list[dict[str, Any]]:
        """The newest jobs, as :meth:`told` tells each but for what a list does not show."""
        found = self._service.store.of_owner(owner, NEWEST)
        lists = ("copies", "warnings", "before")
        return [{name: value for name, value in self.told(job).items() if name not in lists} for job in found]

    def cancel(self, job: Job) -> None:
        """End a job that waits or runs."""
        self._service.runner.cancel(job)

    def told(self, job: Job) -> dict[str, Any]:
        """A job as plain JSON values; addresses are relative to the page's."""
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
        }
        if job.state == "running" and (preview := self._service.runner.preview(job.id)) is not None:
            found["preview"] = f"page/jobs/{job.id}/preview?step={preview.step}"
        return {**found, **self._details(job.id)} if job.state == "done" else found

    def before(self, job: Job) -> bytes:
        """The picture that a job was given, framed as its results are; WebP.

        Raises:
            InvalidRequest: the job has no result.
        """
        file = self._service.store.output(job, 0)
        if file is None:
            raise InvalidRequest("The job has no result yet.")
        with Image.open(file) as result:
            size = result.size
        picture = decode(self._service.store.pictures(job)["subject_image"])
        pixels = picture.rgb if picture.alpha is None else np.dstack([picture.rgb, picture.alpha])
        return encode(resize_and_center_crop(pixels, *size), output_format="webp", quality=_QUALITY)

    def preview(self, job: Job) -> bytes | None:
        """The newest preview of a running job as JPEG; None where there is none."""
        found = self._service.runner.preview(job.id)
        if found is None or found.preview is None:
            return None
        buffer = io.BytesIO()
        found.preview.save(buffer, "jpeg", quality=_QUALITY)
        return buffer.getvalue()

    @staticmethod
    def _read(dialect: Dialect, fields: Mapping[str, Any], files: Mapping[str, bytes]) -> Asked:
        return dialect.read(Call(fields, files))

    def _what(self, job: Job) -> str:
        values = job.asked.values
        said = [str(values[name]) for name in SHOWN if values.get(name)]
        return " · ".join([WORDS.get(job.dialect, job.dialect), *said])

    def _read_details(self, job_id: str) -> dict[str, Any]:
        """What does not change any more of a job that is done."""
        job = self._service.store.get(job_id)
        assert job is not None
        images, shape, record = [], 1.0, {}
        for index, kind in enumerate(job.outputs):
            file = self._service.store.output(job, index)
            assert file is not None
            with Image.open(file) as image:
                width, height = image.size
            try:
                own: Mapping[str, Any] = read_record(file, offline=True)
            except InvalidRequest:
                # A cut-out has none.
                own = {}
            if index == 0:
                shape, record = width / height, dict(own)
            seed = job.seeds[index] if index < len(job.seeds) else "result"
            images.append(
                {
                    "url": f"page/jobs/{job.id}/{index}",
                    "name": f"{WORDS.get(job.dialect, 'result').lower()}-{seed}-{index + 1}.{SUFFIXES[kind]}",
                    "told": f"{width} x {height}, {SUFFIXES[kind].upper()}, {file.stat().st_size / 1e6:.1f} MB",
                    "figures": figures(own),
                }
            )
        return {
            "shape": round(shape, 5),
            "images": images,
            "before": f"page/jobs/{job.id}/before",
            "copies": copies(job, record) if job.dialect == RELIGHT else [],
        }
