"""Step-level batching against one request after another: pictures in a time, and how long a short request waits.

Both sides run in this process with the same engine and take turns. One is a pool of as many threads as there are
requests, which share the engine as the server's do; the other a pool of a single thread, first come first served.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.environment import describe
from iclight_local import RelightRequest, open_engine
from iclight_local.engines.base import Engine
from iclight_local.result import Progress

LEAST_THROUGHPUT, LEAST_LATENCY = 1.0, 3.0
"""What is asked: times the pictures in a time, and times sooner."""
_PROMPTS = ("sunset over sea", "neon light, city", "soft studio lighting", "sunshine from window")


@dataclass(frozen=True)
class Stepping:
    """Everything that decides what is measured.

    Attributes:
        runs: of each side, in turns.
        sizes: width and height of both passes, for the throughput.
        steps: of the requests that are sent at once.
        size: width and height, for the latency.
        long: requests that are there already.
        long_steps: of each of them.
        short_steps: of the one that comes when the first of them has begun.
        weights: a bundle.
    """

    runs: int = 3
    sizes: tuple[tuple[int, int], ...] = ((128, 128), (256, 320), (512, 640))
    steps: tuple[int, ...] = (3, 4, 5, 6)
    size: tuple[int, int] = (256, 320)
    long: int = 3
    long_steps: int = 20
    short_steps: int = 3
    weights: str = "mini"


def measure(stepping: Stepping) -> dict[str, Any]:
    """All figures as plain values for one JSON file."""
    engine = open_engine(weights=stepping.weights, device="cpu")
    environment = describe("cpu")
    for number in range(len(_PROMPTS)):
        # An engine encodes a text once, and neither side shall do so for the other.
        engine.relight(_request(stepping.sizes[0], 1, number))
    throughput = {
        f"{width}x{height}": _throughputs(engine, stepping, (width, height)) for width, height in stepping.sizes
    }
    latency = _latencies(engine, stepping)
    return {
        "stepping": asdict(stepping),
        "environment": environment,
        "throughput": throughput,
        "latency": latency,
        "load_average_after": describe("cpu")["load_average"],
    }


def table(result: dict[str, Any]) -> str:
    """The medians as Markdown, and what they were measured on."""
    asked, ran = result["stepping"], result["environment"]
    lines = [
        "| experiment | one by one | step by step | gain | of each run | processor time | asked |",
        "|---|---|---|---|---|---|---|",
    ]
    for size, each in result["throughput"].items():
        steps = ", ".join(map(str, asked["steps"]))
        cells = _cells(each["alone_s"], each["together_s"], "s")
        cpu = median(_ratios(each["together_cpu_s"], each["alone_cpu_s"]))
        lines.append(f"| requests of {steps} steps at once, {size} | {cells} | x{cpu:.2f} | >= {LEAST_THROUGHPUT} |")
    each, size = result["latency"], "x".join(map(str, asked["size"]))
    what = f"{asked['short_steps']} steps behind {asked['long']} of {asked['long_steps']}, {size}: until it is there"
    lines.append(f"| {what} | {_cells(each['alone_s'], each['together_s'], 's')} | | >= {LEAST_LATENCY} |")
    cells = _cells(each["alone_all_s"], each["together_all_s"], "s")
    lines.append(f"| the same: until all are there | {cells} | | |")
    loads = f"load {ran['load_average'][0]} before and {result['load_average_after'][0]} after"
    where = f"{ran['processor']}, {ran['cores']} cores, {ran['memory_gib']} GiB, no GPU, {loads}"
    return (
        "\n".join(lines) + f"\n\nMiniature, medians of {asked['runs']} runs in turns; on {where}; {ran['time'][:10]}.\n"
    )


def _cells(alone: list[float], together: list[float], unit: str) -> str:
    gains = _ratios(alone, together)
    each = " ".join(f"{gain:.2f}" for gain in gains)
    return f"{median(alone):.2f} {unit} | {median(together):.2f} {unit} | **x{median(gains):.2f}** | {each}"


def _ratios(one: list[float], other: list[float]) -> list[float]:
    return [a / b for a, b in zip(one, other, strict=True)]


def _throughputs(engine: Engine, stepping: Stepping, size: tuple[int, int]) -> dict[str, list[float]]:
    """Seconds on the clock and of the processor from the first request to the last picture, of both sides."""
    requests = [_request(size, steps, number) for number, steps in enumerate(stepping.steps)]
    engine.relight(_request(size, 1, 0))
    found: dict[str, list[float]] = {}
    for index in range(stepping.runs):
        for name, threads in _in_turns(index, len(requests)):
            began, busy = time.perf_counter(), time.process_time()
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(engine.relight, requests))
            found.setdefault(f"{name}_s", []).append(time.perf_counter() - began)
            found.setdefault(f"{name}_cpu_s", []).append(time.process_time() - busy)
    return found


def _latencies(engine: Engine, stepping: Stepping) -> dict[str, list[float]]:
    """Seconds from a short request's coming to its picture, and to the last picture, of both sides."""
    engine.relight(_request(stepping.size, 1, 0))
    found: dict[str, list[float]] = {}
    for index in range(stepping.runs):
        for name, threads in _in_turns(index, stepping.long + 1):
            short, everything = _wait(engine, stepping, threads)
            found.setdefault(f"{name}_s", []).append(short)
            found.setdefault(f"{name}_all_s", []).append(everything)
    return found


def _in_turns(index: int, threads: int) -> list[tuple[str, int]]:
    """The sides and the threads of each; who comes first changes from run to run."""
    return [("alone", 1), ("together", threads)][:: -1 if index % 2 else 1]


def _wait(engine: Engine, stepping: Stepping, threads: int) -> tuple[float, float]:
    """Seconds from a short request's coming, when long ones are under way, to its picture, and to the last picture.

    Raises:
        ICLightError: one of them got no picture.
    """
    began = threading.Event()

    def told(progress: Progress) -> None:
        if progress.step == 1:
            began.set()

    requests = [_request(stepping.size, stepping.long_steps, number) for number in range(stepping.long)]
    last = _request(stepping.size, stepping.short_steps, stepping.long)
    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(engine.relight, request, progress=told) for request in requests]
        for each in futures:
            # One that fails before its first step would be waited for in vain.
            each.add_done_callback(lambda _: began.set())
        began.wait()
        came = time.perf_counter()
        pool.submit(engine.relight, last).result()
        short = time.perf_counter() - came
        for each in futures:
            each.result()
        return short, time.perf_counter() - came


def _request(size: tuple[int, int], steps: int, number: int) -> RelightRequest:
    width, height = size
    return RelightRequest(
        subject_image=_subject(size),
        prompt=_PROMPTS[number % len(_PROMPTS)],
        seed=number,
        width=width,
        height=height,
        steps=steps,
        highres_scale=1,
        cfg=2 + number % 3,
    )


def _subject(size: tuple[int, int]) -> Image.Image:
    """A subject with a matte of its own, so that nothing is cut out."""
    width, height = size
    down, across = np.mgrid[:height, :width].astype(np.float32)
    inside = ((across / width - 0.5) / 0.3) ** 2 + ((down / height - 0.5) / 0.4) ** 2 < 1
    pixels = np.stack([across % 256, down % 256, (across + down) % 256, inside * 255], axis=2)
    return Image.fromarray(pixels.astype(np.uint8))
