"""Reading a TOML table field by field, so that a fault can be named by its place."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any


class Damage(Exception):
    """A fault of the manifest: in which entry, in which field, and what it is."""

    def __init__(self, where: str, field: str, fault: str) -> None:
        super().__init__(f"{where}: {field} {fault}")


class Fields:
    """The fields of one table, each of which is taken once; what is left at the end is unknown.

    Attributes:
        where: the table's place in the file, for the sentences.
    """

    def __init__(self, table: dict[str, Any], where: str) -> None:
        self.where = where
        self._left = dict(table)

    def end(self) -> None:
        """Refuse what nobody asked for.

        Raises:
            Damage: there is such a field.
        """
        for name in self._left:
            raise Damage(self.where, name, "is unknown")

    def text(self, name: str) -> str:
        """A text that is not empty."""
        value = self.optional_text(name)
        if value is None:
            raise Damage(self.where, name, "is missing")
        return value

    def optional_text(self, name: str) -> str | None:
        """The same, or None where the field is not there."""
        value = self._left.pop(name, None)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self._wrong(name, value, "a text")
        return value

    def word(self, name: str, known: tuple[str, ...]) -> str:
        """One of the known words."""
        value = self.text(name)
        if value not in known:
            raise self._wrong(name, value, f"one of {', '.join(known)}")
        return value

    def words(self, name: str, known: tuple[str, ...]) -> tuple[str, ...]:
        """Some of the known words, each once."""
        values = self.texts(name)
        if not set(values) <= set(known):
            raise self._wrong(name, list(values), f"a list from {', '.join(known)}")
        return values

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of different texts; empty where the field is not there."""
        values = self._left.pop(name, [])
        right = isinstance(values, list) and all(isinstance(value, str) and value.strip() for value in values)
        if not right or len(set(values)) < len(values):
            raise self._wrong(name, values, "a list of different texts")
        return tuple(values)

    def prefixes(self, name: str) -> tuple[str, ...]:
        """A list of prefixes of URLs, which only a server on this machine may have without encryption."""
        values = self.texts(name)
        own = r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?/(\S+/)?"
        if not all(re.fullmatch(rf"https://\S+/|{own}", value) for value in values):
            raise self._wrong(name, list(values), "a list of https:// addresses that end with a slash")
        return values

    def repository(self, name: str) -> str:
        """A repository as ``owner/name``."""
        value = self.text(name)
        if re.fullmatch(r"[\w.-]+/[\w.-]+", value) is None:
            raise self._wrong(name, value, "written owner/name")
        return value

    def path(self, name: str) -> str:
        """A path that stays below its folder."""
        value = self.optional_path(name)
        if value is None:
            raise Damage(self.where, name, "is missing")
        return value

    def optional_path(self, name: str) -> str | None:
        """The same, or None where the field is not there."""
        value = self.optional_text(name)
        if value is not None:
            parts = PurePosixPath(value).parts
            if "\\" in value or ":" in value or ".." in parts or value.startswith("/") or value != "/".join(parts):
                raise self._wrong(name, value, "a path inside its folder, with forward slashes")
        return value

    def optional_bytes(self, name: str) -> int | None:
        """A number of bytes, or None where the field is not there."""
        value = self._left.pop(name, None)
        if value is not None and (type(value) is not int or value < 1):
            raise self._wrong(name, value, "a number of bytes")
        return value

    def optional_digest(self, name: str, digits: int) -> str | None:
        """A hash of so many small hexadecimal digits, or None where the field is not there."""
        value = self.optional_text(name)
        if value is not None and re.fullmatch(rf"[0-9a-f]{{{digits}}}", value) is None:
            raise self._wrong(name, value, f"{digits} small hexadecimal digits")
        return value

    def tables(self, name: str) -> list[dict[str, Any]]:
        """A list of tables; empty where the field is not there."""
        values = self._left.pop(name, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise self._wrong(name, values, "a list of tables")
        return values

    def named_tables(self, name: str) -> dict[str, dict[str, Any]]:
        """A table of tables; empty where the field is not there."""
        values = self._left.pop(name, {})
        if not isinstance(values, dict) or not all(isinstance(value, dict) for value in values.values()):
            raise self._wrong(name, values, "a table of tables")
        return values

    def texts_by_name(self, name: str) -> dict[str, str]:
        """A table of texts."""
        values = self._left.pop(name, {})
        if not isinstance(values, dict):
            raise self._wrong(name, values, "a table of texts")
        inner = Fields(values, f"{self.where}, {name}")
        return {key: inner.text(key) for key in values}

    def _wrong(self, name: str, value: object, needed: str) -> Damage:
        shown = repr(value)
        shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
        return Damage(self.where, name, f"is {shown}, but must be {needed}")
