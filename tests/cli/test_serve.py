"""``iclight serve`` as a process of its own, with the real engine, and ``iclight keys``."""

from __future__ import annotations

import base64
import http.client
import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from tests.cli.commands import BUNDLE, MATTE, PLAIN, Command, arguments, environment

QUICK = {"width": 64, "height": 64, "steps": 1, "highres_scale": 1, "seed": 5}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    words = ("serve", "--port", "0", "--weights", str(BUNDLE), "--home", str(tmp_path))
    process = subprocess.Popen(
        arguments(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), cwd=tmp_path
    )
    assert process.stdout is not None
    found = re.search(r"Serving at http://127\.0\.0\.1:(\d+); its documentation is ", process.stdout.readline())
    assert found is not None
    yield process, int(found.group(1))
    process.kill()
    process.communicate()


def call(port: int, body: Any) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/relight", json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def text(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def test_it_serves_what_the_command_line_makes_and_goes_down_in_order(
    server: tuple[subprocess.Popen[str], int], iclight: Command, tmp_path: Path
) -> None:
    process, port = server
    status, data = call(port, {"subject_image": text(PLAIN), "matte": text(MATTE), **QUICK, "prompt": "secret words"})
    assert status == 200
    options = [f"--{name.replace('_', '-')}={value}" for name, value in {**QUICK, "prompt": "secret words"}.items()]
    out = tmp_path / "out.png"
    assert iclight("relight", PLAIN, "--matte", MATTE, "-o", out, "--weights", BUNDLE, *options).status == 0
    (tmp_path / "served.png").write_bytes(data)
    difference = ImageChops.difference(Image.open(out), Image.open(tmp_path / "served.png"))
    # The processes have different numbers of threads, whose sums round differently.
    assert max(high for _, high in difference.getextrema()) <= 2
    assert call(port, {"subject_image": "bm8gcGljdHVyZQ=="})[0] == 400
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    lines = [json.loads(line) for line in log.splitlines() if line]
    calls = [line for line in lines if line["message"] == "call"]
    assert [line["status"] for line in calls] == [200, 400]
    assert "secret" not in log


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--host", "0.0.0.0"], "The address 0.0.0.0 is reached by other machines, and no key was made"),
        (["--port", "70000"], "The setting port is '70000', but must be a whole number from 0 to 65535"),
        (["--weights", "nowhere"], "nowhere"),
        (["--host", "203.0.113.1"], "no key was made"),
    ],
)
def test_mistakes(words: list[str], sentence: str, iclight: Command, tmp_path: Path) -> None:
    answer = iclight("serve", "--home", tmp_path, *words)
    assert answer.status == 2
    assert sentence in answer.sentence


def test_a_taken_port(iclight: Command, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = iclight("serve", "--home", tmp_path, "--port", taken.getsockname()[1])
    assert answer.status == 2 and "cannot be listened at" in answer.sentence


def test_keys(iclight: Command, tmp_path: Path) -> None:
    made = iclight("keys", "add", "studio", "--home", tmp_path)
    assert made.status == 0 and made.out.startswith("icl_")
    assert iclight("keys", "list", "--home", tmp_path).out.startswith("studio  20")
    assert "studio" in iclight("keys", "list", "--home", tmp_path, "--json").json["keys"]
    assert "There is a key studio already" in iclight("keys", "add", "studio", "--home", tmp_path).sentence
    assert iclight("keys", "remove", "studio", "--home", tmp_path).status == 0
    assert iclight("keys", "list", "--home", tmp_path).out == ""
