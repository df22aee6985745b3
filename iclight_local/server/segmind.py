"""Segmind's gateway: its two relighting models, at once under /v1 and as jobs under /v2."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from iclight_local.dialects import segmind, segmind_ic_light, segmind_relighting_v2
from iclight_local.dialects.base import Answer, Call, Dialect, Fault, JobView
from iclight_local.dialects.values import boolean
from iclight_local.server.answers import Json, asks_json, failure, guarded, respond
from iclight_local.server.reading import read_call
from iclight_local.server.service import Service

MODELS: dict[str, Dialect] = {
    "ic-light": segmind_ic_light.DIALECT,
    "segmind-relighting-v2": segmind_relighting_v2.DIALECT,
}
"""Dialects by the model's name in the path."""
QUEUED: dict[str, Dialect] = {"ic-light": segmind_ic_light.QUEUED}
"""Those that are read otherwise as jobs."""
_Worded = Callable[[JobView, str], Answer]


class SegmindRoutes:
    """The gateway's calls."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[Route]:
        """All routes."""
        asked = [("/v2/requests/{job}/status", segmind.status)]
        asked += [(f"/{version}/requests/{{job}}", segmind.outcome) for version in ("v1", "v2")]
        found = [Route(path, guarded(_refusal, self._told(worded)), methods=["GET"]) for path, worded in asked]
        for model, dialect in MODELS.items():
            found.append(Route(f"/v1/{model}", guarded(_refusal, self._at_once(dialect)), methods=["POST"]))
            queued = QUEUED.get(model, dialect)
            found.append(Route(f"/v2/{model}", guarded(_refusal, self._as_job(queued)), methods=["POST"]))
        return found

    def _at_once(self, dialect: Dialect) -> Callable[[Request], Awaitable[Response]]:
        async def relight(request: Request) -> Response:
            began = time.perf_counter()
            call = await self._called(request)
            as_text = boolean(call, "base64", False) or asks_json(request)
            job = await self._service.relit(request, request.state.owner, dialect.name, dialect.read(call))
            refused = failure(_refusal, job)
            if refused is not None:
                return respond(refused)
            pictures = self._service.pictures(job)
            seed = job.seeds[0] if job.seeds else None
            headers = segmind.success_headers(request.state.number, seed, time.perf_counter() - began)
            if len(pictures) > 1:
                return Json(segmind_ic_light.several(pictures, job.seeds), headers=headers)
            if as_text:
                return Json(segmind.as_text(pictures[0]), headers=headers)
            return Response(pictures[0].data, 200, headers, media_type=pictures[0].media_type)

        return relight

    def _as_job(self, dialect: Dialect) -> Callable[[Request], Awaitable[Response]]:
        async def submit(request: Request) -> Response:
            call = await self._called(request)
            job = await self._service.submit(request, request.state.owner, dialect.name, dialect.read(call))
            return respond(segmind.submitted(self._service.view(request, job), self._service.base(request)))

        return submit

    def _told(self, worded: _Worded) -> Callable[[Request], Awaitable[Response]]:
        async def tell(request: Request) -> Response:
            name = request.path_params["job"]
            job = self._service.own_job(self._owner(request), name)
            if job is None:
                return respond(segmind.unknown_request(name))
            return respond(worded(self._service.view(request, job), self._service.base(request)))

        return tell

    def _owner(self, request: Request) -> str:
        return self._service.owner(request, request.headers.get("x-api-key"))

    async def _called(self, request: Request) -> Call:
        # Before a body of any size is read.
        self._owner(request)
        return await read_call(request, self._service.limits.body)


def _refusal(fault: Fault, sentence: str) -> Answer:
    answer = segmind.refusal(fault, sentence)
    if fault != "busy":
        return answer
    return Answer(answer.status, answer.body, segmind.rate_limit_headers(time.time() + 60))
