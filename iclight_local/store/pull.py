"""Fetching published weights: looked at first, fetched as parts, checked, and only then put in their place."""

from __future__ import annotations

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from iclight_local.errors import EngineError, InvalidRequest, WeightsError
from iclight_local.store.bundles import BASE_FILE, DEFAULT, bundle_folder
from iclight_local.store.entries import Entry, File
from iclight_local.store.hashes import file_hashes, remember_hashes
from iclight_local.store.hub import Offer, SourceError
from iclight_local.store.parts import Part, digests, held, parts_folder, put_in_place
from iclight_local.store.places import file_place
from iclight_local.store.sources import Sources


@dataclass(frozen=True, slots=True)
class Transfer:
    """How far a pull is.

    Attributes:
        name: the file that is on its way.
        done: the bytes of all missing files that are here.
        total: the bytes of all missing files, as far as they are known.
    """

    name: str
    done: int
    total: int


Watch = Callable[[Transfer], None]
"""Is called about once a megabyte."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """One file that is in its place.

    Attributes:
        entry: what it belongs to.
        file: which one it is.
        path: where it lies.
        size: its bytes.
        sha256: its hash.
        source: the address it came from; None where it was there before.
    """

    entry: Entry
    file: File
    path: Path
    size: int
    sha256: str
    source: str | None

    @property
    def checked(self) -> bool:
        """Whether the manifest knows the hash, so that it could be compared."""
        return self.file.sha256 is not None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the files go.

    Attributes:
        home: the folder of weights, cache and settings.
        bundle: the bundle that a base and offsets belong to.
        overwrite: whether a file that is another one than the manifest's is replaced.
    """

    home: Path
    bundle: str = DEFAULT
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class _Missing:
    entry: Entry
    file: File
    path: Path
    sources: Sources
    parts: Path

    def needed(self) -> int | None:
        """The bytes of the whole file: the manifest's word, else the server's."""
        return self.sources.offer().size if self.file.size is None else self.file.size

    def part(self, offer: Offer) -> Path:
        """A part's name tells contents apart, so that one is never continued with another's bytes."""
        stated = self.file.sha256 if self.file.sha256 is not None else offer.digest
        identity = f"{offer.url} {offer.size}" if stated is None else stated
        name = PurePosixPath(self.file.saved_as).name
        return self.parts / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}-{name}.part"

    def has(self) -> int:
        """The bytes of it that are here already."""
        part = self.part(self.sources.offer())
        return part.stat().st_size if part.is_file() else 0


def pull(entries: Sequence[Entry], to: Destination, watch: Watch) -> list[Pulled]:
    """Have every file of the entries in its place; what is there already is not fetched again.

    An entry's files come into their place together, and a base at the very end, so that no bundle looks ready before
    it is. Whatever stops this, nothing lies half under its final name, and the next call goes on where it stopped.

    Args:
        entries: what to have; each consists of files.
        to: where they go.
        watch: is told of the progress.

    Raises:
        InvalidRequest: the disk is too small for what is missing.
        WeightsError: another file stands in a place.
        EngineError: no server gave a file, or the disk failed.
    """
    ordered = sorted(entries, key=lambda entry: entry.kind == "base")
    with ExitStack() as stack:
        for folder in sorted({parts_folder(entry, to.home, to.bundle) for entry in ordered}):
            stack.enter_context(held(folder))
        return _pull(ordered, to, watch)


def _pull(entries: Sequence[Entry], to: Destination, watch: Watch) -> list[Pulled]:
    _check_bases(entries, to)
    looked = {entry.name: [_look(entry, file, to) for file in entry.files] for entry in entries}
    missing = [item for items in looked.values() for item in items if isinstance(item, _Missing)]
    _check_space(missing)
    fetcher = _Fetcher(missing, watch)
    results: list[Pulled] = []
    for items in looked.values():
        ready = [(item, *fetcher.fetch(item)) for item in items if isinstance(item, _Missing)]
        results += [item for item in items if isinstance(item, Pulled)]
        for item, part, _ in ready:
            put_in_place(part, item.path)
        remember_hashes({item.path: sha256 for item, _, sha256 in ready}, to.home)
        for item, _, sha256 in ready:
            size = item.path.stat().st_size
            results.append(Pulled(item.entry, item.file, item.path, size, sha256, item.sources.offer().url))
    return results


