"""The command line of the benchmarks: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.batch.command import add_batch_options
from benchmarks.mini.trial import Trial
from benchmarks.options import (
    add_mini_options,
    add_pipeline_options,
    add_serving_options,
    add_transfer_options,
    size,
)
from benchmarks.sides import SIDES, Experiment
from benchmarks.speed.command import add_speed_options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 when it is done."""
    options = build_parser().parse_args(arguments)
    return options.run(options)


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True)
    full = commands.add_parser("fullsize", help="write a bundle of SD1.5's size with random weights")
    full.add_argument("--out", type=Path, required=True, help="a folder that does not exist yet")
    full.add_argument("--models", default="fc", help="fc, fcon, fbc, separated by commas")
    full.add_argument("--seed", type=int, default=0)
    full.set_defaults(run=_fullsize)

    pipeline = commands.add_parser("pipeline", help="compare iclight_local with plain diffusers")
    add_pipeline_options(pipeline)
    pipeline.set_defaults(run=_pipeline)

    loading = commands.add_parser("loading", help="time and memory of loading, against merging whole state dicts")
    loading.add_argument("--bundle", required=True, help="folder with base/ and the offsets")
    loading.add_argument("--out", type=Path, required=True, help="JSON file to write")
    loading.add_argument("--model", choices=("fc", "fcon", "fbc"), default="fc")
    loading.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float16")
    loading.add_argument("--runs", type=int, default=5, help="interleaved pairs")
    loading.set_defaults(run=_loading)

    photograph = commands.add_parser("photograph", help="a real photograph through `iclight relight`, stage by stage")
    photograph.add_argument("--bundle", type=Path, required=True, help="folder with base/ and the offsets")
    photograph.add_argument("--out", type=Path, required=True, help="folder for the pictures and result.json")
    photograph.add_argument("options", nargs="*", help="further options of iclight relight, behind --")
    photograph.set_defaults(run=_photograph)

    scenes = commands.add_parser("scenes", help="a contact sheet of the synthetic scenes")
    scenes.add_argument("--out", type=Path, required=True, help="PNG file to write")
    scenes.add_argument("--count", type=int, default=24, help="rows")
    scenes.add_argument("--size", type=int, default=128, help="pixels of a picture")
    scenes.add_argument("--seed", type=int, default=0, help="of the first row")
    scenes.add_argument("--split", choices=("train", "test"), default="test")
    scenes.set_defaults(run=_scenes)

    mini = commands.add_parser("mini", help="what a bundle can do, on scenes whose light is known")
    add_mini_options(mini)
    mini.set_defaults(run=_mini)

    carry = commands.add_parser("transfer", help="carrying light to full size: nearness to true renders, print, cost")
    add_transfer_options(carry)
    carry.set_defaults(run=_measurement("transfer", "Carrying"))

    edits = commands.add_parser("editing", help="an edit with every option: time beside the model, and memory")
    edits.add_argument("--out", type=Path, required=True, help="JSON file to write")
    edits.add_argument("--side", type=int, default=argparse.SUPPRESS, help="pixels, usually 3500")
    edits.add_argument("--runs", type=int, default=argparse.SUPPRESS, help="of each call, usually 3")
    edits.set_defaults(run=_measurement("editing", "Editing"))

    fewer = commands.add_parser("fewer", help="fewer operations: what they save, and what becomes of the picture")
    fewer.add_argument("--out", type=Path, required=True, help="JSON file to write")
    fewer.add_argument("--sheet", type=Path, help="PNG file to write the contact sheet to")
    fewer.add_argument("--scenes", type=int, default=argparse.SUPPRESS, help="usually 12")
    fewer.add_argument("--size", type=int, default=argparse.SUPPRESS, help="pixels of a picture's side, usually 256")
    fewer.set_defaults(run=_measurement("speed.fewer", "Fewer"))

    int8 = commands.add_parser("int8", help="how near the pictures of --precision int8 are to those of float32")
    int8.add_argument("--out", type=Path, required=True, help="JSON file to write")
    int8.add_argument("--scenes", type=int, default=argparse.SUPPRESS, help="of each model, usually 8")
    int8.add_argument("--size", type=int, default=argparse.SUPPRESS, help="pixels of the lowres pass, usually 128")
    int8.add_argument("--steps", type=int, default=argparse.SUPPRESS, help="of each pass, usually 25")
    int8.set_defaults(run=_measurement("speed.int8", "Nearness"))

    serving = commands.add_parser("serving", help="the server: many callers at once, and what it adds to the engine")
    add_serving_options(serving)
    serving.set_defaults(run=_serving)

    batch = commands.add_parser("batch", help="a batch: killed, poisoned, a million rows long, and its speed")
    add_batch_options(batch)

    stepping = commands.add_parser("stepping", help="step-level batching against one request after another")
    stepping.add_argument("--out", type=Path, required=True, help="JSON file to write")
    stepping.add_argument("--runs", type=int, default=argparse.SUPPRESS, help="of each side, usually 3")
    stepping.set_defaults(run=_measurement("speed.steps", "Stepping"))

    looking = commands.add_parser("page", help="the page in a browser: first paint, and the light map behind the lamp")
    looking.add_argument("--out", type=Path, required=True, help="JSON file to write")
    looking.add_argument("--visits", type=int, default=argparse.SUPPRESS, help="of new browsers, usually 5")
    looking.add_argument("--moves", type=int, default=argparse.SUPPRESS, help="of the lamp, usually 30")
    looking.set_defaults(run=_measurement("page.measure", "Looking"))

    crashes = commands.add_parser("crashes", help="kill the server at random moments, and look at what is lost")
    crashes.add_argument("--out", type=Path, required=True, help="JSON file to write")
    crashes.add_argument("--kills", type=int, default=argparse.SUPPRESS, help="usually 50")
    crashes.add_argument("--callers", type=int, default=argparse.SUPPRESS, help="usually 8")
    crashes.add_argument("--seed", type=int, default=argparse.SUPPRESS, help="of the moments")
    crashes.set_defaults(run=_crashes)

    vendors = commands.add_parser("vendors", help="iclight bench against two servers here that play two vendors")
    vendors.add_argument("--out", type=Path, required=True, help="folder for bench.json, report.html and pictures")
    # No defaults from Vendors, for the same reason as above.
    for name, kind in (("scenes", int), ("first", int), ("size", int), ("steps", int), ("runs", int), ("warmup", int)):
        vendors.add_argument(f"--{name}", type=kind, default=argparse.SUPPRESS)
    vendors.add_argument("--weights", default=argparse.SUPPRESS, help="a bundle, usually mini")
    vendors.add_argument("--record", type=Path, default=argparse.SUPPRESS, help="folder to keep every answer in")
    vendors.set_defaults(run=_vendors)

    speed = commands.add_parser("speed", help="the CPU against plain diffusers: UNet, whole run, stages, profile")
    add_speed_options(speed)

    truths = commands.add_parser("truths", help="scenes with true renders and a manifest, for iclight bench")
    truths.add_argument("--out", type=Path, required=True, help="folder to write them to")
    truths.add_argument("--scenes", type=int, default=8)
    truths.add_argument("--first", type=int, default=0, help="seed of the first scene")
    truths.add_argument("--size", type=int, default=512, help="pixels along a side")
    truths.add_argument("--prompt", default="a photograph", help="asked of every scene; it names no side")
    truths.set_defaults(run=_truths)

    gpu = commands.add_parser("gpu", help="speed on a graphics card: everything in one run of minutes")
    gpu.add_argument("--out", type=Path, required=True, help="JSON file to write; it grows stage by stage")
    gpu.add_argument("--bundle", type=Path, default=argparse.SUPPRESS, help="a folder; built at random otherwise")
    gpu.add_argument("--device", default=argparse.SUPPRESS, help="usually cuda")
    gpu.add_argument("--size", type=size, default=argparse.SUPPRESS, help="of the lowres pass, like 512x640")
    for name in ("steps", "pairs", "callers"):
        gpu.add_argument(f"--{name}", type=int, default=argparse.SUPPRESS)
    gpu.add_argument("--rows", type=_counts, default=argparse.SUPPRESS, help="of UNet calls, usually 2,8,32")
    gpu.add_argument("--seconds", type=float, default=argparse.SUPPRESS, help="in which all is to end, usually 450")
    gpu.add_argument("--no-compile", dest="compile", action="store_false", default=argparse.SUPPRESS)
    gpu.set_defaults(run=_gpu)

    side = commands.add_parser("side", help="what `pipeline` starts: one side, once, in this process")
    side.add_argument("side", choices=SIDES)
    side.add_argument("experiment", type=json.loads)
    side.set_defaults(run=_side)
    return parser


