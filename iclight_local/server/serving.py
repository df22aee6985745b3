"""A server from settings to its end: opens what it needs, listens, and goes down in order."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Callable
from contextlib import ExitStack

import uvicorn

from iclight_local.engines.base import Engine
from iclight_local.errors import EngineError, InvalidRequest
from iclight_local.imaging.guarded import Guard, fetch, post
from iclight_local.jobs.runner import Bounds, Runner
from iclight_local.jobs.store import JobStore, Lifetimes
from iclight_local.server.app import Page, make_app
from iclight_local.server.keys import KeyFile, key_file
from iclight_local.server.limits import App, RateLimit
from iclight_local.server.service import Limits, Service
from iclight_local.server.stopping import Stoppable, leave_at_once, leaving_on_sigterm
from iclight_local.server.warming import Warming
from iclight_local.server.wire import wire
from iclight_local.settings import ServeSettings, Settings

_log = logging.getLogger(__name__)
_HEADER_BYTES = 64 * 1024
_BACKLOG = 2048


def check_address(host: str, keys: KeyFile) -> None:
    """Refuse to be open to others without keys.

    Raises:
        InvalidRequest: the address is reached by others, and there is no key.
    """
    if keys.names or _is_loopback(host):
        return
    raise InvalidRequest(
        f"The address {host} is reached by other machines, and no key was made: "
        "run iclight keys add NAME first, or serve on 127.0.0.1."
    )


def listening_socket(settings: ServeSettings) -> socket.socket:
    """A socket that listens, before anything heavy is loaded.

    Raises:
        InvalidRequest: the address is none of this machine, or taken.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((settings.host, settings.port))
        # From here on callers queue up, and none is turned away while the engine is opened.
        found.listen(_BACKLOG)
    except OSError as error:
        found.close()
        raise InvalidRequest(
            f"{settings.host} port {settings.port} cannot be listened at ({error.strerror}): "
            "choose others with --host and --port."
        ) from None
    return found


def serve(
    open_engine: Callable[[], Engine],
    settings: Settings,
    options: ServeSettings,
    listener: socket.socket,
    told: Callable[[str], None],
    page: Callable[[Service], Page] | None = None,
) -> None:
    """Serve until the process is told to stop (SIGINT, SIGTERM).

    Args:
        open_engine: opens what relights; closed at the end.
        settings: the owner's.
        options: of the server.
        listener: from :func:`listening_socket`; closed at the end.
        told: called with the address, once calls are taken.
        page: makes what is shown to people, or None.
    """
    keys = key_file(settings.home)
    folder = settings.home / "jobs" if options.jobs is None else options.jobs.expanduser()
    with ExitStack() as ends:
        # Results are kept as long as asked; a job that waits is not forgotten the sooner for it.
        store = JobStore(folder, Lifetimes(ended=options.keep_hours * 3600))
        ends.callback(store.close)
        ends.enter_context(leaving_on_sigterm())
        engine = open_engine()
        early = ends.enter_context(ExitStack())
        early.callback(engine.close)
        guard = Guard(allow_private=options.allow_private_urls, offline=settings.offline)
        again = store.recover()
        if again:
            _log.info("jobs taken up again", extra={"told": {"jobs": again}})
        runner = Runner(store, engine, lambda url: fetch(url, guard), _bounds(options))
        service = _service(store, runner, keys, options)
        warming = Warming(engine, None if options.no_warm_up else options.most_together)
        app = make_app(
            service,
            lambda url, body: post(url, body, guard, {"content-type": "application/json"}),
            warming.done,
            None if page is None else page(service),
        )
        server = Stoppable(_config(app, options.body_seconds), service, options.stop_seconds)
        ends.enter_context(server.heeding_signals())
        early.pop_all()
        ends.callback(lambda: _close(engine, runner, warming, server))
        # uvicorn closes the service, too, but not where it was hurried.
        ends.callback(service.close)
        # Not before all listen who want to be told of jobs.
        runner.start()
        warming.start()
        told(_address(listener))
        server.run(sockets=[listener])
        if not server.started:
            raise EngineError("The server did not come up; its log says why.")
    if not _ended(runner, warming):
        leave_at_once()


def _bounds(options: ServeSettings) -> Bounds:
    return Bounds(waiting=options.most_waiting, together=options.most_together)


def _service(store: JobStore, runner: Runner, keys: KeyFile, options: ServeSettings) -> Service:
    return Service(
        store,
        runner,
        keys if keys.names else None,
        rate=RateLimit(options.rate),
        limits=Limits(options.max_body_mb * 2**20, options.body_seconds, options.wait_seconds),
        public_url=options.public_url,
    )


def _close(engine: Engine, runner: Runner, warming: Warming, server: Stoppable) -> None:
    """End the warm-up and the jobs, and close the engine: not where one is in the middle of a step all the same.

    That may take minutes where a compiler runs.
    """
    warming.stop()
    runner.stop(server.left)
    warming.wait(server.left)
    if _ended(runner, warming):
        engine.close()
    else:
        _log.warning("stopping in the middle of a step")


def _ended(runner: Runner, warming: Warming) -> bool:
    return runner.ended and warming.ended


def _config(app: App, seconds: float) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        http=wire(seconds),
        ws="none",
        timeout_keep_alive=30,
        proxy_headers=False,
    )


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
