"""``iclight inspect``: what a result says of itself."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from iclight_local.cli.output import print_json
from iclight_local.cli.parser import Parser
from iclight_local.engines.record import PICTURES
from iclight_local.fields import option_of
from iclight_local.imaging.metadata import read_record
from iclight_local.plan import SET_BY_NORMALS
from iclight_local.request import BY_FIT, Finish, OutputOptions
from iclight_local.segmenters.catalogue import DEFAULT as DEFAULT_SEGMENTER
from iclight_local.store.bundles import DEFAULT as DEFAULT_BUNDLE

SUMMARY = "Show how a result was made: request, seed, weights and versions."


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("result", metavar="RESULT", help="A picture that iclight wrote.")
    parser.add_argument("--json", action="store_true", help="Print the record as it is stored.")


def run(parsed: argparse.Namespace) -> int:
    """Read the record and print it."""
    record = read_record(parsed.result, offline=True)
    if parsed.json:
        print_json(record)
        return 0
    for line in _lines(record):
        print(line)
    print(f"again: {_printable(replay_command(record))}")
    return 0


def replay_command(record: dict[str, Any]) -> str:
    """The command line that makes the picture again from its subject.

    BACKGROUND, MATTE and the like stand for pictures whose names the record does not keep; of weights, LoRAs and a
    segmenter of one's own it knows the names alone, not the folders.
    """
    knobs, subject = _table(record, "request"), _table(record, "subject")
    normals = record.get("kind") == "normals"
    name = str(subject.get("name", "PICTURE"))
    words = ["iclight", "normals" if normals else "relight", name if Path(name).suffix else "PICTURE"]
    for key, knob in PICTURES.items():
        if key in record:
            words += [option_of(knob), key.upper()]
    if subject.get("matte") == "given":
        words += ["--matte", "MATTE"]
    fit = knobs.get("fit")
    implied = dict(zip(("keep", "background_mode"), BY_FIT[fit], strict=True)) if fit in BY_FIT else {}
    for name, field in Finish.model_fields.items():
        value = knobs.get(name)
        if value in (None, field.default, implied.get(name)) or (normals and name in SET_BY_NORMALS):
            continue
        flag, text = option_of(name), str(value)
        # What begins with a dash would be taken for an option.
        words += [flag] if value is True else [f"{flag}={text}"] if text.startswith("-") else [flag, text]
    bundle = _table(record, "weights").get("bundle", DEFAULT_BUNDLE)
    if bundle != DEFAULT_BUNDLE:
        words += ["--weights", str(bundle)]
    if subject.get("matte") not in (None, "given", "alpha", DEFAULT_SEGMENTER):
        words += ["--segmenter", str(subject["matte"])]
    if record.get("preset") is not None:
        words += ["--preset", str(record["preset"])]
    for lora in _lora_files(record):
        words += ["--lora", lora]
    return shlex.join(words)


def _lora_files(record: dict[str, Any]) -> list[str]:
    """The LoRAs that were asked for, as ``--lora`` takes them."""
    loras = record.get("loras")
    tables = [lora for lora in loras if isinstance(lora, dict)] if isinstance(loras, list) else []
    return [f"{lora.get('name')}:{lora.get('scale')}" for lora in tables if "preset" not in lora]


def _table(record: dict[str, Any], name: str) -> dict[str, Any]:
    """A table of the record; empty where a record of another version has none."""
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _lines(record: dict[str, Any]) -> list[str]:
    lines = []
    for key, value in record.items():
        if not isinstance(value, dict):
            lines.append(_printable(f"{key}: {value}"))
            continue
        hidden = OutputOptions.model_fields.keys() - Finish.model_fields.keys()
        lines.append(_printable(f"{key}:"))
        lines += [_printable(f"  {name}: {part}") for name, part in _flat(value) if name not in hidden]
    return lines


def _printable(text: str) -> str:
    """``text`` with its control characters spelt out: a record may come from anybody."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _flat(table: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in table.items():
        if isinstance(value, dict):
            pairs += _flat(value, f"{prefix}{name} ")
        else:
            pairs.append((f"{prefix}{name}", value))
    return pairs
