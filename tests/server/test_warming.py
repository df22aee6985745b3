"""A server listens at once and says that it is ready when its engine is warm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from iclight_local.errors import WeightsError
from iclight_local.result import Progress, ProgressCallback
from iclight_local.server.serving import listening_socket, serve
from iclight_local.server.warming import Warming
from iclight_local.settings import ServeSettings, load_settings
from tests.fake_engine import FakeEngine
from tests.server.live import PICTURE, serving


class Cold(FakeEngine):
    """Takes as long to get warm as the test says; tells its progress all the while."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end = threading.Event()

    def warm_up(self, together: int, *, progress: ProgressCallback | None = None) -> None:
        super().warm_up(together)
        while not self.may_end.wait(0.01):
            assert progress is not None
            progress(Progress("lowres", 1, 2))


def waited(warming: Warming) -> bool:
    end = time.monotonic() + 10
    while not warming.done() and time.monotonic() < end:
        time.sleep(0.01)
    return warming.done()


def test_it_is_done_when_the_engine_is() -> None:
    engine = Cold()
    warming = Warming(engine, 4)
    warming.start()
    time.sleep(0.05)
    assert not warming.done()
    engine.may_end.set()
    assert waited(warming)
    assert engine.warmed == [4]


def test_the_server_is_there_before_it_is_ready(tmp_path: Path) -> None:
    warm: list[bool] = []
    with serving(tmp_path, warmed=lambda: bool(warm)) as live:
        assert (live.get("/healthz").status, live.get("/readyz").status) == (200, 503)
        assert live.form("/relight", {"subject_image": PICTURE}).status == 200, "a call is answered all the same"
        warm.append(True)
        assert live.get("/readyz").status == 200


def test_a_server_that_stops_does_not_wait_for_all_of_it() -> None:
    warming = Warming(Cold(), 1)
    warming.start()
    warming.stop()
    warming.wait(10)
    assert warming.ended and warming.done()


@pytest.mark.parametrize("error", [WeightsError("There are no weights."), ValueError("a fault")])
def test_a_failure_is_logged_and_holds_nothing_up(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(FakeEngine):
        def warm_up(self, together: int, *, progress: Any = None) -> None:
            raise error

    warming = Warming(Failing(), 1)
    warming.start()
    assert waited(warming)
    assert str(error) in caplog.text


def test_nothing_is_done_where_it_is_switched_off() -> None:
    engine = Cold()
    warming = Warming(engine, None)
    warming.start()
    warming.stop()
    assert warming.ended and warming.done() and engine.warmed == []


class Stuck(FakeEngine):
    """Warms up in one step that takes longer than anybody waits, as where a compiler runs; tells no progress in it."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end = threading.Event()

    def warm_up(self, together: int, *, progress: ProgressCallback | None = None) -> None:
        self.may_end.wait(20)


@pytest.mark.parametrize(("engine", "closed"), [(Stuck(), False), (Cold(), True)], ids=["in a step", "between steps"])
def test_sigterm_does_not_wait_for_the_warm_up(
    engine: Any, closed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[bool] = []
    monkeypatch.setattr("iclight_local.server.serving.leave_at_once", lambda: left.append(True))
    options = ServeSettings(port=0, jobs=tmp_path / "jobs", stop_seconds=0.3)

    def stop(url: str) -> None:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()

    began = time.monotonic()
    settings = load_settings({"home": tmp_path})
    serve(lambda: engine, settings, options, listening_socket(options), stop)
    assert time.monotonic() - began < 10
    # To close it is to wait for whoever uses it, and so is the interpreter's end.
    assert engine.closed == closed
    assert left == ([] if closed else [True])
    engine.may_end.set()


def test_to_leave_at_once_is_to_leave_in_order() -> None:
    """With what was said, the status 0, and nobody waited for."""
    script = (
        "import threading, time; from iclight_local.server.stopping import leave_at_once; "
        "threading.Thread(target=time.sleep, args=(60,)).start(); print('said'); leave_at_once()"
    )
    ended = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, timeout=30)
    assert (ended.returncode, ended.stdout) == (0, "said\n")
