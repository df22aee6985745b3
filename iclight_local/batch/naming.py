"""Names of results: a template filled in for each row, and what no name may do."""

from __future__ import annotations

import os
import re
import string
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import PurePosixPath

from iclight_local.batch.places import name_of
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.encode import FORMAT_OF_SUFFIX, format_for
from iclight_local.imaging.sources import file_path, scheme_of
from iclight_local.request import RelightRequest
from iclight_local.sentences import kind, shown

PLAIN = "{stem}-relit"
"""The template of a manifest's results."""
IN_FOLDERS = "{folder}/{stem}-relit"
"""The template of a folder's results, which lie in folders as the pictures do."""
MOST_BYTES = 240
"""Bytes that a name may have between two ``/``; systems take 255, and a record beside it has a longer name."""
RESERVED = ".iclight"
"""What names of files begin with that are not results."""

_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\\/:*?"<>|]')
_NEVER = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]|^/|^[A-Za-z]:")
# Most names; others are looked at closely.
_HARMLESS = re.compile(
    r"(?:[A-Za-z0-9_-][A-Za-z0-9_ .-]{0,200}/)*[A-Za-z0-9_-][A-Za-z0-9_ .-]{0,200}\.(?:png|jpg|jpeg|webp)"
)
_ROW_SPEC = re.compile(r"(?:0?[0-9]{1,2})?d?")
_MADE_HERE = ("stem", "folder", "row")


_Piece = Callable[[int, str, Mapping[str, str]], str]
"""What stands in place of a field: of the row's number, its subject's place and its values."""


@dataclass(frozen=True)
class Template:
    """How results are called where a row does not say it.

    Attributes:
        text: with fields in braces: ``stem`` of the subject's picture, ``folder`` it lies in, ``row`` its number, or
            any parameter.
        base: the place that ``folder`` is relative to.

    Raises:
        InvalidRequest: unknown fields, unpaired braces, or a name that can never be one.
    """

    text: str
    base: str

    def __post_init__(self) -> None:
        if _NEVER.search(self.text):
            raise InvalidRequest(
                f"--name {shown(self.text)} leads out of the output or holds odd characters: a name relative to the "
                f"output is needed, with / between folders, like {PLAIN!r}."
            )
        if not self._pieces:
            raise InvalidRequest(f"--name is empty: a name for the results is needed, like {PLAIN!r}.")

    def name(self, row: int, place: str, values: Mapping[str, str], output_format: str | None) -> str:
        """The name of a row's first result, with its suffix.

        Args:
            row: its number, from 1.
            place: of the subject's picture, as it is written.
            values: the request's parameters.
            output_format: the one among them, or None.

        Raises:
            InvalidRequest: the row lacks a value that the template asks for, or the name is none.
        """
        text = self._filled % tuple([piece(row, place, values) for piece in self._fields])
        return finished(text, output_format, own_suffix=self._own_suffix)

    @cached_property
    def _filled(self) -> str:
        """The template with a ``%s`` for each field."""
        return "".join([piece.replace("%", "%%") if isinstance(piece, str) else "%s" for piece in self._pieces])

    @cached_property
    def _fields(self) -> list[_Piece]:
        return [piece for piece in self._pieces if not isinstance(piece, str)]

    @cached_property
    def _own_suffix(self) -> bool:
        last = self._pieces[-1]
        return isinstance(last, str) and "." in last.rpartition("/")[2]

    @cached_property
    def _pieces(self) -> list[str | _Piece]:
        try:
            parsed = list(string.Formatter().parse(self.text))
        except ValueError as error:
            raise InvalidRequest(
                f"--name {shown(self.text)} cannot be read ({error}): fields stand in braces, like {PLAIN!r}."
            ) from None
        pieces: list[str | _Piece] = []
        after_folder = False
        for literal, field, spec, conversion in parsed:
            # The folder brings its own slash, so that there is none where there is no folder.
            text = literal.removeprefix("/") if after_folder else literal
            pieces += [text] if text else []
            after_folder = field == "folder"
            if field is not None:
                pieces.append(self._field(field, f"!{conversion}" if conversion else spec or ""))
        return pieces

    def _field(self, field: str, spec: str) -> _Piece:
        known = (*_MADE_HERE, *RelightRequest.model_fields)
        if field not in known:
            raise InvalidRequest(f"--name has no field {{{field}}}: the fields are {', '.join(known)}.")
        if spec and (field != "row" or _ROW_SPEC.fullmatch(spec) is None):
            raise InvalidRequest(
                f"--name has {{{field}:{spec}}}, and only a row's number can be written in a width of its own, like "
                "{row:06d}."
            )
        if field == "row":
            return lambda row, place, values: format(row, spec)
        if field == "stem":
            return lambda row, place, values: stem_of(place)
        if field == "folder":
            return lambda row, place, values: folder_of(place, self.base)
        return _value_of(field)


