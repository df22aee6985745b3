"""All routes on one port, and what every call goes through."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from iclight_local.dialects.house import DIALECT as HOUSE
from iclight_local.server.answers import respond
from iclight_local.server.house import HouseRoutes
from iclight_local.server.limits import App, LimitedBodies
from iclight_local.server.service import Service
from iclight_local.server.watching import Watched


def make_app(service: Service) -> App:
    """The application of one server."""

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> Response:
        accepts = service.runner.accepts
        return PlainTextResponse("ready\n" if accepts else "not ready\n", 200 if accepts else 503)

    async def metrics(_: Request) -> Response:
        return Response(service.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    routes = [
        Route("/healthz", health, methods=["GET"]),
        Route("/readyz", ready, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        *HouseRoutes(service).routes(),
    ]
    app = Starlette(routes=routes, exception_handlers={404: _missing, 405: _wrong_method, Exception: _failed})
    limits = service.limits
    return Watched(LimitedBodies(app, limits.body, limits.seconds), service.metrics)


async def _missing(request: Request, error: Exception) -> Response:
    return respond(HOUSE.refusal("not_found", "The requested URL does not exist: /relight/docs lists those that do."))


async def _wrong_method(request: Request, error: Exception) -> Response:
    return respond(HOUSE.refusal("not_allowed", f"The method {request.method} is not allowed here."))


async def _failed(request: Request, error: Exception) -> Response:
    return respond(HOUSE.refusal("failed", "The server failed at this call; its log says why."))
