"""An engine of a known duration, that gives back the very picture it was sent."""

from __future__ import annotations

import io
import json
import time
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from iclight_local.plan import plan_of
from iclight_local.request import RelightRequest
from iclight_local.result import Progress, ProgressCallback, RelightResult
from tests.fake_engine import FakeEngine

STEPS = 5
"""Steps of a run: at each the server looks whether it was cancelled."""
KEPT = 4096
"""Runs that are remembered."""


class Run(NamedTuple):
    """When a run began and ended, by ``time.monotonic()``, which all processes of a machine share."""

    seed: int
    began: float
    ended: float


class Echo(FakeEngine):
    """Takes ``seconds`` for each picture, in :data:`STEPS` steps, and writes its runs to a file when it is closed."""

    def __init__(self, seconds: float, runs: Path | None = None) -> None:
        super().__init__(name="echo")
        self._seconds, self._file = seconds, runs
        self.runs: deque[Run] = deque(maxlen=KEPT)

    def relight(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """The picture of the request, as often as asked."""
        began, plan = time.monotonic(), plan_of(request)
        source: Any = request.subject_image
        image = source if isinstance(source, Image.Image) else Image.open(io.BytesIO(source))
        image.load()
        for step in range(1, STEPS + 1):
            # Not sleep(seconds / STEPS): what a step took too long would add up.
            time.sleep(max(0.0, began + self._seconds * step / STEPS - time.monotonic()))
            if progress is not None:
                progress(Progress("lowres", step, STEPS))
        self.runs.append(Run(plan.seed, began, time.monotonic()))
        return RelightResult(
            images=[image] * plan.number_of_images,
            seed=plan.seed,
            record={"seed": plan.seed, "engine": {"name": self.name}},
            engine=self.name,
            timings={"lowres": self._seconds},
        )

    def close(self) -> None:
        """Tell of the runs."""
        super().close()
        if self._file is not None:
            self._file.write_text(json.dumps(list(self.runs)))
