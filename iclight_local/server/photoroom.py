"""Photoroom's image editing, its cut-out and its account calls."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from iclight_local.dialects import photoroom
from iclight_local.dialects.base import Answer
from iclight_local.dialects.photoroom import DIALECT
from iclight_local.dialects.photoroom_segment import DIALECT as SEGMENT
from iclight_local.errors import InvalidRequest, Unsupported
from iclight_local.server.answers import Json, asks_json, failure, guarded, respond
from iclight_local.server.reading import read_call
from iclight_local.server.service import Service, Unauthorized

SANDBOX = "sandbox_"
"""Begins the keys that hosted puts a watermark for; here they are the same keys, and there is none."""


class PhotoroomRoutes:
    """The calls that published clients make."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[Route]:
        """All routes."""
        return [
            Route("/v2/edit", guarded(DIALECT.refusal, self.edit), methods=["GET", "POST"]),
            Route("/v1/account", self._account(photoroom.account_v1()), methods=["GET"]),
            Route("/v2/account", self._account(photoroom.account_v2()), methods=["GET"]),
            Route("/v1/segment", guarded(SEGMENT.refusal, self.segment), methods=["POST"]),
            Route("/v1/render", guarded(DIALECT.refusal, self.elsewhere), methods=["GET", "POST"]),
        ]

    async def edit(self, request: Request) -> Response:
        """The edited picture."""
        service, owner = self._service, self._owner(request)
        if request.method == "POST" and request.query_params:
            raise InvalidRequest("Parameters must be passed in the multipart body")
        asked = DIALECT.read(await read_call(request, service.limits.body))
        job = await service.relit(request, owner, DIALECT.name, asked)
        refused = failure(DIALECT.refusal, job)
        if refused is not None:
            return respond(refused)
        picture = service.pictures(job)[0]
        headers = {**photoroom.headers(job.asked), **picture.headers}
        return Response(picture.data, 200, headers, media_type=picture.media_type)

    async def segment(self, request: Request) -> Response:
        """The cut-out; as base64 where a call takes nothing but JSON, under both names that clients read."""
        service, owner = self._service, self._owner(request)
        called = await read_call(request, service.limits.body)
        # One published client passes what it asks for in the address.
        asked = SEGMENT.read(replace(called, fields={**request.query_params, **called.fields}))
        job = await service.relit(request, owner, SEGMENT.name, asked)
        refused = failure(SEGMENT.refusal, job)
        if refused is not None:
            return respond(refused)
        picture = service.pictures(job)[0]
        headers = {**photoroom.headers(job.asked), **picture.headers}
        if not asks_json(request):
            return Response(picture.data, 200, headers, media_type=picture.media_type)
        text = base64.b64encode(picture.data).decode()
        return Json({"base64img": text, "result_b64": text}, headers=headers)

    async def elsewhere(self, request: Request) -> Response:
        """What hosted has at this path, and this server has not."""
        self._owner(request)
        raise Unsupported(f"{request.url.path} is not supported by this server")

    def _account(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def account(request: Request) -> Response:
            try:
                self._owner(request)
            except Unauthorized as error:
                return respond(photoroom.account_refusal("unauthorized", "Unauthorized", given=error.given))
            return respond(answer)

        return guarded(DIALECT.refusal, account)

    def _owner(self, request: Request) -> str:
        return self._service.owner(request, request.headers.get("x-api-key", "").removeprefix(SANDBOX))
