"""Everything about speed on a graphics card in one run of minutes: ``python -m benchmarks gpu --out FILE``.

Stages come in the order of their weight. Each is written down when it is there, and none begins whose expected cost
would end it too late, so that whatever stops the run loses one stage.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.environment import describe
from benchmarks.speed.card import Gpu, peak_tflops, runs, together, unet_calls, vae_calls, warm_up_s

COSTS_S: dict[str, float] = {
    "build": 60,
    "peak_tflops": 5,
    "run": 140,
    "callers": 110,
    "unet": 50,
    "vae": 15,
    "warm_again": 50,
}
"""What each stage is expected to take as it is usually asked for, in seconds. All are guesses: none was measured."""


class Report:
    """A JSON file that grows stage by stage.

    Args:
        asked: says where it goes, and how long all of it may take from now on.
    """

    def __init__(self, asked: Gpu) -> None:
        self._asked, self._began = asked, perf_counter()
        shown = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(asked).items()}
        self.values: dict[str, Any] = {"asked": shown, "environment": describe(asked.device), "stages_s": {}}

    def stage(self, name: str, work: Callable[[], Any]) -> Any:
        """Do one of :data:`COSTS_S` and write down what it gives; None where it failed or was likely to end late."""
        began = perf_counter()
        left = self._asked.seconds - (began - self._began)
        if COSTS_S[name] > left:
            self.values[name] = f"left out: about {COSTS_S[name]:g} s were needed, and {max(left, 0):.0f} s were left"
            found = None
        else:
            try:
                found = self.values[name] = work()
            except Exception as error:  # noqa: BLE001  # one stage that fails does not cost the others
                found, self.values[name] = None, f"failed: {type(error).__name__}: {str(error)[:500]}"
            self.values["stages_s"][name] = perf_counter() - began
        self._asked.out.parent.mkdir(parents=True, exist_ok=True)
        self._asked.out.write_text(json.dumps(self.values, indent=1) + "\n")
        return found


def measure(asked: Gpu) -> dict[str, Any]:
    """All stages; gives what was written."""
    report = Report(asked)
    with tempfile.TemporaryDirectory() as folder:
        home, bundle = Path(folder) / "home", asked.bundle
        if bundle is None:
            from benchmarks.fullsize import build

            bundle = Path(folder) / "full"
            report.stage("build", lambda: build(bundle, ["fc"]))
        own = replace(asked, bundle=bundle)
        peak = report.stage("peak_tflops", lambda: peak_tflops(own))
        report.stage("run", lambda: runs(own, home))
        report.stage("callers", lambda: together(own, home))
        report.stage("unet", lambda: unet_calls(own, home, peak))
        report.stage("vae", lambda: vae_calls(own))
        report.stage("warm_again", lambda: warm_up_s(own, home))
    return report.values
