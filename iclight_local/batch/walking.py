"""Pictures in folders, by globs and one by one, in natural order and never all of their names in memory."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from iclight_local.batch.naming import IN_FOLDERS
from iclight_local.batch.output import OWN_FOLDER, is_output
from iclight_local.batch.places import absolute, entries, is_local, name_of, suffix_of
from iclight_local.batch.records import SUBJECT, Record
from iclight_local.errors import InvalidRequest

_MAGIC = re.compile(r"[*?\[]")
_ANY_DEPTH = "**"
# The first is refused here, the others are data and videos, or are read on Windows alone.
_NO_PICTURES = frozenset(("EPS", "BUFR", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"))


@cache
def picture_suffixes() -> frozenset[str]:
    """Suffixes of files that are pictures as far as Pillow reads them, in lower case, like ``.jpg``."""
    from PIL import Image

    known = Image.registered_extensions()
    return frozenset(suffix for suffix, kind in known.items() if kind in Image.OPEN and kind not in _NO_PICTURES)


def is_picture(name: str) -> bool:
    """Whether a file is a picture by its suffix."""
    return suffix_of(name) in picture_suffixes()


def natural(name: str) -> tuple[list[str | int], str]:
    """A key that sorts ``frame2`` before ``frame10``."""
    parts = re.split(r"([0-9]+)", name.casefold())
    # Between numbers there is always a text, so texts and numbers never meet.
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def is_glob(given: str) -> bool:
    """Whether a text that names no file is a pattern."""
    return _MAGIC.search(given) is not None


@dataclass(frozen=True)
class Walk:
    """All pictures of a folder, its sub folders included, or those that a pattern says.

    Attributes:
        root: the place of the folder.
        parts: the pattern below it, between its ``/``; ``("**", "*")`` for all.
        left_out: the place of a folder that is not looked into, because results lie there.
        offline: refuse a folder that is not on this machine.
        template: how results are called.
    """

    root: str
    parts: tuple[str, ...]
    left_out: str
    offline: bool
    template: str = IN_FOLDERS
    holds: str = "pictures"

    @property
    def name(self) -> str:
        """What messages call it."""
        return name_of(self.root) or self.root

    @property
    def base(self) -> str:
        """The folder itself."""
        return self.root

    def where(self, at: int | str) -> str:
        """A picture by its name within the folder."""
        return str(at)

    def records(self) -> Iterator[Record]:
        """Its pictures by their names within it; a folder's own before those of the folders in it.

        What is hidden is left out, unless a part of the pattern begins with a dot, too.
        """
        tests = tuple(_test(part) for part in self.parts)
        yield from self._folder(self.root, "", _opened_up(tests, frozenset((0,))), tests)

    def _folder(self, place: str, inside: str, states: frozenset[int], tests: tuple[_Test, ...]) -> Iterator[Record]:
        """The pictures of a folder that parts of the pattern, by their numbers, may begin in."""
        if same_place(place, self.left_out):
            return
        found = sorted(entries(place, offline=self.offline), key=lambda entry: (entry[1], natural(entry[0])))
        if inside and (OWN_FOLDER, True) in found and is_output(place, offline=self.offline):
            # The results of another batch, which nobody wants relit by the way.
            return
        above = place.rstrip("/") + "/"
        for name, folder in found:
            after = _after(name, states, tests)
            if folder and after - {len(tests)}:
                yield from self._folder(above + name, f"{inside}{name}/", after, tests)
            elif not folder and len(tests) in after and is_picture(name):
                yield _record(f"{inside}{name}", above + name)


_Test = Callable[[str], bool] | None
"""Whether a name fits a part of a pattern; None: any number of folders."""


def _test(part: str) -> _Test:
    if part == _ANY_DEPTH:
        return None
    fits = re.compile(fnmatch.translate(part)).match
    hidden_too = part.startswith(".")
    return lambda name: fits(name) is not None and (hidden_too or not name.startswith("."))


def _after(name: str, states: frozenset[int], tests: tuple[_Test, ...]) -> frozenset[int]:
    """The parts that may come next behind a name; their number stands for the end of the pattern."""
    reached = set()
    for state in states:
        if state == len(tests):
            continue
        test = tests[state]
        if test is None:
            reached |= {state} if not name.startswith(".") else set()
        elif test(name):
            reached.add(state + 1)
    return _opened_up(tests, frozenset(reached))


def _opened_up(tests: tuple[_Test, ...], states: frozenset[int]) -> frozenset[int]:
    """The same, and the parts behind a ``**``, which may stand for no folder at all."""
    reached = set(states)
    for state in sorted(states):
        while state < len(tests) and tests[state] is None:
            state += 1
            reached.add(state)
    return frozenset(reached)


def same_place(place: str, other: str) -> bool:
    """Whether two places are one and the same folder."""
    if is_local(place) != is_local(other):
        return False
    if is_local(place):
        return os.path.realpath(place) == os.path.realpath(other)
    return place.rstrip("/") == other.rstrip("/")


def _record(at: str, place: str) -> Record:
    try:
        place.encode()
    except UnicodeEncodeError:
        return ascii(at), InvalidRequest("the file's name is no valid UTF-8: rename it.")
    return at, {SUBJECT: place}


def glob(given: str, base: str, left_out: str, *, offline: bool) -> Walk:
    """The pictures that a pattern says.

    Args:
        given: with ``*``, ``?``, ``[…]``, and ``**`` for any number of folders; relative to ``base``.
        base: the place of a folder.
        left_out: as of :class:`Walk`.
        offline: as of :class:`Walk`.
    """
    parts = given.split("/")
    first = next(index for index, part in enumerate(parts) if _MAGIC.search(part))
    fixed = "/".join(parts[:first])
    root = absolute(fixed, base) if fixed else "/" if given.startswith("/") else base
    pattern = tuple(part for part in parts[first:] if part not in ("", "."))
    return Walk(root, (*pattern, "*") if pattern[-1] == _ANY_DEPTH else pattern, left_out, offline)


@dataclass(frozen=True)
class Several:
    """Pictures that were named one by one, and globs.

    Attributes:
        parts: a place for each picture, a :class:`Walk` for each glob, in their order.
        base: the innermost folder that all of them lie in.
    """

    parts: tuple[str | Walk, ...]
    base: str
    template: str = IN_FOLDERS
    holds: str = "pictures"

    @property
    def name(self) -> str:
        """What messages call it."""
        return "the pictures given"

    def where(self, at: int | str) -> str:
        """A picture by its name."""
        return str(at)

    def records(self) -> Iterator[Record]:
        """The pictures by their names."""
        for part in self.parts:
            if isinstance(part, Walk):
                yield from part.records()
            else:
                yield _record(name_of(part), part)


def common_folder(places: list[str]) -> str:
    """The innermost folder that local places have in common; empty where some are not local."""
    return os.path.commonpath(places) if all(map(is_local, places)) else ""
