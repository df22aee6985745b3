"""Options derived from the declared parameters and settings, and errors of one sentence."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable
from typing import Any, NoReturn

from pydantic import BaseModel

from iclight_local import __version__
from iclight_local.errors import InvalidRequest
from iclight_local.fields import KnobField, knob_fields
from iclight_local.settings import Settings

ALIASES = {"background_image": ("--background",), "providers": ("--provider",)}
"""Further spellings of an option."""


class UsageError(InvalidRequest):
    """The command line itself is wrong."""


class Parser(argparse.ArgumentParser):
    """An argument parser that answers a mistake with one sentence instead of its whole usage."""

    def error(self, message: str) -> NoReturn:
        """Raise the mistake as :class:`UsageError`."""
        valueless = re.match(r"argument (?:\S+/)?(--\S+): expected one argument", message)
        if valueless is not None:
            option = valueless.group(1)
            raise UsageError(f"{option} needs a value: a value that begins with a dash is written {option}=VALUE.")
        choice = re.match(r"argument (COMMAND|ACTION): invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if choice is not None:
            what, word, known = choice.groups()
            close = difflib.get_close_matches(word, [name.strip("' ") for name in known.split(",")], n=1)
            hint = f"did you mean {close[0]}?" if close else f"{self.prog} --help lists them."
            raise UsageError(f"There is no {what.lower()} {word}: {hint}")
        missing = re.match(r"the following arguments are required: (\S+)$", message)
        if missing is not None:
            raise UsageError(f"{self.prog} lacks its {missing.group(1)}: {self.prog} --help shows what it takes.")
        raise UsageError(f"{message[0].upper()}{message[1:]}: {self.prog} --help lists what it takes.")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and name what is unknown in the words of the command that was called."""
        parsed, rest = self.parse_known_args(args, namespace)
        if rest:
            raise UsageError(self._called(parsed).unknown(rest[0]))
        return parsed

    def _called(self, parsed: argparse.Namespace) -> Parser:
        """The parser of the command, or of its action, that was called."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                inner: Parser = action.choices[getattr(parsed, action.dest)]
                return inner._called(parsed)
        return self

    def unknown(self, word: str) -> str:
        """The sentence about an unknown option or a superfluous argument."""
        if not word.startswith("-"):
            return f"There is one argument too many, {word!r}: {self.prog} --help shows what it takes."
        option = word.split("=")[0]
        close = difflib.get_close_matches(option, self._option_string_actions, n=1, cutoff=0.75)
        hint = f"did you mean {close[0]}?" if close else f"{self.prog} --help lists them."
        return f"There is no option {option}: {hint}"


def make_parser(program: str, description: str, epilog: str) -> Parser:
    """The parser of the program itself."""
    parser = Parser(prog=program, description=description, epilog=epilog, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"iclight-local {__version__}")
    return parser


def add_fields(parser: argparse._ActionsContainer, model: type[BaseModel], names: Iterable[str] | None = None) -> None:
    """Add an option for each field of ``model``, or for those in ``names``.

    Values stay texts: the model that declares a field is the one that checks it.
    """
    wanted = None if names is None else set(names)
    for field in knob_fields(model):
        if wanted is not None and field.name not in wanted:
            continue
        flags = (field.flag, *ALIASES.get(field.name, ()))
        help_text = _help(field)
        if field.type is bool:
            parser.add_argument(*flags, dest=field.name, action="store_const", const=True, help=help_text)
        elif field.many:
            parser.add_argument(*flags, dest=field.name, action="append", metavar=_metavar(field), help=help_text)
        else:
            parser.add_argument(*flags, dest=field.name, metavar=_metavar(field), help=help_text)


def given(parsed: argparse.Namespace, model: type[BaseModel]) -> dict[str, Any]:
    """The values that the command line gives for fields of ``model``."""
    values = {name: getattr(parsed, name, None) for name in model.model_fields}
    return {name: value for name, value in values.items() if value is not None}


def add_common(parser: Parser, *settings: str) -> None:
    """Add the named settings as options, and ``--json``."""
    group = parser.add_argument_group("this machine")
    add_fields(group, Settings, settings)
    group.add_argument("--json", action="store_true", help="Print one machine-readable object.")


def _help(field: KnobField) -> str:
    facts = [f"default: {field.default}"] if not field.required and field.type is not bool else []
    if field.range and field.type is not bool:
        facts.append(f"values: {field.range}")
    text = f"{field.description} ({'; '.join(facts)})" if facts else field.description
    return text.replace("%", "%%")


def _metavar(field: KnobField) -> str:
    if field.choices:
        return "WORD"
    return {int: "N", float: "X", object: "FILE"}.get(field.type, "TEXT")
