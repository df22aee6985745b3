"""``python -m benchmarks speed``: its options, and what it writes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.options import size

PAIRS_OF_NUMBERS = "HEIGHTxWIDTH, separated by commas"


def add_speed_options(parser: argparse.ArgumentParser) -> None:
    """Declare what can be set."""
    # No defaults from Cpu: what it imports would be missing from the cold starts that `side` measures.
    unset = argparse.SUPPRESS
    parser.add_argument("--bundle", required=True, help="folder with base/ and the offsets")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--model", choices=("fc", "fcon", "fbc"), default=unset)
    parser.add_argument("--latents", type=_sizes, default=unset, help=f"{PAIRS_OF_NUMBERS}; usually 64x80,32x40")
    parser.add_argument("--pairs", type=int, default=unset, help="interleaved calls of the UNet, usually 5")
    parser.add_argument("--size", type=size, help="WIDTHxHEIGHT of a whole run, usually 512x640")
    parser.add_argument("--steps", type=int, default=unset, help="of each pass of a whole run, usually 4")
    parser.add_argument("--runs", type=int, default=unset, help="whole runs of each side, usually 1; 0: none")
    parser.add_argument("--sides", type=_words, default=unset, help="usually lossless,int8")
    parser.add_argument("--threads", type=int, default=unset, help="of torch")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure, write all values, and print the table."""
    from benchmarks.speed.cpu import Cpu, measure
    from benchmarks.speed.tables import cpu_table, profile_table

    values = {name: value for name, value in vars(options).items() if name in Cpu.__dataclass_fields__}
    if options.size is not None:
        values |= {"width": options.size[0], "height": options.size[1]}
    result = measure(Cpu(**values))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(cpu_table(result), profile_table(result), sep="\n")
    print(f"All values: {options.out}")
    return 0


def _sizes(text: str) -> list[list[int]]:
    return [list(size(word)) for word in _words(text)]


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]
