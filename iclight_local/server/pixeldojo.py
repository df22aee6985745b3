"""PixelDojo's jobs and its list of models."""

from __future__ import annotations

import json
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from iclight_local.dialects import pixeldojo
from iclight_local.dialects.pixeldojo import API_ID, DIALECT
from iclight_local.dialects.pixeldojo_openapi import openapi
from iclight_local.errors import Unsupported
from iclight_local.jobs.base import Job
from iclight_local.server.answers import Json, guarded, respond
from iclight_local.server.reading import read_call
from iclight_local.server.service import Service
from iclight_local.server.webhooks import Post, Webhooks

NEWEST = 100
"""Jobs that a list shows."""
_NO_JOB = "There is no such job, or no longer"
_BASE = "base"


class PixelDojoRoutes:
    """The platform's calls; a job's ``webhook_url`` is called once it has ended."""

    def __init__(self, service: Service, post: Post) -> None:
        """``post`` calls webhooks."""
        self._service = service
        webhooks = Webhooks(service.store, post, DIALECT.name, self._told)
        service.runner.listen(webhooks.ended)
        service.closing(webhooks.stop)

    def routes(self) -> list[Route]:
        """All routes."""
        table = [
            ("/api/openapi", "GET", self.openapi),
            ("/api/v1/models", "GET", self.models),
            ("/api/v1/models/{model}", "GET", self.model),
            ("/api/v1/models/{model}/schema", "GET", self.model),
            ("/api/v1/models/{model}/run", "POST", self.run),
            ("/api/v1/jobs", "GET", self.jobs),
            ("/api/v1/jobs/{job}", "GET", self.job),
        ]
        return [Route(path, guarded(DIALECT.refusal, endpoint), methods=[method]) for path, method, endpoint in table]

    async def run(self, request: Request) -> Response:
        """A job that was accepted."""
        service, owner, model = self._service, self._owner(request), request.path_params["model"]
        if model != API_ID:
            return respond(pixeldojo.unknown_model(model))
        asked = DIALECT.read(await read_call(request, service.limits.body))
        if asked.provider is not None and not service.runner.asks(asked.provider):
            raise Unsupported(f"model_type '{asked.values['model_type']}' is not available on this server")
        # A webhook is called when nobody's request is there to say what links begin with.
        asked = replace(asked, values={**asked.values, _BASE: service.base(request)})
        job = await service.submit(request, owner, DIALECT.name, asked)
        url = f"{service.base(request)}/api/v1/jobs/{job.id}"
        return respond(pixeldojo.submitted(asked, service.view(request, job), url))

    async def job(self, request: Request) -> Response:
        """One job."""
        found = self._service.own_job(self._owner(request), request.path_params["job"])
        if found is None or found.dialect != DIALECT.name:
            return respond(DIALECT.refusal("not_found", _NO_JOB))
        return Json(pixeldojo.job_body(found.asked, self._service.view(request, found)))

    async def jobs(self, request: Request) -> Response:
        """The caller's newest jobs."""
        found = self._service.store.of_owner(self._owner(request), NEWEST)
        own = [job for job in found if job.dialect == DIALECT.name]
        return Json({"jobs": [pixeldojo.job_body(job.asked, self._service.view(request, job)) for job in own]})

    async def openapi(self, request: Request) -> Response:
        """The document of these calls; it needs no key."""
        return Json(openapi(self._service.base(request), API_ID))

    async def models(self, request: Request) -> Response:
        """The one model."""
        self._owner(request)
        return Json(pixeldojo.models_body())

    async def model(self, request: Request) -> Response:
        """The model and its parameters."""
        self._owner(request)
        model = request.path_params["model"]
        return Json(pixeldojo.model_body()) if model == API_ID else respond(pixeldojo.unknown_model(model))

    def _owner(self, request: Request) -> str:
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        return self._service.owner(request, key.strip() if kind.lower() == "bearer" else None)

    def _told(self, job: Job) -> bytes:
        """What a webhook is sent."""
        view = self._service.view_from(job.asked.values[_BASE], job)
        return json.dumps(pixeldojo.job_body(job.asked, view)).encode()
