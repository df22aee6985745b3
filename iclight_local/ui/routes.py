"""What the page's own scripts ask for, beside what Gradio does: the light map, jobs and their pictures."""

from __future__ import annotations

import asyncio
import io
import logging
from pathlib import Path

from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.lightmap import INITIAL_LATENT_RAMP, draw_lights
from iclight_local.imaging.sheet import grid
from iclight_local.jobs.base import Job
from iclight_local.light import parse_lights
from iclight_local.server.answers import Endpoint, respond
from iclight_local.ui.asking import MOST_LIGHTS
from iclight_local.ui.copying import HERE
from iclight_local.ui.doors import PARTS, refusal
from iclight_local.ui.jobs import NO_JOB, PageJobs

_log = logging.getLogger(__name__)
STATIC = Path(__file__).parent / "static"
MAP_SIZE = (256, 320)
"""Pixels of the light map that the lamp shows."""
COLUMNS = 4
_SHEET_PIXELS = 48_000_000
"""A sheet of larger pictures shows them smaller."""


def page_routes(jobs: PageJobs) -> Mount:
    """All of them, under ``page``."""
    routes = Routes(jobs)
    table = [
        ("/light", ["GET"], routes.light),
        ("/sheet", ["GET"], routes.sheet),
        ("/jobs", ["GET"], routes.jobs),
        ("/jobs/{job}", ["GET"], routes.job),
        ("/jobs/{job}", ["DELETE"], routes.cancel),
        ("/jobs/{job}/preview", ["GET"], routes.preview),
        ("/jobs/{job}/before", ["GET"], routes.before),
        ("/jobs/{job}/{index:int}", ["GET"], routes.result),
    ]
    found: list[Route | Mount] = [Route(path, _worded(endpoint), methods=methods) for path, methods, endpoint in table]
    return Mount(PARTS.rstrip("/"), app=Starlette(routes=[*found, Mount("/static", app=StaticFiles(directory=STATIC))]))


class Routes:
    """The endpoints; whose jobs are meant says the state of a request."""

    def __init__(self, jobs: PageJobs) -> None:
        self._jobs = jobs

    async def light(self, request: Request) -> Response:
        """The light map of a text, as fc sees it; PNG."""
        text = request.query_params.get("light", "")
        return Response(await asyncio.to_thread(_light_map, text), media_type="image/png", headers=_KEPT)

    async def jobs(self, request: Request) -> Response:
        """The browser's newest jobs."""
        return JSONResponse({"jobs": await asyncio.to_thread(self._jobs.newest, request.state.owner)}, headers=_NOW)

    async def job(self, request: Request) -> Response:
        """One of them."""
        job, base = await self._own(request), self._jobs.base(request)
        told = await asyncio.to_thread(self._jobs.told, job)
        # The details are kept, and were told without knowing by what name this server is called.
        copies = [(name, text.replace(HERE, base)) for name, text in told.get("copies", [])]
        return JSONResponse({**told, "copies": copies}, headers=_NOW)

    async def cancel(self, request: Request) -> Response:
        """End one of them."""
        await asyncio.to_thread(self._jobs.cancel, await self._own(request))
        return JSONResponse({})

    async def preview(self, request: Request) -> Response:
        """How it looks so far."""
        found = await asyncio.to_thread(self._jobs.preview, await self._own(request))
        if found is None:
            raise InvalidRequest("There is no preview.")
        return Response(found, media_type="image/jpeg", headers=_KEPT)

    async def before(self, request: Request) -> Response:
        """The picture it was given."""
        found = await asyncio.to_thread(self._jobs.before, await self._own(request))
        return Response(found, media_type="image/webp", headers=_KEPT)

    async def result(self, request: Request) -> Response:
        """One of its results, the very file with its record."""
        job, index = await self._own(request), request.path_params["index"]
        file = await asyncio.to_thread(self._jobs.output, job, index)
        if file is None:
            raise InvalidRequest(NO_JOB)
        return FileResponse(file, media_type=job.outputs[index], headers=_KEPT)

    async def sheet(self, request: Request) -> Response:
        """The first results of several jobs on one sheet, under their lights; PNG."""
        ids = request.query_params.get("jobs", "").split(",")[:MOST_LIGHTS]
        return Response(await asyncio.to_thread(self._sheet, request.state.owner, ids), media_type="image/png")

    def _sheet(self, owner: str, ids: list[str]) -> bytes:
        jobs = [job for job in (self._jobs.own(owner, each) for each in ids) if job is not None]
        files = [(str(job.asked.values.get("light", "no light")), self._jobs.output(job, 0)) for job in jobs]
        found = [(light, file) for light, file in files if file is not None]
        if not found:
            raise InvalidRequest("None of these jobs has a result.")
        with Image.open(found[0][1]) as first:
            width, height = first.size
        scale = min(1.0, (_SHEET_PIXELS / (len(found) * width * height)) ** 0.5)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return _png(grid([_sized(file, size) for _, file in found], [light for light, _ in found], COLUMNS))

    async def _own(self, request: Request) -> Job:
        found = await asyncio.to_thread(self._jobs.own, request.state.owner, request.path_params["job"])
        if found is None:
            raise InvalidRequest(NO_JOB)
        return found


# Kept for whom they are: another may come to the same browser.
_KEPT = {"cache-control": "private, max-age=3600", "vary": "cookie"}
_NOW = {"cache-control": "no-store"}


def _worded(endpoint: Endpoint) -> Endpoint:
    """Answer an error with its sentence."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except InvalidRequest as error:
            return respond(refusal("not_found" if str(error) == NO_JOB else "invalid", str(error)))
        except Exception:  # noqa: BLE001  # whatever it was, who looks at the page gets a sentence
            _log.exception("the page")
            return respond(refusal("failed", "The page failed at this; the server's log says why."))

    return answer


def _sized(file: Path, size: tuple[int, int]) -> Image.Image:
    with Image.open(file) as image:
        return image.copy() if image.size == size else image.resize(size)


def _light_map(text: str) -> bytes:
    # Where the subject stands is not known yet: light from behind shines around one in the middle.
    return _png(Image.fromarray(draw_lights(parse_lights(text), *MAP_SIZE, INITIAL_LATENT_RAMP, None)))


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "png", compress_level=1)
    return buffer.getvalue()
