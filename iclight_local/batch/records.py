"""What the kinds of manifests, folders and globs have in common: records of texts, and what a column may be called."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from typing import Any, Protocol

from iclight_local.errors import InvalidRequest
from iclight_local.fields import knob_fields
from iclight_local.request import RelightRequest
from iclight_local.sentences import shown

OUTPUT = "output"
"""The column that names a row's result, in place of the template."""
COLUMNS = (*RelightRequest.model_fields, OUTPUT)
"""What a manifest may say of a row."""
SUBJECT = "subject_image"
PICTURES = tuple(field.name for field in knob_fields(RelightRequest) if field.type is object)
"""Columns that hold places."""

Values = dict[str, str]
"""What one row gives, as texts in valid UTF-8, so that a value means the same whichever file it comes from."""
Record = tuple[int | str, Values | InvalidRequest]
"""Where a row stands, by line, number or name; and what it gives, or why it cannot be read."""


class Reader(Protocol):
    """Something that rows can be read from, as often as is wanted."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def base(self) -> str:
        """The place of the folder that its relative paths are relative to."""

    @property
    def template(self) -> str:
        """How its results are called where nobody says it."""

    @property
    def holds(self) -> str:
        """What messages call its rows."""

    def records(self) -> Iterator[Record]:
        """Its rows one by one, never all of them in memory.

        Raises:
            InvalidRequest: what makes all rows, or all that are left, unreadable.
            EngineError: a remote place failed.
        """

    def where(self, at: int | str) -> str:
        """What a message calls a row."""


def as_text(name: str, value: Any) -> str:
    """A value as a cell of a CSV would spell it: ``true``, ``25``, ``0.5``.

    Args:
        name: of its column, for messages.
        value: as JSON or Python has it.

    Raises:
        InvalidRequest: it is no text, number or truth value, or holds half a surrogate.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        what = "an object" if isinstance(value, dict) else f"a {type(value).__name__}"
        raise InvalidRequest(f"{name} is {what}: a text, a number, true or false is needed.")
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"{name} is no valid UTF-8 ({shown(text)!a}): write it again as UTF-8.") from None
    return text


def check_columns(names: Collection[str], *, all_rows: bool) -> None:
    """Refuse columns that nobody knows, and a table without pictures.

    Args:
        names: as a header or an object spells them.
        all_rows: whether they are those of all rows, so that a picture has to be among them.

    Raises:
        InvalidRequest: one sentence about the first fault.
    """
    for name in names:
        if name not in COLUMNS:
            close = difflib.get_close_matches(re.sub(r"\W+", "_", name.strip().lower()), COLUMNS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"the columns are {', '.join(COLUMNS)}."
            raise InvalidRequest(f"there is no column {shown(name)}: {hint}")
    if all_rows and SUBJECT not in names:
        raise InvalidRequest(f"there is no column {SUBJECT}: each row needs the picture whose subject is relit.")
