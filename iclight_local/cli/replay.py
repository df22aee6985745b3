"""``iclight replay``: do again what a result says of itself, and compare."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iclight_local.cli.output import output_at, print_json, progress_bar, show_warnings, write_results
from iclight_local.cli.parser import Parser, add_common, add_fields, given
from iclight_local.cli.relight import SETTINGS
from iclight_local.engines.record import INPUTS, PICTURES, RecordedRun, recorded_run
from iclight_local.errors import InvalidRequest
from iclight_local.fields import option_of
from iclight_local.imaging.compare import Difference, difference
from iclight_local.imaging.metadata import read_record
from iclight_local.imaging.write import check_writable
from iclight_local.plan import plan_of
from iclight_local.request import RelightRequest
from iclight_local.sentences import printable
from iclight_local.settings import Settings, load_settings

SUMMARY = "Make a result again from its picture, as its record says, and compare the two."
TOLERANCE = 2
"""Grey levels that two machines may differ by; the same as between this package and the original."""


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("result", metavar="RESULT", help="A picture that iclight relight wrote.")
    parser.add_argument(
        "subject_image",
        metavar="PICTURE",
        nargs="?",
        help="The picture it was made from (default: the file of the recorded name beside RESULT, or here).",
    )
    others = parser.add_argument_group("the other pictures, where RESULT was made with them")
    add_fields(others, RelightRequest, ("matte", *PICTURES.values()))
    parser.add_argument("-o", "--output", metavar="FILE", help="Where the picture goes (default: it is not kept).")
    parser.add_argument("--overwrite", action="store_true", help="Replace a file that is there already.")
    add_common(parser, *SETTINGS)


def run(parsed: argparse.Namespace) -> int:
    """Relight once more, compare, tell; status 1 where the pictures differ."""
    record = recorded_run(read_record(parsed.result, offline=True))
    request = record.request(_pictures(parsed, record))
    target = None if parsed.output is None else output_at(parsed.output, request)
    if target is not None:
        check_writable(target[0], overwrite=parsed.overwrite)
    # What another engine made would be no repetition.
    settings = load_settings({**record.settings, **given(parsed, Settings), "providers": ()})
    _check_loras(Path(parsed.result).name, record, settings)
    from iclight_local.assemble import engine_from

    engine = engine_from(settings, [plan_of(request).model])
    with progress_bar() as progress:
        result = engine.relight(request, progress=progress)
    record.check_inputs(result.record)
    image = result.images[record.image]
    found = difference(Path(parsed.result).expanduser(), image, request.output_quality)
    if target is not None:
        write_results(
            {target[0]: image}, result, request, output_format=target[1], overwrite=parsed.overwrite, first=record.image
        )
    _tell(parsed, found, record.changes(result.record), result.warnings)
    return 0 if found.largest <= TOLERANCE else 1


def _pictures(parsed: argparse.Namespace, record: RecordedRun) -> dict[str, Any]:
    """Where the run's pictures are: those that were named, else the subject by its recorded name."""
    pictures = {name: getattr(parsed, name) for name in INPUTS if getattr(parsed, name) is not None}
    if "subject_image" not in pictures:
        pictures["subject_image"] = _beside(Path(parsed.result).expanduser(), record.subject)
    for knob in record.needed:
        if knob not in pictures:
            raise InvalidRequest(
                f"{Path(parsed.result).name} was made with a {knob}, whose name it does not keep: "
                f"add {option_of(knob)} FILE."
            )
    return pictures


def _check_loras(result: str, record: RecordedRun, settings: Settings) -> None:
    """Refuse a run without the LoRAs of the recorded one, of which it keeps the names alone.

    Raises:
        InvalidRequest: one is missing.
    """
    here = {lora.path.name for lora in settings.lora}
    for name, scale in record.loras.items():
        if name not in here:
            raise InvalidRequest(
                printable(f"{result} was made with the LoRA {name}: add --lora FILE:{scale}, the file of that name.")
            )


def _beside(result: Path, name: str) -> Path:
    """The subject's file, beside the result or in the working folder.

    Raises:
        InvalidRequest: it is in neither.
    """
    # A record may come from anybody: its name says which file, never which folder.
    plain = Path(name).name
    for path in (result.parent / plain, Path(plain)):
        if plain and path.is_file():
            return path
    shown = printable(name) if name else "a picture without a name"
    raise InvalidRequest(
        f"{result.name} was made from {shown}, which is not beside it: "
        f"name the picture, iclight replay {result.name} PICTURE."
    )


def _tell(
    parsed: argparse.Namespace, found: Difference, changes: Mapping[str, tuple[str, str]], warnings: tuple[str, ...]
) -> None:
    show_warnings(warnings)
    same = found.largest <= TOLERANCE
    if parsed.json:
        print_json(
            {
                "same": same,
                "largest": found.largest,
                "mean": round(found.mean, 4),
                "changed": {name: {"then": then, "now": now} for name, (then, now) in changes.items()},
                "warnings": list(warnings),
            }
        )
        return
    verdict = "The same picture" if same else "Another picture"
    print(f"{verdict}: the largest difference is {found.largest} of 255 grey levels, the mean {found.mean:.3f}.")
    for name, (then, now) in changes.items():
        print(printable(f"  {name}: {then} then, {now} now"))