def _fullsize(options: argparse.Namespace) -> int:
    from benchmarks.fullsize import build

    build(options.out, options.models.split(","), options.seed)
    return 0


def _pipeline(options: argparse.Namespace) -> int:
    from benchmarks.compare import compare

    values: dict[str, Any] = {
        name: value for name, value in vars(options).items() if name not in ("run", "out", "size")
    }
    width, height = options.size
    result = compare(Experiment(width=width, height=height, **values))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    time, cold = result["steady"]["wall_s"]["ratio_median"], result["cold"]["ratio_total"]
    memory, levels = result["memory"]["ratio_peak"], result["difference"]["levels_max"]
    print(f"Of plain diffusers: time {_ratio(time)}, cold start {_ratio(cold)}, peak memory {_ratio(memory)}.")
    print(f"Largest difference {levels} grey levels. All values: {options.out}")
    return 0


def _ratio(value: float | None) -> str:
    return "unknown (other work disturbed it)" if value is None else f"{value:.3f}"


def _photograph(options: argparse.Namespace) -> int:
    from benchmarks.photograph import measure

    result = measure(options.bundle, options.out, options.options)
    (options.out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    print("seconds:", ", ".join(f"{stage} {value:.1f}" for stage, value in result["command"]["timings"].items()))
    print(f"peak memory: {result['command']['peak_memory'] / 2**30:.2f} GiB; result: {result['result']}")
    return 0


def _scenes(options: argparse.Namespace) -> int:
    from benchmarks.scenes.sheet import write_sheet

    write_sheet(options.out, options.count, options.size, options.seed, options.split)
    print(f"{options.count} scenes: {options.out}")
    return 0


def _mini(options: argparse.Namespace) -> int:
    from benchmarks.mini.report import run_sections, table

    values = {name: value for name, value in vars(options).items() if name in Trial.__dataclass_fields__}
    result = run_sections(Trial(**values), options.only.split(","), options.out, options.sheet)
    print(table(result))
    print(f"All values: {options.out}")
    return 0


def _measurement(module: str, kind: str) -> Callable[[argparse.Namespace], int]:
    """The command for a module that has a dataclass of options, ``measure`` and ``table``."""

    def run(options: argparse.Namespace) -> int:
        found = import_module(f"benchmarks.{module}")
        asked = getattr(found, kind)
        values = {name: value for name, value in vars(options).items() if name in asked.__dataclass_fields__}
        sheet = [options.sheet] if "sheet" in options else []
        result = found.measure(asked(**values), *sheet)
        _write(options.out, result, found.table(result))
        return 0

    return run


def _serving(options: argparse.Namespace) -> int:
    from benchmarks.serving.overhead import Beside
    from benchmarks.serving.report import Load, measure_load
    from benchmarks.serving.tables import load_table
    from benchmarks.serving.waves import Wave

    given = vars(options)
    wave = Wave(**{name: given[name] for name in ("clients", "calls") if name in given})
    names = {"pairs": "calls", "relights": "relights"}
    beside = Beside(**{name: given[option] for option, name in names.items() if option in given})
    waves = {"waves": given["waves"]} if "waves" in given else {}
    result = measure_load(Load(**waves, wave=wave, beside=beside))
    _write(options.out, result, load_table(result))
    return 0


def _crashes(options: argparse.Namespace) -> int:
    from benchmarks.serving.crashes import Crashes
    from benchmarks.serving.report import measure_kills
    from benchmarks.serving.tables import kills_table

    result = measure_kills(
        Crashes(**{name: value for name, value in vars(options).items() if name in Crashes.__dataclass_fields__})
    )
    _write(options.out, result, kills_table(result))
    return 0


def _write(path: Path, result: dict[str, Any], table: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(table)
    print(f"All values: {path}")


def _vendors(options: argparse.Namespace) -> int:
    from benchmarks.vendors import Vendors, measure
    from iclight_local.bench.table import markdown

    values = {name: value for name, value in vars(options).items() if name in Vendors.__dataclass_fields__}
    print(markdown(measure(Vendors(**values), options.out)), end="")
    print(f"report: {options.out / 'report.html'}", file=sys.stderr)
    return 0


def _truths(options: argparse.Namespace) -> int:
    from benchmarks.truths import write_scenes

    print(write_scenes(options.out, options.scenes, options.first, options.size, options.prompt))
    return 0


def _counts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _gpu(options: argparse.Namespace) -> int:
    from benchmarks.speed.gpu import Gpu, measure

    values = {name: value for name, value in vars(options).items() if name in Gpu.__dataclass_fields__}
    width, height = getattr(options, "size", (Gpu.width, Gpu.height))
    result = measure(Gpu(**{**values, "width": width, "height": height}))
    print(json.dumps(result, indent=1))
    return 0


def _loading(options: argparse.Namespace) -> int:
    from benchmarks.loading import Loading, compare_loading

    found = compare_loading(Loading(options.bundle, options.model, options.dtype, options.runs))
    shown = {key: value for key, value in found.items() if key not in ("runs", "environment")}
    _write(options.out, found, json.dumps(shown, indent=1))
    return 0


def _side(options: argparse.Namespace) -> int:
    from benchmarks.compare import measure_fresh

    print(json.dumps(measure_fresh(options.side, Experiment(**options.experiment))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
