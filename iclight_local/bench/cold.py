"""A cold start: a fresh process imports, opens the engine and relights one picture, and is then gone.

Run as a program it is that process; nothing heavy is imported before the clock that it is part of.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iclight_local import errors
from iclight_local.errors import EngineError, ICLightError

if TYPE_CHECKING:
    from iclight_local.request import RelightRequest
    from iclight_local.result import RelightResult


@dataclass(frozen=True)
class ColdStart:
    """The result of a fresh process, and the seconds from its start to that."""

    seconds: float
    result: RelightResult


def cold_start(settings: Mapping[str, Any], request: RelightRequest) -> ColdStart:
    """Relight in a fresh process.

    Args:
        settings: overrides of the owner's, as JSON takes them.
        request: its pictures are paths.

    Raises:
        ICLightError: what the process ended with.
    """
    from PIL import Image

    from iclight_local.result import RelightResult

    with tempfile.TemporaryDirectory() as folder:
        knobs = request.model_dump(mode="json", exclude_unset=True)
        order = {"settings": dict(settings), "knobs": knobs, "out": folder}
        began = time.time()
        done = subprocess.run(
            [sys.executable, "-m", "iclight_local.bench.cold"],
            input=json.dumps(order), capture_output=True, text=True, check=False,
        )  # fmt: skip
        try:
            told = json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            raise EngineError(f"The fresh process ended with status {done.returncode} and told nothing.") from None
        if "error" in told:
            raise getattr(errors, told["error"]["type"], EngineError)(told["error"]["message"])
        pictures: list[Image.Image] = []
        for path in sorted(Path(folder).glob("*.png")):
            with Image.open(path) as picture:
                picture.load()
                pictures.append(picture)
    return ColdStart(told.pop("ended") - began, RelightResult(images=pictures, **told))


def main() -> None:
    """The fresh process: an order as JSON comes in, what became of it goes out as the last line."""
    order = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        try:
            told = _relit(order)
        except ICLightError as error:
            told = {"error": {"type": type(error).__name__, "message": str(error)}}
    print(json.dumps(told), flush=True)


def _relit(order: Mapping[str, Any]) -> dict[str, Any]:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from iclight_local.assemble import engine_from
    from iclight_local.request import RelightRequest
    from iclight_local.settings import load_settings

    engine = engine_from(load_settings(order["settings"]))
    result = engine.relight(RelightRequest(**order["knobs"]))
    ended = time.time()
    for index, picture in enumerate(result.images):
        picture.save(Path(order["out"]) / f"{index:02}.png", compress_level=1)
    return {
        "ended": ended,
        "seed": result.seed,
        "engine": result.engine,
        "timings": dict(result.timings),
        "peak_memory": result.peak_memory,
        "record": dict(result.record),
    }


if __name__ == "__main__":
    main()
