"""A batch with pictures that cannot be relit among the others: what each costs, and what is said of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.batch.pictures import poisoned


@dataclass(frozen=True)
class Poison:
    """What is run.

    Attributes:
        rows: of the manifest.
        share: of them that cannot be relit, of ten kinds in turn.
        weights: bundle.
    """

    rows: int = 500
    share: float = 0.05
    weights: str = "tests/goldens/bundle"


def measure(poison: Poison, folder: Path) -> dict[str, Any]:
    """Run it; ``told``: one sentence of each kind; ``wrong``: rows that ended otherwise than they should."""
    manifest, bad = poisoned(folder, poison.rows, poison.share)
    words = [sys.executable, "-m", "iclight_local.cli", "batch", str(manifest), "--out", str(folder / "out"), "--json"]
    knobs = ("--width=64", "--height=64", "--steps=1", "--highres-scale=1", "--offline", "--device=cpu")
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*words, *knobs, "--weights", poison.weights]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    failed = {each["row"]: each["error"]["message"] for each in events if each["event"] == "failed"}
    made = {each["row"] for each in events if each["event"] == "done"}
    return {
        "poison": asdict(poison),
        "exit_status": done.returncode,
        "kinds": dict(Counter(bad.values())),
        "made": len(made),
        "failed": len(failed),
        "wrong": sorted((bad.keys() ^ failed.keys()) | (bad.keys() & made)),
        "told": {kind: failed.get(row, "") for row, kind in sorted(bad.items(), reverse=True)},
        "tracebacks": done.stderr.count("Traceback"),
    }
