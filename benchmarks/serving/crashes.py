"""A server that is killed at random moments, again and again: whether anything that it accepted is lost."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving.aftermath import left_in, under_way
from benchmarks.serving.callers import Callers, free_port, picture_host
from benchmarks.serving.marks import draw
from benchmarks.serving.process import Server
from iclight_local.dialects.base import Asked, Delivered
from iclight_local.jobs.base import Outcome
from iclight_local.jobs.store import JobStore, Lifetimes

EARLY = 0.2
"""Part of the kills that come while the server starts, and takes its jobs up again."""
START_S = 1.5
"""Seconds from the start of the process within which these come."""
SWEEP_S = 0.05
"""Seconds from one removal of old jobs to the next."""
_HOUR = 3600.0


@dataclass(frozen=True)
class Crashes:
    """How often and when.

    Attributes:
        kills: ``kill -9``.
        callers: that send jobs all along.
        seconds: that a relight takes.
        longest: seconds from a server's first word to its kill, at most.
        old: jobs that have ended long ago, and whose time is up some time during all this.
        seed: of the moments.
    """

    kills: int = 50
    callers: int = 8
    seconds: float = 0.03
    longest: float = 0.8
    old: int = 200
    seed: int = 0


def measure(crashes: Crashes, home: Path) -> dict[str, Any]:
    """Kill the server of ``home``, a folder that is empty yet, and look at what is left.

    Returns:
        ``accepted`` jobs; ``lost``: one sentence for each of them that did not come to its own picture; ``changed``:
        how many ended twice for whoever looked; ``under_way``: at how many kills something was in the middle of being
        done; ``left``: what is on the disk in the end, see :func:`left_in`; and what callers were answered.
    """
    chance, began, port = random.Random(crashes.seed), time.monotonic(), free_port()
    _age(home, crashes, chance)
    middle: Counter[str] = Counter()
    options = {"port": port, "rate": 0, "allow_private_urls": True}
    with picture_host() as pictures:
        callers = Callers(port, pictures, crashes)
        for _ in range(crashes.kills):
            server = Server(home, options, seconds=crashes.seconds, sweep=SWEEP_S)
            _kill(server, crashes, chance)
            middle.update(under_way(home / "jobs"))
        callers.stop()
        server = Server(home, options, sweep=SWEEP_S)
        server.wait()
        lost, changed = callers.outcome()
        # Until all that was made old is over, and a sweep has passed.
        time.sleep(max(0.0, began + crashes.kills + 1 - time.monotonic()))
        status = server.stop()
    return {
        "crashes": asdict(crashes),
        "seconds": round(time.monotonic() - began, 1),
        "accepted": len(callers.accepted),
        "statuses": dict(sorted(callers.statuses.items())),
        "lost": lost,
        "changed": changed,
        "under_way": dict(sorted(middle.items())),
        "left": left_in(home / "jobs"),
        "last_exit_status": status,
    }


def _kill(server: Server, crashes: Crashes, chance: random.Random) -> None:
    if chance.random() < EARLY:
        time.sleep(chance.uniform(0, START_S))
    else:
        server.wait()
        time.sleep(chance.uniform(0, crashes.longest))
    server.kill()


def _age(home: Path, crashes: Crashes, chance: random.Random) -> None:
    """Make jobs whose time is up while the server is killed."""
    now = 0.0
    store = JobStore(home / "jobs", Lifetimes(ended=_HOUR), clock=lambda: now)
    for number in range(crashes.old):
        now = time.time() - _HOUR + chance.uniform(0, crashes.kills)
        picture = draw(number, (64, 64))
        job = store.add("local", "house", Asked({}, {"subject_image": picture}))
        store.begin(job.id)
        store.finish(job.id, Outcome((Delivered(picture, "image/png"),), (number,)))
    store.close()
