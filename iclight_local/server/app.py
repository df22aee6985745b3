"""All routes on one port, and what every call goes through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Match, Route

from iclight_local.dialects import pixeldojo, segmind
from iclight_local.dialects.house import DIALECT as HOUSE
from iclight_local.dialects.photoroom import DIALECT as PHOTOROOM
from iclight_local.dialects.photoroom_segment import DIALECT as SEGMENT
from iclight_local.server.answers import Refusal, respond
from iclight_local.server.hosts import OwnNames
from iclight_local.server.house import HouseRoutes
from iclight_local.server.limits import App, LimitedBodies, Receive, Scope, Send
from iclight_local.server.photoroom import PhotoroomRoutes
from iclight_local.server.pixeldojo import PixelDojoRoutes
from iclight_local.server.segmind import SegmindRoutes
from iclight_local.server.service import Service
from iclight_local.server.watching import Watched
from iclight_local.server.webhooks import Post

_SEGMIND = (
    *("/v1/", "/v2/", "/workflows/", "/finetune/", "/webhook/", "/upload-asset", "/api/auth/"),
    *("/inference-request/", "/inference-model-information/"),
)
"""Its models, and what its clients ask its other hosts for, which this server has not."""
_WORDED: dict[str, Refusal] = {
    **dict.fromkeys(("/v2/edit", "/v1/account", "/v2/account", "/v1/render"), PHOTOROOM.refusal),
    "/v1/segment": SEGMENT.refusal,
    **dict.fromkeys(_SEGMIND, segmind.refusal),
    "/api/": pixeldojo.unknown_path,
}


@dataclass(frozen=True)
class Page:
    """What a server shows to people, beside what it answers to programs.

    Attributes:
        path: where it stands; it takes all calls under it.
        app: the page.
        lifespan: what it needs to be alive.
    """

    path: str
    app: App
    lifespan: Callable[[], AbstractAsyncContextManager[None]]


def make_app(service: Service, post: Post, warmed: Callable[[], bool] = lambda: True, shown: Page | None = None) -> App:
    """The application of one server.

    Args:
        service: what all routes share.
        post: calls webhooks.
        warmed: whether the engine has done beforehand what the first calls would wait for.
        shown: a page for people, or None.
    """

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> Response:
        accepts = service.runner.accepts and warmed()
        return PlainTextResponse("ready\n" if accepts else "not ready\n", 200 if accepts else 503)

    async def metrics(_: Request) -> Response:
        return Response(service.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with nullcontext() if shown is None else shown.lifespan():
            yield
        service.close()

    routes = [
        Route("/healthz", health, methods=["GET"]),
        Route("/readyz", ready, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        *HouseRoutes(service).routes(),
        # Before Segmind's, whose paths take any model's name.
        *PhotoroomRoutes(service).routes(),
        *SegmindRoutes(service).routes(),
        *PixelDojoRoutes(service, post).routes(),
    ]
    handlers = {404: _missing, 405: _wrong_method, Exception: _failed}
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    limits = service.limits
    limited: App = LimitedBodies(_with_page(_unslashed(app), shown), limits.body, limits.seconds)
    named: App = limited if service.keyed else OwnNames(limited, service.public_url, _strange)
    return Watched(named, service.metrics, None if shown is None else shown.path)


async def _strange(request: Request, sentence: str) -> Response:
    return respond(_refusal(request)("unauthorized", sentence))


def _with_page(app: App, shown: Page | None) -> App:
    """Hand what is asked of the page to it, and who asks for nothing to the page, too."""
    if shown is None:
        return app
    page = shown

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in ("/", page.path):
            # Its parts have addresses relative to it.
            await RedirectResponse(f"{scope.get('root_path', '')}{page.path}/")(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(f"{page.path}/"):
            # Its own routes begin with it: they are counted and logged as one.
            scope["route"] = page
            await page.app({**scope}, receive, send)
        else:
            await app(scope, receive, send)

    return answer


def _unslashed(app: App) -> App:
    """Take a path with a closing slash for the same without: not every client sends a body again when redirected."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and len(scope["path"]) > 1 and scope["path"].endswith("/"):
            scope["path"] = scope["path"][:-1]
        await app(scope, receive, send)

    return answer


async def _missing(request: Request, error: Exception) -> Response:
    return respond(_refusal(request)("not_found", "The requested URL does not exist"))


async def _wrong_method(request: Request, error: Exception) -> Response:
    response = respond(_refusal(request)("not_allowed", "The requested HTTP method is not allowed"))
    # Two routes may share a path, and the one that was found names its own methods alone.
    paths = (route for route in request.app.routes if route.matches(request.scope)[0] != Match.NONE)
    response.headers["allow"] = ", ".join(sorted({method for route in paths for method in route.methods}))
    return response


async def _failed(request: Request, error: Exception) -> Response:
    return respond(_refusal(request)("failed", "The server failed at this call; its log says why."))


def _refusal(request: Request) -> Refusal:
    """The words of whoever a path belongs to."""
    path = request.url.path
    return next((found for start, found in _WORDED.items() if path.startswith(start)), HOUSE.refusal)
