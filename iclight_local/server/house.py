"""The house's own routes, under /relight."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from iclight_local.dialects.base import Asked, JobView
from iclight_local.dialects.house import DIALECT
from iclight_local.server.answers import Json, asks_json, failure, guarded, respond
from iclight_local.server.reading import read_call
from iclight_local.server.schema import house_schema, page
from iclight_local.server.service import SUFFIXES, Service

NEWEST = 100
"""Jobs that a list shows."""
_NO_JOB = "There is no such job, or no longer."
_NO_RESULT = "There is no such result, or no longer."


class HouseRoutes:
    """Relight at once or as a job, and everything about jobs."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[Route]:
        """All routes."""
        table = [
            ("/relight", ["POST"], self.relight),
            ("/relight/jobs", ["GET"], self.jobs),
            ("/relight/jobs", ["POST"], self.submit),
            ("/relight/jobs/{job}", ["GET"], self.job),
            ("/relight/jobs/{job}", ["DELETE"], self.cancel),
            ("/relight/results/{secret}/{name}", ["GET"], self.result),
            ("/relight/openapi.json", ["GET"], self.schema),
            ("/relight/docs", ["GET"], self.docs),
        ]
        return [Route(path, guarded(DIALECT.refusal, endpoint), methods=methods) for path, methods, endpoint in table]

    async def relight(self, request: Request) -> Response:
        """The first picture itself; the job with links to all of them where ``Accept`` asks for JSON."""
        service, owner, asked = self._service, *await self._called(request)
        job = await service.relit(request, owner, DIALECT.name, asked)
        refused = failure(DIALECT.refusal, job)
        if refused is not None:
            return respond(refused)
        view = service.view(request, job)
        if asks_json(request) or len(view.outputs) > 1:
            return Json(_body(view))
        file = service.store.output(job, 0)
        data = b"" if file is None else file.read_bytes()
        headers = {"x-seed-value": str(view.used_seed), "x-job-id": job.id}
        return Response(data, 200, headers, media_type=view.outputs[0].media_type)

    async def submit(self, request: Request) -> Response:
        """A job that was accepted."""
        owner, asked = await self._called(request)
        job = await self._service.submit(request, owner, DIALECT.name, asked)
        return Json(_body(self._service.view(request, job)), 202)

    async def jobs(self, request: Request) -> Response:
        """The caller's newest jobs."""
        found = self._service.store.of_owner(self._owner(request), NEWEST)
        return Json({"jobs": [_body(self._service.view(request, job)) for job in found]})

    async def job(self, request: Request) -> Response:
        """One job."""
        found = self._service.own_job(self._owner(request), request.path_params["job"])
        if found is None:
            return respond(DIALECT.refusal("not_found", _NO_JOB))
        return Json(_body(self._service.view(request, found)))

    async def cancel(self, request: Request) -> Response:
        """A job that is cancelled, or had ended."""
        found = self._service.own_job(self._owner(request), request.path_params["job"])
        if found is None:
            return respond(DIALECT.refusal("not_found", _NO_JOB))
        self._service.runner.cancel(found)
        return Json(_body(self._service.view(request, self._service.store.get(found.id) or found)))

    async def result(self, request: Request) -> Response:
        """A picture, to whoever knows its name: that cannot be guessed."""
        found = self._service.store.by_secret(request.path_params["secret"])
        number, _, suffix = request.path_params["name"].partition(".")
        index = int(number) if number.isascii() and number.isdigit() and len(number) < 3 else -1
        file = None if found is None else self._service.store.output(found, index)
        if found is None or file is None or SUFFIXES[found.outputs[index]] != suffix or not file.exists():
            return respond(DIALECT.refusal("not_found", _NO_RESULT))
        headers = {"x-content-type-options": "nosniff", "cache-control": "private, max-age=3600"}
        return FileResponse(file, headers=headers, media_type=found.outputs[index])

    async def schema(self, request: Request) -> Response:
        """The OpenAPI document of these routes."""
        return Json(self._schema(request))

    async def docs(self, request: Request) -> Response:
        """The same as a page; it needs no script and nothing from elsewhere."""
        return HTMLResponse(page(self._schema(request)))

    def _schema(self, request: Request) -> dict[str, Any]:
        return house_schema(self._service.base(request), keyed=self._service.keyed)

    def _owner(self, request: Request) -> str:
        bearer, _, token = request.headers.get("authorization", "").partition(" ")
        key = request.headers.get("x-api-key") or (token.strip() if bearer.lower() == "bearer" else None)
        return self._service.owner(request, key)

    async def _called(self, request: Request) -> tuple[str, Asked]:
        """Who calls, and for what."""
        owner = self._owner(request)
        return owner, DIALECT.read(await read_call(request, self._service.limits.body))


def _body(view: JobView) -> dict[str, Any]:
    """A job as the house's API shows it."""
    return {
        "id": view.id,
        "state": view.state,
        "position": view.position,
        "progress": round(view.progress, 3),
        "created": view.created,
        "started": view.started,
        "ended": view.ended,
        "expires": view.expires,
        "seed": view.used_seed,
        "images": [{"url": each.url, "media_type": each.media_type, "bytes": each.size} for each in view.outputs],
        "error": view.error,
    }