def _value_of(field: str) -> _Piece:
    declared = RelightRequest.model_fields[field]
    is_picture = kind(declared)[0] is object
    default = declared.default if isinstance(declared.default, str | int | float) else None

    def value(row: int, place: str, values: Mapping[str, str]) -> str:
        found = values.get(field, default)
        if found is None:
            raise InvalidRequest(f"the name asks for {{{field}}}, which has no value here: give one, or leave it out.")
        text = str(found).lower() if isinstance(found, bool) else str(found)
        return stem_of(text) if is_picture else safe(text)

    return value


def safe(text: str) -> str:
    """A text as part of a file's name: what systems do not allow becomes ``_``."""
    return _UNSAFE.sub("_", text)


def stem_of(place: str) -> str:
    """A picture's name without its suffix; ``picture`` for a data URI."""
    if ":" in place and scheme_of(place) == "data":
        return "picture"
    name = place.rpartition("/")[2] if ":" not in place and "\\" not in place else name_of(place)
    stem = name.rpartition(".")[0]
    return _UNSAFE.sub("_", stem if stem else name)


def folder_of(place: str, base: str) -> str:
    """The folder of a place with a slash behind it: relative to ``base`` within it, else without its root."""
    scheme = scheme_of(place) if ":" in place else ""
    if scheme == "data":
        return ""
    if scheme == "file":
        place = file_path(place)
    # A query and a password are secrets, and a name is not.
    if scheme in ("http", "https"):
        place = re.split("[?#]", place, maxsplit=1)[0]
    return _below(place.replace(os.sep, "/").rpartition("/")[0], base.replace(os.sep, "/"))


@lru_cache(maxsize=1024)
def _below(folder: str, base: str) -> str:
    inside = base.rstrip("/") + "/"
    within = f"{folder}/".startswith(inside)
    relative = folder[len(inside) :] if within else re.sub(r"^[^:/]+://(?:[^/]*@)?", "", folder)
    return "".join([f"{safe(part)}/" for part in relative.split("/") if part not in ("", ".", "..")])


def finished(name: str, output_format: str | None, *, own_suffix: bool) -> str:
    """A whole name that a result may have, with the suffix of its format.

    Args:
        name: relative to the output, with ``/`` between folders.
        output_format: what was asked for, or None.
        own_suffix: whether what stands behind its last dot was written as a suffix.

    Raises:
        InvalidRequest: it leads out of the output, is empty or too long, or its suffix contradicts the format.
    """
    stem, dot, ending = name.rpartition(".")
    suffix = f".{ending.lower()}" if ending and dot else ""
    if suffix in FORMAT_OF_SUFFIX and stem.rpartition("/")[2] == "":
        raise InvalidRequest(f"the result's name {shown(name)!r} is a suffix alone: a name before it is needed.")
    if suffix in FORMAT_OF_SUFFIX or (own_suffix and suffix and "/" not in suffix):
        format_for(name, output_format)
    elif name and not name.endswith("/"):
        name = f"{name}.{'png' if output_format is None else output_format}"
    if _HARMLESS.fullmatch(name) is None:
        _check(name)
    return name


def _check(name: str) -> None:
    if _NEVER.search(name):
        raise InvalidRequest(
            f"the result's name {shown(name)!r} leads out of the output or holds odd characters: a name relative to "
            "the output is needed, with / between folders."
        )
    for part in name.split("/"):
        if part in ("", ".", "..") or PurePosixPath(part).stem.strip(". ") == "":
            raise InvalidRequest(
                f"the result's name {shown(name)!r} has an empty part or leads out of the output: give another name."
            )
        if part.lower().startswith(RESERVED):
            raise InvalidRequest(f"the result's name {shown(name)!r} begins with {RESERVED}: give another name.")
        if len(part.encode()) > MOST_BYTES:
            raise InvalidRequest(
                f"the result's name {shown(name)} has {len(part.encode())} bytes, and {MOST_BYTES} is the most: "
                "shorten --name or the column output."
            )


def numbered(name: str, count: int) -> tuple[str, ...]:
    """Names of ``count`` results: the name itself for one, ``name_0`` and so on for several."""
    if count == 1:
        return (name,)
    stem, dot, suffix = name.rpartition(".")
    return tuple(f"{stem}_{index}{dot}{suffix}" for index in range(count))


def folded(name: str) -> str:
    """What is the same for names that macOS or Windows take for one and the same file."""
    return (
        name.lower() if name.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    )
