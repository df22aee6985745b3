"""``iclight bench speed``: how fast this machine relights with its owner's weights."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from iclight_local.cli.bench import LEFT_OUT, SETTINGS, bar, whole
from iclight_local.cli.output import print_json, show_warnings
from iclight_local.cli.parser import Parser, add_common, add_fields, given
from iclight_local.errors import Cancelled
from iclight_local.imaging.write import check_writable, write
from iclight_local.request import RelightRequest
from iclight_local.settings import Settings, load_settings

SUMMARY = "Measure this machine: start, stages, steps, the UNet's calls as a part of the machine's peak, memory."
EPILOG = (
    "On a CUDA card iclight serve and iclight batch compile the models, unless there is a LoRA or a preset, and a "
    "single relight does not: --compile on measures what they do. The first picture then takes the compiling, too."
)


def add_arguments(parser: Parser) -> None:
    """Declare the options: the picture, the runs, the file, and every knob."""
    parser.epilog = EPILOG
    parser.add_argument("--picture", metavar="FILE", help="The picture that is relit (default: a drawn one).")
    parser.add_argument("--runs", metavar="N", default="3", help="Pictures after the first one (default: 3).")
    parser.add_argument("--out", metavar="FILE", help="JSON file for every value (default: none).")
    parser.add_argument("--overwrite", action="store_true", help="Replace a file that is there already.")
    knobs = [name for name in RelightRequest.model_fields if name not in LEFT_OUT]
    add_fields(parser.add_argument_group("asked of the picture"), RelightRequest, knobs)
    add_common(parser, *SETTINGS)


def run(parsed: argparse.Namespace) -> int:
    """Measure, write, tell."""
    from iclight_local.bench.speed import SpeedPlan, SpeedRun
    from iclight_local.bench.speed_table import markdown

    plan = SpeedPlan(
        settings=load_settings(given(parsed, Settings)),
        knobs=given(parsed, RelightRequest),
        runs=whole("--runs", parsed.runs, 1),
        picture=parsed.picture,
    )
    out = None if parsed.out is None else Path(parsed.out).expanduser()
    if out is not None:
        check_writable(out, overwrite=parsed.overwrite)
    with bar() as told:
        result = SpeedRun(plan, told).run()
    if out is not None and "cold" in result:
        write(out, (json.dumps(result, indent=1, ensure_ascii=False) + "\n").encode(), overwrite=parsed.overwrite)
    if not result["complete"]:
        kept = "nothing was measured yet" if "cold" not in result else f"{len(result['runs'])} of {plan.runs} pictures"
        where = "" if out is None or "cold" not in result else f" (what was measured so far lies in {out})"
        raise Cancelled(f"Stopped; {kept}{where}.")
    show_warnings(result["warnings"])
    if parsed.json:
        print_json(result)
    else:
        print(markdown(result), end="")
    return 0
