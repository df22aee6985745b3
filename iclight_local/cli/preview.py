"""``--preview FILE``: the running picture in a file that is written anew every few steps."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iclight_local.cli.parser import Parser, given
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.encode import encode, format_for
from iclight_local.imaging.metadata import Embedded
from iclight_local.imaging.write import check_writable, write
from iclight_local.result import Progress, ProgressCallback
from iclight_local.settings import Settings

EVERY = 4
"""Steps from one preview to the next where the settings do not say."""
QUALITY = 90


def add_preview(parser: Parser) -> None:
    """Declare ``--preview``."""
    parser.add_argument(
        "--preview",
        metavar="FILE",
        help=f"Keep a preview of the running picture in FILE, written anew every {EVERY} steps "
        "(or --preview-every); large weights need taesd for it.",
    )


def settings_with_preview(parsed: argparse.Namespace) -> dict[str, Any]:
    """The settings of the command line, with previews switched on where a file for them was named."""
    values = given(parsed, Settings)
    return values if parsed.preview is None else {"preview_every": EVERY, **values}


def preview_path(parsed: argparse.Namespace, results: Sequence[Path]) -> Path | None:
    """Where previews go, checked; None where none were asked for.

    Raises:
        InvalidRequest: the file cannot be written, is there already, or is that of a result.
    """
    if parsed.preview is None:
        return None
    path = Path(parsed.preview).expanduser()
    format_for(path, None)
    if path.resolve() in {result.resolve() for result in results}:
        raise InvalidRequest(f"{path} is the name of the preview and of a result: give the preview another.")
    check_writable(path, overwrite=parsed.overwrite)
    return path


def with_preview(path: Path | None, shown: ProgressCallback | None) -> ProgressCallback | None:
    """A callback that shows progress and writes previews, each to a temporary name that is then renamed."""
    if path is None:
        return shown
    output_format = format_for(path, None)

    def tell(progress: Progress) -> None:
        if shown is not None:
            shown(progress)
        if progress.preview is not None:
            record = {"kind": "preview", "step": progress.step, "steps": progress.steps}
            data = encode(progress.preview, output_format=output_format, quality=QUALITY, embedded=Embedded(record))
            write(path, data, overwrite=True)

    return tell
