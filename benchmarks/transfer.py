"""Carrying light to full size: how near the result is to the true render, whether print stays readable, what it costs.

Quality is measured on renders of the split "test", whose light is known. A subject is rendered at full size under its
own light (the original) and under another one (the truth); the truth, in front of another background, is scaled down
to the size a model works at, and its light is carried back to the original. This is the best a model could hand over:
the figures tell what the transfer adds and loses, nothing about a model.

Each scene is measured twice. ``painted``: albedo times fine grain and print of 12 pixels, relief left out, so that all
fine detail is PAINT; radiance is linear in albedo, so this is a true render, too. ``unmodified``: as the renderer draws
it. Its finest detail is relief, which looks different under each light: there no gain can know what a small picture
does not show, and plain upscaling of a *true* relit picture is hard to beat. Both are reported.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import mean, median
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.environment import describe
from benchmarks.loading import Watch, own_mib
from benchmarks.scenes.primitives import Array
from benchmarks.scenes.samples import Bytes
from benchmarks.transfer_scenes import KINDS, PRINT, Carrying, Case, cases
from iclight_local.imaging.fit import resize
from iclight_local.imaging.gains import encoded
from iclight_local.imaging.linear import luminance, to_linear
from iclight_local.imaging.smooth import box_mean
from iclight_local.imaging.transfer import Keep, TransferOptions, transfer

KEEPS: tuple[Keep, ...] = ("detail", "colour", "all")
INSIDE = 0.9
"""Matte from which a pixel counts as subject."""
CROP = (120, 360)
"""Height and width of the crop whose print is judged."""
ASKED_DB, ASKED_GAIN_DB = 32.0, 6.0
ASKED_SECONDS, ASKED_MIB = 15.0, 3072.0


def measure(carrying: Carrying, sheet: Path | None = None) -> dict[str, Any]:
    """All figures as plain values for one JSON file; ``sheet`` is the PNG file to write crops to."""
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    rows: list[Bytes] = []
    for seed in range(carrying.first, carrying.first + carrying.scenes):
        for kind, case in cases(seed, carrying.size, carrying.small):
            values, row = judge(case)
            found[kind].append({"seed": seed, "subject": case.words, **values})
            if kind == "painted":
                rows.append(row)
    if sheet is not None:
        sheet.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate(rows)).save(sheet)
    cost = {f"{size:g}": [_fresh(size) for _ in range(carrying.runs)] for size in carrying.megapixels}
    return {
        "carrying": asdict(carrying),
        "options": asdict(TransferOptions("detail", 1.0, 0.0)),
        "environment": describe("cpu"),
        "summary": {**{kind: _summary(found[kind]) for kind in KINDS}, "cost": _cost_summary(cost)},
        "scenes": found,
        "cost": cost,
    }


def judge(case: Case) -> tuple[dict[str, Any], Bytes]:
    """Figures of one case, and its row of the sheet: original, upscaled, ``detail``, truth."""
    high, wide = case.matte.shape
    upscaled = resize(case.relit, wide, high)
    results = {keep: transfer(case.original, case.relit, case.matte, TransferOptions(keep, 1.0, 0.0)) for keep in KEEPS}
    inside = case.matte > INSIDE
    crop = _crop(case)
    values: dict[str, Any] = {"upscaled": _nearness(upscaled, case, crop, inside)}
    for keep, result in results.items():
        values[keep] = _nearness(result, case, crop, inside) | _kept(result, case.original, inside)
    row = [picture[crop] for picture in (case.original, upscaled, results["detail"], case.truth)]
    return values, np.concatenate(row, axis=1)


def _nearness(picture: Bytes, case: Case, crop: tuple[slice, slice], inside: Any) -> dict[str, float]:
    """PSNR to the truth over the subject, also of luminance alone; likeness of the print in the crop."""
    from skimage.metrics import structural_similarity

    first, second = _grey(picture), _grey(case.truth)
    details = [plane[crop] - box_mean(plane[crop], PRINT // 2) for plane in (first, second)]
    return {
        "psnr": _psnr(picture[inside], case.truth[inside]),
        "psnr_luminance": _psnr(first[inside], second[inside]),
        "print_ssim": float(structural_similarity(first[crop], second[crop], data_range=255)),
        "print_correlation": float(np.corrcoef(details[0].ravel(), details[1].ravel())[0, 1]),
    }


def _kept(result: Bytes, original: Bytes, inside: Any) -> dict[str, float]:
    """Median changes of HSV hue (degrees) and saturation where there is any; the share of newly clipped values."""
    planes = [picture[inside].astype(np.float64) / 255 for picture in (original, result)]
    before, after = (_hue_saturation(plane) for plane in planes)
    seen = (before[1] > 0.1) & (planes[0].max(-1) > 0.1)
    turn = np.abs((after[0] - before[0] + 180) % 360 - 180)[seen]
    return {
        "hue_change": float(np.median(turn)) if seen.any() else 0.0,
        "saturation_change": float(np.median(np.abs(after[1] - before[1])[seen])) if seen.any() else 0.0,
        "newly_clipped": float(((result == 255) & (original < 255))[inside].mean()),
    }


def _hue_saturation(rgb: Any) -> tuple[Any, Any]:
    most, spread = rgb.max(-1), np.ptp(rgb, axis=-1)
    red, green, blue = np.moveaxis(rgb, -1, 0)
    safe = np.where(spread > 0, spread, 1)
    choices = [(green - blue) / safe % 6, (blue - red) / safe + 2]
    return 60 * np.select([most == red, most == green], choices, (red - green) / safe + 4), spread / np.maximum(
        most, 1e-9
    )


def _grey(picture: Bytes) -> Array:
    """Value 0..255 of a picture's luminance."""
    return np.asarray(255 * encoded(luminance(to_linear(picture))), np.float32)