def _check_bases(entries: Sequence[Entry], to: Destination) -> None:
    """Refuse a second base for one bundle."""
    bases = [entry for entry in entries if entry.kind == "base"]
    if len(bases) > 1:
        raise InvalidRequest(
            f"{' and '.join(entry.name for entry in bases)} are bases, of which a bundle has one: fetch each into a "
            "bundle of its own with --into NAME."
        )
    single = bundle_folder(to.home) / to.bundle / BASE_FILE
    if bases and single.is_file():
        raise WeightsError(f"{single} is the base of {to.bundle} already: fetch into another bundle with --into NAME.")


def _look(entry: Entry, file: File, to: Destination) -> Pulled | _Missing:
    path = file_place(entry, file, to.home, to.bundle)
    item = _Missing(entry, file, path, Sources(entry, file), parts_folder(entry, to.home, to.bundle))
    if path.is_file():
        fault = _fault_of_existing(item, to.home)
        if fault is None:
            return Pulled(entry, file, path, path.stat().st_size, file_hashes([path], to.home)[path], None)
        if not to.overwrite:
            raise WeightsError(
                f"{path} is there and is not the {file.path} of {entry.name} ({fault}): replace it with --overwrite, "
                "or fetch into another bundle with --into NAME."
            )
    item.sources.offer()  # A server that has not this file is found out before another is fetched.
    return item


def _fault_of_existing(item: _Missing, home: Path) -> str | None:
    """How the file that is there differs from the published one; None where it does not, as far as can be known."""
    has, needed, digest = item.path.stat().st_size, item.file.size, None
    if item.file.sha256 is None:
        try:
            offer = item.sources.offer()
        except EngineError:
            pass  # Nobody can be asked, so that nobody can say that it is another one.
        else:
            needed, digest = item.needed(), offer.digest
    if needed is not None and has != needed:
        return f"it has {has:,} bytes, and {needed:,} are needed"
    if item.file.sha256 is not None:
        found = file_hashes([item.path], home)[item.path]
        return None if found == item.file.sha256 else f"its sha256 is {found}, and {item.file.sha256} is needed"
    if digest is None:
        return None
    found = digests(item.path, {len(digest)})[len(digest)]
    return None if found == digest else f"its hash is {found}, and the hub says {digest}"


def _check_space(missing: Sequence[_Missing]) -> None:
    """Refuse what the disks have no room for; a size that nobody knows counts as what a page shows, or nothing."""
    needed: defaultdict[int, int] = defaultdict(int)
    folders: dict[int, Path] = {}
    for item in missing:
        device = item.parts.stat().st_dev
        size = next((size for size in (item.needed(), item.file.about) if size is not None), 0)
        needed[device] += max(0, size - item.has())
        folders.setdefault(device, item.parts)
    for device, folder in folders.items():
        free = shutil.disk_usage(folder).free
        if needed[device] > free:
            raise InvalidRequest(
                f"{needed[device]:,} bytes are to be fetched and the disk of {folder.parent} has {free:,} free: make "
                "room, or take another disk with --home DIR."
            )


class _Fetcher:
    """Fetches one missing file after another and tells how far all of them are."""

    def __init__(self, missing: Sequence[_Missing], watch: Watch) -> None:
        self._watch = watch
        self._here = {id(item): item.has() for item in missing}
        self._total = sum(needed for item in missing if (needed := item.needed()) is not None)

    def fetch(self, item: _Missing) -> tuple[Path, str]:
        """The whole part and its sha256.

        Raises:
            EngineError: no server gave the right one, or the disk failed.
        """
        while True:
            offer = item.sources.offer()
            part = item.part(offer)
            had = item.has()
            try:
                with Part(part, item.needed(), lambda size: self._advance(item, size)) as file:
                    self._advance(item, file.tell())
                    item.sources.fetch(file)
                    file.settle()
                fault, sha256 = _fault_of_part(part, item, offer)
                if fault is None:
                    return part, sha256
                part.unlink()
                # What was there of it before may have come from a server that is wrong, so this one is heard out.
                if had == 0:
                    raise SourceError(offer.url, fault)
            except SourceError as error:
                # A line that breaks is worth another try for as long as it brings something each time.
                if not (error.broken and item.has() > had):
                    item.sources.drop(error)

    def _advance(self, item: _Missing, size: int) -> None:
        self._here[id(item)] = size
        self._watch(Transfer(item.file.path, sum(self._here.values()), self._total))


def _fault_of_part(part: Path, item: _Missing, offer: Offer) -> tuple[str | None, str]:
    """What is wrong with a part that should be whole, and its sha256."""
    stated = offer.digest if item.file.sha256 is None else item.file.sha256
    found = digests(part, {64} if stated is None else {64, len(stated)})
    if stated is None or found[len(stated)] == stated:
        return None, found[64]
    return f"gave a file with the hash {found[len(stated)]}, and {stated} is needed", found[64]
