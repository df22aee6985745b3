"""A server that is killed at random moments loses nothing that it accepted."""

from __future__ import annotations

import http.client
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from iclight_local.jobs.store import JobStore
from tests.fake_engine import picture
from tests.server.live import PICTURE, Live

ROOT = Path(__file__).parents[2]
KILLS = 6


def started(folder: Path) -> tuple[subprocess.Popen[str], Live]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.server.lone", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    nothing: Any = None
    return process, Live(int(process.stdout.readline()), nothing, nothing, [])


def test_nothing_accepted_is_lost(tmp_path: Path) -> None:
    chance, accepted = random.Random(5), {}
    for turn in range(KILLS):
        process, live = started(tmp_path / "jobs")
        end = time.monotonic() + chance.uniform(0.05, 0.5)
        try:
            while time.monotonic() < end:
                seed = 1000 * turn + len(accepted)
                reply = live.form("/relight/jobs", {"subject_image": PICTURE, "seed": str(seed)})
                if reply.status == 202:
                    accepted[reply.json["id"]] = seed
        except (OSError, http.client.HTTPException):
            pass
        process.kill()
        process.wait()
    assert len(accepted) > KILLS
    process, live = started(tmp_path / "jobs")
    try:
        for job, seed in accepted.items():
            for _ in range(600):
                found = live.get(f"/relight/jobs/{job}").json
                if found["state"] not in ("queued", "running"):
                    break
                time.sleep(0.02)
            assert (found["state"], found["seed"]) == ("done", seed)
            image = live.get(found["images"][0]["url"].partition(f":{live.port}")[2]).image
            assert np.array_equal(np.asarray(image), np.asarray(picture(seed, 0)))
    finally:
        process.kill()
        process.wait()
    store = JobStore(tmp_path / "jobs")
    assert store.is_whole()
    store.close()
