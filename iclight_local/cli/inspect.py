"""``iclight inspect``: what a result says of itself."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from iclight_local.cli.output import print_json
from iclight_local.cli.parser import Parser
from iclight_local.engines.record import PICTURES
from iclight_local.fields import option_of, option_words
from iclight_local.imaging.metadata import read_record
from iclight_local.plan import SET_BY_NORMALS
from iclight_local.request import BY_FIT, Finish, OutputOptions
from iclight_local.segmenters.catalogue import DEFAULT as DEFAULT_SEGMENTER
from iclight_local.sentences import printable
from iclight_local.store.bundles import DEFAULT as DEFAULT_BUNDLE

SET_BY_EDIT = ("fit", "background_mode", "background_colour", "contact_shadow")
"""Parameters of the relight within an edit that the edit decides."""
SET_BY_SHEET = ("light",)
"""Parameters that a sheet's pictures differ in."""
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
    print(f"again: {printable(replay_command(record))}")
    if record.get("kind") == "frame":
        print("That is the frame alone: iclight batch FRAMES --out DIR --sequence steadies its light among the others.")
    return 0


def replay_command(record: dict[str, Any]) -> str:
    """The command line that makes the picture again from its subject.

    BACKGROUND, MATTE and the like stand for pictures whose names the record does not keep; of weights, LoRAs and a
    segmenter of one's own it knows the names alone, not the folders.
    """
    knobs, subject = _table(record, "request"), _table(record, "subject")
    kind = record.get("kind")
    command = str(kind) if kind in ("normals", "sheet", "edit") else "relight"
    words = ["iclight", command, _operand(str(subject.get("name", ""))), *_lights(record)]
    elsewhere = {"normals": SET_BY_NORMALS, "sheet": SET_BY_SHEET, "edit": SET_BY_EDIT}.get(command, ())
    for key, knob in PICTURES.items():
        if key in record:
            words += [option_of(knob), key.upper()]
    if subject.get("matte") == "given":
        words += ["--matte", "MATTE"]
    implied = _implied(knobs)
    for name, field in Finish.model_fields.items():
        value = knobs.get(name)
        if value is None or name in elsewhere or value == implied.get(name, field.default):
            continue
        words += option_words(name, value)
    for name, value in _table(record, "edit").items():
        # What stands behind a subject follows from the other options, but for these.
        follows = name == "background_mode" and value not in ("keep", "generate")
        if not (value is None or value is False or follows):
            words += option_words(name, value)
    words += _engine(record)
    return shlex.join(words)


def _engine(record: dict[str, Any]) -> list[str]:
    """The options that say what relit it."""
    words: list[str] = []
    bundle = _table(record, "weights").get("bundle", DEFAULT_BUNDLE)
    if bundle != DEFAULT_BUNDLE:
        words += ["--weights", str(bundle)]
    segmenter = _table(record, "subject").get("matte")
    if segmenter not in (None, "given", "alpha", DEFAULT_SEGMENTER):
        words += ["--segmenter", str(segmenter)]
    if record.get("preset") is not None:
        words += ["--preset", str(record["preset"])]
    for lora in _lora_files(record):
        words += ["--lora", lora]
    provider = _table(record, "engine").get("provider")
    return words if provider is None else [*words, "--provider", str(provider)]


def _implied(knobs: dict[str, Any]) -> dict[str, Any]:
    """Values that a request with this fit has by itself, where they are not the declared defaults."""
    # A record of another version may hold anything here.
    asked = next((each for each in BY_FIT if each == knobs.get("fit")), None) or "crop"
    kept, behind = BY_FIT[asked]
    # Where the whole picture is shown, a size that is not given is not the default but that of the picture's shape.
    sizes = {} if asked == "crop" else dict.fromkeys(("width", "height"))
    return {"keep": kept, "background_mode": behind, **sizes}


def _operand(name: str) -> str:
    """The subject's file as an argument; PICTURE where it was none."""
    if not Path(name).suffix:
        return "PICTURE"
    # What begins with a dash would be taken for an option.
    return f"./{name}" if name.startswith("-") else name


def _lights(record: dict[str, Any]) -> list[str]:
    """The lights of a sheet, as ``--lights`` takes them."""
    lights = record.get("lights")
    return ["--lights", ", ".join(str(light) for light in lights)] if isinstance(lights, list) else []


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
            lines.append(printable(f"{key}: {value}"))
            continue
        hidden = OutputOptions.model_fields.keys() - Finish.model_fields.keys()
        lines.append(printable(f"{key}:"))
        lines += [printable(f"  {name}: {part}") for name, part in _flat(value) if name not in hidden]
    return lines


def _flat(table: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in table.items():
        if isinstance(value, dict):
            pairs += _flat(value, f"{prefix}{name} ")
        else:
            pairs.append((f"{prefix}{name}", value))
    return pairs
