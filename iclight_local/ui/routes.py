"""What the page's own scripts ask for, beside what Gradio does: the light map, jobs and their pictures."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path

from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from iclight_local.errors import ICLightError, InvalidRequest
from iclight_local.imaging.lightmap import INITIAL_LATENT_RAMP, draw_lights
from iclight_local.imaging.sheet import grid
from iclight_local.jobs.base import Job
from iclight_local.light import parse_lights
from iclight_local.ui.jobs import PageJobs
from iclight_local.ui.visitors import Visitors

STATIC = Path(__file__).parent / "static"
MAP_SIZE = (256, 320)
"""Pixels of the light map that the lamp shows."""
COLUMNS = 4
_MOST_LIGHTS = 40
_NO_JOB = "There is no such job, or no longer."
Endpoint = Callable[[Request], Awaitable[Response]]


def page_routes(jobs: PageJobs, visitors: Visitors) -> Mount:
    """All of them, under ``page``."""
    routes = Routes(jobs, visitors)
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
    return Mount("/page", app=Starlette(routes=[*found, Mount("/static", app=StaticFiles(directory=STATIC))]))


class Routes:
    """The endpoints; whose jobs are meant says the browser's cookie."""

    def __init__(self, jobs: PageJobs, visitors: Visitors) -> None:
        self._jobs, self._visitors = jobs, visitors

    async def light(self, request: Request) -> Response:
        """The light map of a text, as fc sees it; PNG."""
        text = request.query_params.get("light", "")
        return Response(await asyncio.to_thread(_light_map, text), media_type="image/png", headers=_KEPT)

    async def jobs(self, request: Request) -> Response:
        """The browser's newest jobs."""
        return JSONResponse({"jobs": await asyncio.to_thread(self._jobs.newest, self._owner(request))}, headers=_NOW)

    async def job(self, request: Request) -> Response:
        """One of them."""
        return JSONResponse(await asyncio.to_thread(self._jobs.told, self._own(request)), headers=_NOW)

    async def cancel(self, request: Request) -> Response:
        """End one of them."""
        await asyncio.to_thread(self._jobs.cancel, self._own(request))
        return JSONResponse({})

    async def preview(self, request: Request) -> Response:
        """How it looks so far."""
        found = await asyncio.to_thread(self._jobs.preview, self._own(request))
        if found is None:
            raise InvalidRequest("There is no preview.")
        return Response(found, media_type="image/jpeg", headers=_KEPT)

    async def before(self, request: Request) -> Response:
        """The picture it was given."""
        found = await asyncio.to_thread(self._jobs.before, self._own(request))
        return Response(found, media_type="image/webp", headers=_KEPT)

    async def result(self, request: Request) -> Response:
        """One of its results, the very file with its record."""
        job, index = self._own(request), request.path_params["index"]
        file = self._jobs.output(job, index)
        if file is None:
            raise InvalidRequest(_NO_JOB)
        return FileResponse(file, media_type=job.outputs[index], headers=_KEPT)

    async def sheet(self, request: Request) -> Response:
        """The first results of several jobs on one sheet, under their lights; PNG."""
        ids = request.query_params.get("jobs", "").split(",")[:_MOST_LIGHTS]
        owner = self._owner(request)
        jobs = [job for job in (self._jobs.own(owner, each) for each in ids) if job is not None]
        return Response(await asyncio.to_thread(self._drawn_sheet, jobs), media_type="image/png")

    def _drawn_sheet(self, jobs: list[Job]) -> bytes:
        files = [(str(job.asked.values.get("light", "no light")), self._jobs.output(job, 0)) for job in jobs]
        pictures = [(light, Image.open(file)) for light, file in files if file is not None]
        if not pictures:
            raise InvalidRequest("None of these jobs has a result.")
        size = pictures[0][1].size
        same = [(light, each) for light, each in pictures if each.size == size]
        return _png(grid([each for _, each in same], [light for light, _ in same], COLUMNS))

    def _owner(self, request: Request) -> str:
        found = self._visitors.owner(request.cookies)
        # Nobody comes here whom the visitors' gate does not know.
        assert found is not None
        return found

    def _own(self, request: Request) -> Job:
        found = self._jobs.own(self._owner(request), request.path_params["job"])
        if found is None:
            raise InvalidRequest(_NO_JOB)
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
            return JSONResponse({"error": str(error)}, 404 if str(error) == _NO_JOB else 400, headers=_NOW)
        except ICLightError as error:
            return JSONResponse({"error": str(error)}, 500, headers=_NOW)

    return answer


def _light_map(text: str) -> bytes:
    # Where the subject stands is not known yet: light from behind shines around one in the middle.
    return _png(Image.fromarray(draw_lights(parse_lights(text), *MAP_SIZE, INITIAL_LATENT_RAMP, None)))


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "png", compress_level=1)
    return buffer.getvalue()
