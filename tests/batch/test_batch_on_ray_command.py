"""``iclight batch --engine ray`` as a user runs it: the files of a local run, whatever dies underneath."""

import json
import pickle
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.batch.pictures import draw
from iclight_local.batch.options import BatchOptions
from iclight_local.batch.output import Output
from iclight_local.batch.ray_workers import RayWorkers
from iclight_local.cli import main
from iclight_local.settings import load_settings
from tests.cli.commands import BUNDLE, arguments, environment

pytest.importorskip("ray", reason="ray is not installed (pip install 'iclight-local[ray]')")
SMALL = ("--weights", str(BUNDLE), "--width", "64", "--height", "64", "--steps", "1", "--highres-scale", "1")
PICTURES = 16


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


def command(folder: Path, out: str, *more: str) -> list[str]:
    return arguments("batch", folder / "in", "--out", folder / out, "--together", "2", "--device", "cpu", *SMALL, *more)


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that relight."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if "MapWorker" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def test_two_workers_make_the_files_of_a_local_run_and_one_of_them_may_be_killed(
    tmp_path: Path, one_thread: None
) -> None:
    draw(tmp_path / "in", PICTURES)
    assert main(command(tmp_path, "local")[3:]) == 0
    words = command(tmp_path, "ray", "--engine", "ray", "--workers", "2", "--json")
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert first["event"] == "done"
    killed = workers(process)
    assert killed, "workers are processes of their own"
    killed[0].kill()
    assert process.stderr is not None
    # Not communicate(): it would leave out what was read ahead with the first line.
    out, err = process.stdout.read(), process.stderr.read()
    assert process.wait() == 0, err
    told = [first, *map(json.loads, out.splitlines())]
    names = [each["name"] for each in told if each["event"] == "done"]
    assert len(names) == len(set(names)) == PICTURES, "each is told once"
    assert told[-1]["event"] == "summary" and told[-1]["made"] == PICTURES
    assert files(tmp_path / "ray") == files(tmp_path / "local")
    assert "ray" not in err.lower().replace(str(tmp_path).lower(), ""), err
    deadline = time.monotonic() + 10
    while workers_left(killed) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not workers_left(killed), "Ray ends with the batch"


def workers_left(known: list[psutil.Process]) -> list[psutil.Process]:
    return [each for each in known if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def test_no_secret_of_a_provider_goes_through_a_cluster(tmp_path: Path) -> None:
    settings = load_settings({"home": tmp_path, "upload_url": "https://me:hunter2@shelf.example/{name}"}, {})
    workers = RayWorkers(settings, Output(str(tmp_path)), BatchOptions(out="out", engine="ray"))
    assert workers.opening.settings.upload_url is None
    assert b"hunter2" not in pickle.dumps(workers.opening)
