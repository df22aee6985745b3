"""The command line: every command builds a request, hands it to an engine and shows the result."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from iclight_local.errors import Cancelled, EngineError, ICLightError

if TYPE_CHECKING:
    from iclight_local.cli.parser import Parser

COMMANDS = (
    *("relight", "edit", "sheet", "light", "normals", "batch", "inspect", "replay", "bench", "bench speed"),
    *("ui", "serve", "keys", "weights", "providers", "doctor"),
)
"""Each is a module of this package with ``SUMMARY``, ``add_arguments`` and ``run``; two words are joined by ``_``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: what follows ``iclight``; by default the process's own.

    Returns:
        0 done, 1 it failed, 2 the request is wrong, 130 interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    try:
        # Everything else is imported from here on, so that Ctrl-C is met with a sentence from the start.
        _quiet_libraries()
        return _run(given)
    except KeyboardInterrupt:
        return _failed(Cancelled("Stopped; no result was left half-written."), as_json)
    except ICLightError as error:
        return _failed(error, as_json)
    except BrokenPipeError:
        # Whoever read the output has gone and needs no sentence.
        return 1
    except OSError as error:
        return _failed(EngineError(_refused(error)), as_json)
    except Exception as error:
        # The last edge: whatever happened, a user gets a sentence and no traceback.
        if os.environ.get("ICLIGHT_DEBUG"):
            raise
        return _failed(EngineError(_unexpected(error)), as_json)


def _refused(error: OSError) -> str:
    """What the system refused, as a full disk behind the output does."""
    where = f" ({error.filename})" if error.filename is not None else ""
    return f"The system refused to go on: {error.strerror}{where}."


def _unexpected(error: Exception) -> str:
    detail = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {detail[0]}" if detail else type(error).__name__
    return f"Something unexpected failed ({what}): please report it with what ICLIGHT_DEBUG=1 prints in its place."


def command_summary(name: str) -> str:
    """What a command does, in one sentence."""
    return str(_module(name).SUMMARY)


def _module(name: str) -> ModuleType:
    return import_module(f"iclight_local.cli.{name.replace(' ', '_')}")


def _joined(given: list[str]) -> list[str]:
    """The arguments with a command of two words as one argument."""
    first = " ".join(given[:2])
    return [first, *given[2:]] if first in COMMANDS else given


def _run(given: list[str]) -> int:
    try:
        parsed = _parser().parse_args(_joined(given))
    except SystemExit:  # argparse ends so after --help and --version.
        _flush()
        raise
    if not getattr(parsed, "fetches", False):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    status = int(parsed.run(parsed))
    _flush()
    return status


def _flush() -> None:
    """Flush now and not when Python exits, where a full disk or a reader that has gone cannot be answered."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise EngineError(f"The output could not be written ({error.strerror}).") from error


def _parser() -> Parser:
    from iclight_local.cli.parser import Parser, make_parser

    parser = make_parser(
        "iclight", "Relight pictures on this machine with IC-Light.", epilog="iclight COMMAND --help shows its options."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for name in COMMANDS:
        module = _module(name)
        command = commands.add_parser(name, help=module.SUMMARY, description=module.SUMMARY, allow_abbrev=False)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _failed(error: ICLightError, as_json: bool) -> int:
    if sys.stderr is not None:
        print(f"iclight: {error}", file=sys.stderr)
    if as_json:
        # Where the output cannot be written, the sentence and the exit status have to do.
        with contextlib.suppress(OSError, EngineError):
            print(json.dumps({"error": {"type": type(error).__name__, "message": str(error)}}))
            _flush()
    return error.exit_status


def _quiet_libraries() -> None:
    """Keep the libraries' advice to developers off the terminal; the house's own notices stay."""
    for name in ("TRANSFORMERS_VERBOSITY", "DIFFUSERS_VERBOSITY", "HF_HUB_VERBOSITY"):
        os.environ.setdefault(name, "error")
    for name in ("HF_HUB_DISABLE_PROGRESS_BARS", "HF_HUB_DISABLE_TELEMETRY"):
        os.environ.setdefault(name, "1")
    logging.basicConfig(format="iclight: %(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("iclight_local").setLevel(logging.INFO)
