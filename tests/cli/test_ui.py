"""``iclight ui`` as a process of its own: the page over a real socket, with the network forbidden, and its end."""

from __future__ import annotations

import http.client
import importlib.util
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import BUNDLE, PLAIN, Command, environment
from tests.server.live import Live
from tests.ui.at_page import AtPage, picture

# Whoever reaches for another machine is noted, by name or by address, also where an error is swallowed.
_GUARD = """
import socket, sys
from pathlib import Path

asked, connect, resolve = Path(sys.argv[1]), socket.socket.connect, socket.getaddrinfo

def near(host):
    return host is None or str(host) in ("localhost", "::1", "") or str(host).startswith("127.")

def noted(host):
    with asked.open("a") as file:
        file.write(f"{host}\\n")
    raise OSError("the network is forbidden")

def guarded(self, address):
    far = isinstance(address, tuple) and not near(address[0])
    return noted(address[0]) if far else connect(self, address)

socket.socket.connect = socket.socket.connect_ex = guarded
socket.getaddrinfo = lambda host, *more, **how: resolve(host, *more, **how) if near(host) else noted(host)

from iclight_local.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], Live, Path]]:
    home = tmp_path_factory.mktemp("ui")
    words = ["ui", "--no-browser", "--no-warm-up", "--port", "0", "--weights", str(BUNDLE), "--home", str(home)]
    process = subprocess.Popen(
        [sys.executable, "-c", _GUARD, str(home / "asked"), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), cwd=home,
    )  # fmt: skip
    assert process.stdout is not None
    told = process.stdout.readline()
    found = re.fullmatch(r"The page is at http://127\.0\.0\.1:(\d+)/ui/ and stays there until Ctrl-C\.\n", told)
    assert found is not None, told
    nothing: Any = None
    yield process, Live(int(found.group(1)), nothing, nothing, [], patience=120), home
    process.kill()
    process.communicate()


def test_the_page_relights_and_ends_while_a_browser_looks_on(
    page: tuple[subprocess.Popen[str], Live, Path],
) -> None:
    process, live, home = page
    me = AtPage(live)
    small = {"width": 64, "height": 64, "steps": 4, "highres scale": 1, "light": "left"}
    (told,) = me.press("Relight", {"Picture": picture(me.upload(PLAIN.read_bytes())), **small})
    job = me.wait(told["job"])
    assert job["state"] == "done", job["error"]
    assert me.get("/" + job["images"][0]["url"]).image.size == (64, 64)
    # As a browser's: kept alive, and with a call that was begun.
    looking = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
    looking.request("GET", "/ui/page/jobs", headers=me.headers)
    looking.getresponse().read()
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0 and time.monotonic() - began < 10
    assert not (home / "jobs" / "page").exists()
    assert not (home / "asked").exists(), (home / "asked").read_text()
    assert "Traceback" not in log and '"status": 200' in log


def test_without_gradio_it_says_how_to_get_it(
    iclight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "gradio" else found(name, *more)
    )
    for words in (("ui", "--no-browser"), ("serve", "--ui")):
        answer = iclight(*words, "--home", tmp_path, "--port", "0")
        assert answer.status != 0
        assert (
            answer.sentence == "The page is drawn by Gradio, which is not installed: pip install 'iclight-local[ui]'."
        )
