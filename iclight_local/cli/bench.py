"""``iclight bench``: the same pictures through several engines, measured."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from iclight_local.cli.output import print_json, show_warnings
from iclight_local.cli.parser import Parser, add_common, add_fields, given
from iclight_local.errors import Cancelled, InvalidRequest
from iclight_local.providers import list_providers
from iclight_local.request import RelightRequest
from iclight_local.settings import LOCAL, Settings, load_settings

if TYPE_CHECKING:
    from iclight_local.bench.answers import Entrant
    from iclight_local.bench.contestants import Price
    from iclight_local.bench.running import Plan, Told

SUMMARY = "Measure engines on the same pictures: time, cost, memory and quality, as a report and as raw values."
SETTINGS = (
    "home", "weights", "device", "precision", "vram", "compile", "lora", "preset", "segmenter",
    "allow_noncommercial", "offline",
)  # fmt: skip
LEFT_OUT = ("subject_image", "matte", "output_format", "output_quality")
"""Parameters that belong to one picture or to its file."""
NUMBERS = {
    "power-watts": "Watts that this machine draws while it relights.",
    "kwh-price": "Dollars for a kilowatt-hour.",
    "hardware-price": "Dollars that this machine cost.",
    "hardware-years": "Years that it is used for, at work all the time.",
}


def add_arguments(parser: Parser) -> None:
    """Declare the options: the pictures, the contestants, the runs, the prices, and every knob."""
    parser.add_argument(
        "pictures",
        metavar="PICTURE",
        nargs="+",
        help="A picture's file, or a manifest of scenes (JSON) with true renders; a file `speed` is written ./speed.",
    )
    parser.add_argument("--out", metavar="DIR", required=True, help="Folder for bench.json, report.html and pictures.")
    parser.add_argument("--overwrite", action="store_true", help="Replace the bench that lies there.")
    parser.add_argument(
        "--engines",
        metavar="NAMES",
        help="Engines with commas between them: local, or a provider, to which the pictures are sent then "
        "(default: local, or all that were recorded).",
    )
    parser.add_argument("--runs", metavar="N", default="3", help="Measured answers to each picture (default: 3).")
    parser.add_argument("--warmup", metavar="N", default="1", help="Answers before those (default: 1).")
    parser.add_argument("--record", metavar="DIR", help="Keep every answer there, to be played back.")
    parser.add_argument("--replay", metavar="DIR", help="Play recorded answers back instead of asking those engines.")
    prices = parser.add_argument_group("what it costs")
    for name, words in NUMBERS.items():
        prices.add_argument(f"--{name}", metavar="X", help=words)
    prices.add_argument(
        "--price", metavar="NAME=X", action="append", default=[], help="Dollars that an engine charges for a picture."
    )
    knobs = [name for name in RelightRequest.model_fields if name not in LEFT_OUT]
    add_fields(parser.add_argument_group("asked of every picture"), RelightRequest, knobs)
    add_common(parser, *SETTINGS)


def run(parsed: argparse.Namespace) -> int:
    """Run the bench, write its report, tell."""
    from iclight_local.bench.cases import read_cases
    from iclight_local.bench.plots import can_plot
    from iclight_local.bench.report import NO_PLOTS, write_report
    from iclight_local.bench.running import Bench, Plan, check_folder
    from iclight_local.bench.table import markdown

    out = Path(parsed.out).expanduser()
    check_folder(out, overwrite=parsed.overwrite)
    settings = load_settings(given(parsed, Settings))
    plan = Plan(
        cases=read_cases(parsed.pictures),
        entrants=_entrants(parsed),
        knobs=given(parsed, RelightRequest),
        runs=whole("--runs", parsed.runs, 1),
        warmup=whole("--warmup", parsed.warmup, 0),
        out=out,
        segmenter=settings.segmenter,
        allow_noncommercial=settings.allow_noncommercial,
    )
    if not can_plot():
        show_warnings([NO_PLOTS])
    _announce(plan)
    with bar() as told:
        result = Bench(plan, told).run()
    report = write_report(result, out)
    if not result["complete"]:
        done = f"{len(result['pictures'])} of {len(plan.cases)} pictures"
        raise Cancelled(f"Stopped; what was measured so far ({done}) lies in {out}.")
    if parsed.json:
        print_json({"out": str(out), "report": str(report), "summary": result["summary"]})
        return 0
    print(markdown(result), end="")
    if sys.stderr is not None:
        print(f"report: {report}", file=sys.stderr)
    return 0


def _announce(plan: Plan) -> None:
    """What will be charged for, before it is."""
    images = plan.cases[0].request(plan.knobs).number_of_images
    for each in plan.entrants:
        price = each.price.per_picture
        if each.replayed or sys.stderr is None or (price is None and each.name not in list_providers()):
            continue
        count = plan.turns_of(each)
        words = "what that costs is not stated" if price is None else f"which costs about ${count * images * price:.2f}"
        print(f"{each.name} will be asked {count} times, {words}", file=sys.stderr)


def _entrants(parsed: argparse.Namespace) -> list[Entrant]:
    """The contestants, live or recorded, in the order in which they were named.

    Raises:
        InvalidRequest: one is unknown or named twice, or a price is for none of them.
    """
    from iclight_local.bench.answers import Live
    from iclight_local.bench.contestants import find_contestant
    from iclight_local.bench.recording import Recorder, recorded

    played = {} if parsed.replay is None else recorded(Path(parsed.replay).expanduser())
    default = list(played) if played else [LOCAL]
    names = default if parsed.engines is None else [name.strip() for name in parsed.engines.split(",") if name.strip()]
    if not names or len(set(names)) < len(names):
        raise InvalidRequest(f"--engines is {parsed.engines!r}, but must name engines, each once, like {LOCAL}.")
    prices = _prices(parsed, names)
    overrides = given(parsed, Settings)
    found: list[Entrant] = []
    for name in names:
        if name in played:
            played[name].price = prices.get(name, played[name].price)
            found.append(played[name])
        else:
            found.append(Live(find_contestant(name, overrides, prices.get(name))))
    if parsed.record is None:
        return found
    return [Recorder(each, Path(parsed.record).expanduser()) for each in found]


def _prices(parsed: argparse.Namespace, names: Sequence[str]) -> Mapping[str, Price]:
    """The prices that the command line states, by engine."""
    from iclight_local.bench.contestants import OwnMachine, Price

    numbers = {
        name.replace("-", "_"): _number(f"--{name}", getattr(parsed, name.replace("-", "_"))) for name in NUMBERS
    }
    prices: dict[str, Price] = {}
    own = OwnMachine(**numbers).price
    if own.per_hour is not None:
        prices[LOCAL] = own
    elif any(value is not None for value in numbers.values()):
        raise InvalidRequest(
            "The cost of this machine needs --power-watts with --kwh-price, or --hardware-price with --hardware-years."
        )
    for text in parsed.price:
        name, _, amount = text.partition("=")
        dollars = _number("--price", amount)
        if name not in names or dollars is None:
            raise InvalidRequest(
                f"--price is {text!r}, but must be an engine of the bench and dollars, like NAME=0.02."
            )
        prices[name] = Price(per_picture=dollars, words=f"${dollars:g} a picture, as stated with --price")
    return prices


def _number(option: str, text: str | None) -> float | None:
    """An amount, not negative; None where it was not given."""
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf") or (option.endswith("years") and value == 0):
        raise InvalidRequest(f"{option} is {text!r}, but must be a number above 0.")
    return value


def whole(option: str, text: str, least: int) -> int:
    """A whole number of an option.

    Raises:
        InvalidRequest: it is none, or too small or large.
    """
    if not text.isdecimal() or not least <= int(text) <= 10_000:
        raise InvalidRequest(f"{option} is {text!r}, but must be a whole number from {least} to 10000.")
    return int(text)


@contextmanager
def bar() -> Iterator[Told]:
    """A bar on a terminal, nothing in a pipe."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield _silent
        return
    from tqdm import tqdm

    with tqdm(total=1, leave=False, bar_format="{desc} {bar:30} {n_fmt}/{total_fmt} {elapsed}") as shown:

        def told(done: int, turns: int, whose: str) -> None:
            shown.total, shown.n = turns, done
            shown.set_description_str(whose, refresh=True)

        yield told


def _silent(done: int, turns: int, whose: str) -> None:
    """Nobody looks on."""