def _psnr(first: Any, second: Any) -> float:
    return float(10 * np.log10(255**2 / np.mean((first.astype(np.float32) - second) ** 2)))


def _crop(case: Case) -> tuple[slice, slice]:
    """Where in the subject there is most print: the strongest fine contrast of the truth, all of it matte."""
    high, wide = (min(side, full) for side, full in zip(CROP, case.matte.shape, strict=True))
    grey = _grey(case.truth)
    fine = np.abs(grey - box_mean(grey, PRINT // 2)) * case.matte
    best, place = -1.0, (0, 0)
    for top in range(0, case.matte.shape[0] - high + 1, max(1, high // 3)):
        for left in range(0, case.matte.shape[1] - wide + 1, max(1, wide // 6)):
            window = slice(top, top + high), slice(left, left + wide)
            score = float(fine[window].mean() * case.matte[window].mean() ** 4)
            if score > best:
                best, place = score, (top, left)
    return slice(place[0], place[0] + high), slice(place[1], place[1] + wide)


def _summary(scenes: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the scenes, lowest values, and what ``detail`` has more than upscaling."""
    found: dict[str, Any] = {}
    for name in ("upscaled", *KEEPS):
        figures = {key: [scene[name][key] for scene in scenes] for key in scenes[0][name]}
        found[name] = {f"{key}_mean": mean(values) for key, values in figures.items()}
        found[name]["psnr_lowest"] = min(figures["psnr"])
    more = [scene["detail"]["psnr"] - scene["upscaled"]["psnr"] for scene in scenes]
    return {**found, "more_than_upscaled_mean": mean(more), "more_than_upscaled_lowest": min(more)}


def table(result: dict[str, Any]) -> str:
    """The figures that were asked for, as lines."""
    lines = []
    for kind in KINDS:
        found = result["summary"][kind]
        detail, up = found["detail"], found["upscaled"]
        more = found["more_than_upscaled_mean"], found["more_than_upscaled_lowest"]
        lines.append(
            f"{kind}: {detail['psnr_mean']:.1f} dB (lowest {detail['psnr_lowest']:.1f}), "
            f"upscaled {up['psnr_mean']:.1f}, {more[0]:+.1f} dB (lowest {more[1]:+.1f}); "
            f"print SSIM {detail['print_ssim_mean']:.2f} of {up['print_ssim_mean']:.2f}, "
            f"correlation {detail['print_correlation_mean']:.2f} of {up['print_correlation_mean']:.2f}"
        )
        lines += [
            f"  {keep}: luminance {found[keep]['psnr_luminance_mean']:.1f} dB, "
            f"hue {found[keep]['hue_change_mean']:.2f} degrees, "
            f"saturation {found[keep]['saturation_change_mean']:.4f}, "
            f"newly clipped {found[keep]['newly_clipped_mean']:.5f}"
            for keep in KEEPS
        ]
    lines += [
        f"{size} megapixels: {each['seconds']:.2f} s ({each['seconds_per_megapixel']:.3f} each), "
        f"{each['added_mib']:.0f} MiB added"
        for size, each in result["summary"]["cost"].items()
    ]
    asked = _asked(result["summary"])
    return "\n".join([*lines, *(f"{'met' if met else 'MISSED'}: {what}" for what, met in asked.items())])


def _asked(summary: dict[str, Any]) -> dict[str, bool]:
    """What is asked of painted subjects, of colours and of the largest picture, and whether it is met."""
    found, largest = summary["painted"], list(summary["cost"].values())[-1:]
    kept = [summary[kind][keep] for kind in KINDS for keep in ("colour", "all")]
    return {
        f"painted, detail: {ASKED_DB:g} dB": found["detail"]["psnr_mean"] >= ASKED_DB,
        f"painted, detail: {ASKED_GAIN_DB:g} dB more than upscaled": found["more_than_upscaled_mean"] >= ASKED_GAIN_DB,
        "colour and all: hue within 1 degree, saturation within 0.02, nothing newly clipped": all(
            each["hue_change_mean"] < 1 and each["saturation_change_mean"] < 0.02 and each["newly_clipped_mean"] == 0
            for each in kept
        ),
        f"cost of the largest: {ASKED_SECONDS:g} s, {ASKED_MIB:g} MiB": all(
            each["seconds"] < ASKED_SECONDS and each["added_mib"] < ASKED_MIB for each in largest
        ),
    }


def carry_once(megapixels: float) -> dict[str, float]:
    """Seconds and MiB of own memory that one transfer adds in this process, on both sides of a matte.

    The picture, 3:2, the relit picture of 960 x 640 pixels and the matte are there before; the result counts.
    """
    high = round((megapixels * 1e6 / 1.5) ** 0.5)
    wide = round(high * 1.5)
    rng = np.random.default_rng(0)
    seed = rng.integers(0, 256, (80, 120, 3), dtype=np.uint8)
    original, relit = resize(seed, wide, high), resize(seed[:, ::-1], 960, 640)
    rows, columns = np.linspace(-1, 1, high, dtype=np.float32), np.linspace(-1.5, 1.5, wide, dtype=np.float32)
    matte = np.clip((0.7 - np.maximum(np.abs(rows)[:, None], np.abs(columns)[None])) * 50, 0, 1).astype(np.float32)
    transfer(original[:64, :64], relit, matte[:64, :64], TransferOptions("detail", 1.0, 0.0))
    before, watch = own_mib(), Watch()
    began = perf_counter()
    transfer(original, relit, matte, TransferOptions("detail", 1.0, 1.0))
    seconds = perf_counter() - began
    return {"seconds": seconds, "added_mib": watch.stop() - before}


def _fresh(megapixels: float) -> dict[str, float]:
    code = (
        "import json, sys; from benchmarks.transfer import carry_once;print(json.dumps(carry_once(float(sys.argv[1]))))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(megapixels)], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _cost_summary(cost: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    found = {}
    for size, runs in cost.items():
        seconds = median(run["seconds"] for run in runs)
        added = max(run["added_mib"] for run in runs)
        found[size] = {
            "seconds": seconds,
            "seconds_per_megapixel": seconds / float(size),
            "added_mib": added,
            "added_mib_per_megapixel": added / float(size),
        }
    return found
