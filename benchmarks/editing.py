"""What an edit with every option costs beside the model: a call of Photoroom's API, from its bytes to the answer's.

Each run is a process of its own. The model's time is that of cutting out, loading and sampling; the rest is reading,
carrying the light over, placing, blurring, shadow, outline, composing and writing. Memory beside the model's is what
the process grew by after a small edit with the same model, whose own growth with the picture's frame is in it.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.environment import describe, resident_mib

MODEL_STAGES = ("segment", "load", "hash", "lowres", "highres")
"""Stages of a run that are the model's own, or its files'."""
ASKED_SECONDS, ASKED_MIB = 10.0, 1536.0
_AROUND = {
    **{"outline.color": "FFFFFFC0", "outline.width": "0.03", "outline.blurRadius": "0.005"},
    **{"padding": "8%", "paddingTop": "120px", "margin": "0.02", "marginLeft": "3%"},
    **{"horizontalAlignment": "center", "verticalAlignment": "bottom", "export.dpi": "300", "export.format": "png"},
    **{"preserveMetadata": "exifSubsetWithXmpCompatibility", "background.color": "E7DFD3"},
}
_SHADOW = {
    **{"shadow.mode": "ai.auto-with-overrides", "shadow.directionOverride": "behindRight"},
    **{"shadow.spreadOverride": "50", "shadow.softnessOverride": "0.6", "shadow.intensityOverride": "0.6"},
    **{"shadow.subjectPoseOverride": "70"},
}
_BLUR = {"background.blur.mode": "bokeh", "background.blur.radius": "0.03"}
CALLS: dict[str, dict[str, str]] = {
    "cut out, lit, before a picture": {**_AROUND, **_SHADOW, **_BLUR, "lighting.mode": "ai.auto"},
    "cut out, in a generated scene": {
        **{**_AROUND, **_SHADOW, **_BLUR},
        **{"background.prompt": "sunset over the sea", "background.seed": "7", "background.guidance.scale": "0.5"},
        **{"background.negativePrompt": "red", "background.expandPrompt": "ai.auto"},
    },
    "its own background kept and blurred, lit": {
        **{**_AROUND, **_BLUR, "lighting.mode": "ai.preserve-hue-and-saturation"},
        **{"removeBackground": "false"},
    },
}
"""Every option at once, as far as they go together."""
PICTURES = {
    "cut out, lit, before a picture": ("background.imageFile",),
    "cut out, in a generated scene": ("background.guidance.imageFile",),
}
"""Pictures that go with a call beside its own."""


@dataclass(frozen=True)
class Editing:
    """Everything that decides what is measured.

    Attributes:
        side: pixels of the picture and of the result.
        runs: of each call.
        weights: a bundle.
    """

    side: int = 3500
    runs: int = 3
    weights: str = "mini"


def measure(editing: Editing) -> dict[str, Any]:
    """All figures as plain values for one JSON file; the calls take turns."""
    values: dict[str, list[dict[str, Any]]] = {name: [] for name in CALLS}
    for _ in range(editing.runs):
        for name in CALLS:
            values[name].append(_apart(name, editing))
    return {"editing": asdict(editing), "environment": describe("cpu"), "runs": values}


def table(result: dict[str, Any]) -> str:
    """The medians as Markdown, and what they were measured on."""
    lines = [
        "| call | beside the model, s | asked | memory beside the model's | asked | the model, s | whole process |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, runs in result["runs"].items():
        ours, model, peak = (median(run[key] for run in runs) for key in ("ours_s", "model_s", "peak_mib"))
        beside = median(run["peak_mib"] - run["before_mib"] for run in runs)
        cells = (
            f"{ours:.1f} | < {ASKED_SECONDS:g} | {beside:.0f} MiB | < {ASKED_MIB:g} MiB | {model:.1f} | {peak:.0f} MiB"
        )
        lines.append(f"| {name} | {cells} |")
    ran, editing = result["environment"], result["editing"]
    side, runs_each = editing["side"], editing["runs"]
    where = f"{ran['processor']}, {ran['cores']} cores, {ran['memory_gib']} GiB, no GPU, load {ran['load_average'][0]}"
    return "\n".join(lines) + f"\n\n{side} x {side} pixels, {runs_each} runs; on {where}; {ran['time'][:10]}.\n"


def photograph(side: int) -> bytes:
    """A JPEG of a textured subject before a textured ground, with EXIF."""
    rng = np.random.default_rng(0)
    down, across = np.mgrid[:side, :side].astype(np.float32) / side - 0.5
    inside = (across / 0.3) ** 2 + (down / 0.4) ** 2 < 1
    light = np.where(inside, 0.55 + 0.3 * across, 0.75 + 0.2 * down)[..., None]
    paint = np.where(inside[..., None], np.float32([0.8, 0.35, 0.2]), np.float32([0.75, 0.8, 0.85]))
    grain = rng.normal(0, 0.02, (side, side, 1)).astype(np.float32)
    pixels = np.clip((light * paint + grain) * 255, 0, 255).astype(np.uint8)
    exif = Image.Exif()
    exif[0x8298] = "Nobody's"
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "jpeg", quality=92, exif=exif)
    return buffer.getvalue()


def run_once(name: str, editing: Editing) -> dict[str, Any]:
    """One call in this process, which was started for it."""
    from iclight_local import edit, open_engine
    from iclight_local.dialects.base import Call
    from iclight_local.dialects.photoroom import DIALECT

    picture = photograph(editing.side)
    files = {"imageFile": picture, **dict.fromkeys(PICTURES.get(name, ()), picture)}
    fields = {**CALLS[name], "outputSize": f"{editing.side}x{editing.side}"}
    engine = open_engine(weights=editing.weights, segmenter="mini", device="cpu")
    # Imports and weights are not the edit's: a server has them loaded.
    _answer(DIALECT, engine, edit, Call({**fields, "outputSize": "512x512"}, files | {"imageFile": photograph(512)}))
    before, began = resident_mib()[0], time.perf_counter()
    result, size = _answer(DIALECT, engine, edit, Call(fields, files))
    total = time.perf_counter() - began
    model = sum(seconds for stage, seconds in result.timings.items() if stage in MODEL_STAGES)
    return {
        "total_s": round(total, 3),
        "model_s": round(model, 3),
        "ours_s": round(total - model, 3),
        "stages": {stage: round(seconds, 3) for stage, seconds in result.timings.items()},
        "before_mib": before,
        "peak_mib": resident_mib()[1],
        "bytes": size,
    }


def _answer(dialect: Any, engine: Any, edit: Any, call: Any) -> tuple[Any, int]:
    asked = dialect.read(call)
    request = dialect.request(asked, asked.pictures)
    result = edit(engine, request)
    [delivered] = dialect.deliver(asked, request, result)
    return result, len(delivered.data)


def _apart(name: str, editing: Editing) -> dict[str, Any]:
    """The same in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.editing", name, json.dumps(asdict(editing))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    print(json.dumps(run_once(sys.argv[1], Editing(**json.loads(sys.argv[2])))))
