"""``iclight bench`` against two servers on this machine that play two vendors.

Both are ``iclight serve`` in processes of their own, with the embedded miniature behind them, and they are called as
the vendors' documents say. So the three contestants have one model, and what differs is the way to it.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.truths import write_scenes
from iclight_local.bench.answers import Entrant, Live
from iclight_local.bench.cases import read_cases
from iclight_local.bench.contestants import Contestant, OwnMachine, Price, find_contestant
from iclight_local.bench.recording import Recorder
from iclight_local.bench.report import write_report
from iclight_local.bench.running import Bench, Plan
from iclight_local.dialects import find_senders
from iclight_local.dialects.base import Link
from iclight_local.dialects.sending import Pending, Pictures, Received, Refused, Sender, Sent, Subject
from iclight_local.engines.staged import Whole, one_by_one
from iclight_local.errors import EngineError, ICLightError, Unsupported
from iclight_local.imaging.sources import read_source
from iclight_local.request import RelightRequest
from iclight_local.result import NormalsResult, ProgressCallback, RelightResult
from iclight_local.settings import LOCAL

PATIENCE_S = 600.0
"""Seconds that an answer may take."""


@dataclass(frozen=True)
class Vendors:
    """Everything that decides what is measured.

    Attributes:
        scenes: how many, from seed ``first`` on, of the split ``test``.
        size: pixels along a side of the scenes, and of the lowres pass.
        runs: measured answers to each scene.
        warmup: answers before those.
        weights: a bundle.
        prompt: goes with every light source, and names no side.
    """

    scenes: int = 4
    first: int = 0
    size: int = 256
    highres_scale: float = 1.5
    steps: int = 25
    runs: int = 3
    warmup: int = 1
    weights: str = "mini"
    prompt: str = "a photograph"
    record: Path | None = None


PLAYED = {
    "as Segmind": ("segmind_ic_light", "ic-light", Price(0.01, words="$0.01 a picture: an example, no vendor's price")),
    "as PixelDojo": (
        "pixeldojo", "magic-lighting", Price(0.02, words="$0.02 a picture: an example, no vendor's price")
    ),
}  # fmt: skip
"""The two contestants: whose API, which model of it, and a price to reckon with."""
OWN = OwnMachine(power_watts=65, kwh_price=0.30, hardware_price=900, hardware_years=4)
"""Examples, too."""


def measure(experiment: Vendors, out: Path) -> dict[str, Any]:
    """Start the servers, run the bench, write JSON and report into ``out``."""
    # Threads of the processes that wait would spin, and slow down the one whose turn it is.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        result_size = round(experiment.size * experiment.highres_scale)
        manifest = write_scenes(
            Path(folder) / "scenes", experiment.scenes, experiment.first, result_size, experiment.prompt
        )
        settings = {"weights": experiment.weights}
        contestants = [find_contestant(LOCAL, settings, OWN.price)]
        for name, (dialect, model, price) in PLAYED.items():
            url = stack.enter_context(serving(Path(folder) / name, experiment.weights))
            contestants.append(_contestant(name, find_senders(dialect)[model], url, price))
        entrants: list[Entrant] = [Live(each) for each in contestants]
        if experiment.record is not None:
            entrants = [Recorder(each, experiment.record) for each in entrants]
        knobs = {
            "width": experiment.size,
            "height": experiment.size,
            "steps": experiment.steps,
            "highres_scale": experiment.highres_scale,
            "seed": experiment.first,
        }
        cases = read_cases([str(manifest)])
        result = Bench(Plan(cases, entrants, knobs, experiment.runs, experiment.warmup, out), _told).run()
    write_report(result, out)
    return result


def _contestant(name: str, sender: Sender, url: str, price: Price) -> Contestant:
    return Contestant(name, lambda: CalledEngine(name, sender, url), price)


def _told(done: int, turns: int, whose: str) -> None:
    print(f"{done}/{turns} {whose}", file=sys.stderr, flush=True)


class CalledEngine:
    """An engine behind an address, called as its vendor documents; for servers of one's own alone."""

    def __init__(self, name: str, sender: Sender, url: str) -> None:
        self.name, self._sender, self._url = name, sender, url

    def relight(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """See :meth:`iclight_local.engines.base.Engine.relight`."""
        data, _ = read_source(request.subject_image, offline=True)
        if not isinstance(data, bytes):
            raise Unsupported("A picture's file is needed.")
        sent = self._sender.encode(request, Subject(data, f"data:image/png;base64,{base64.b64encode(data).decode()}"))
        ends = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends:
            found = self._sender.understand(self._call(sent), sent)
            if isinstance(found, Refused):
                raise found.error
            if isinstance(found, Pictures):
                images = [self._image(each) for each in found.images]
                return RelightResult(images, found.used_seed if found.used_seed is not None else 0, {}, self.name)
            assert isinstance(found, Pending)
            sent = found.poll
            time.sleep(found.after)
        raise EngineError(f"{self.name} had no answer within {PATIENCE_S:.0f} seconds.")

    def relight_together(
        self, requests: Sequence[RelightRequest], *, progress: Sequence[ProgressCallback | None]
    ) -> list[RelightResult | ICLightError]:
        """One after another; see :meth:`iclight_local.engines.base.Engine.relight_together`."""
        return one_by_one(self, requests, progress)

    def staged(self) -> Whole:
        """In one piece; see :meth:`iclight_local.engines.base.Engine.staged`."""
        return Whole(self)

    @property
    def offline(self) -> bool:
        """It may ask a network: with offline mode no such engine is opened."""
        return False

    def batch_key(self, request: RelightRequest) -> Hashable:
        """Each alone."""
        return id(request)

    def cut_out(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """Refused: nothing of it is measured."""
        raise Unsupported(f"{self.name} is not asked for a cut-out here.")

    def normals(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> NormalsResult:
        """Not here."""
        raise Unsupported("No hosted API makes normal maps.")

    def close(self) -> None:
        """Nothing is held."""

    def _call(self, sent: Sent) -> Received:
        query = f"?{urllib.parse.urlencode(sent.query)}" if sent.query else ""
        body = None if sent.json is None else json.dumps(sent.json).encode()
        headers = {} if body is None else {"content-type": "application/json"}
        call = urllib.request.Request(f"{self._url}{sent.path}{query}", body, headers, method=sent.method)
        try:
            with urllib.request.urlopen(call, timeout=PATIENCE_S) as answer:
                return Received(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
        except urllib.error.HTTPError as error:
            return Received(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())
        except OSError as error:
            raise EngineError(f"{self.name} cannot be reached ({error}).") from None

    def _image(self, picture: bytes | Link) -> Image.Image:
        if isinstance(picture, Link):
            with urllib.request.urlopen(picture.url, timeout=PATIENCE_S) as answer:
                picture = answer.read()
        image = Image.open(io.BytesIO(picture))
        image.load()
        return image


@contextmanager
def serving(home: Path, weights: str) -> Iterator[str]:
    """The address of an ``iclight serve`` in a process of its own, with its jobs in ``home``."""
    home.mkdir(parents=True)
    words = ("serve", "--port", "0", "--home", str(home), "--weights", weights)
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "iclight_local.cli", *words], stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://[^;]+", line)
        if found is None:
            raise EngineError(f"A server did not start: {(home / 'log').read_text()[-500:]}")
        yield found.group()
    finally:
        process.terminate()
        process.wait(60)
