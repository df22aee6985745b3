"""Whether the weights on this machine are whole: their headers, and where they are published ones, their hashes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from iclight_local.errors import WeightsError
from iclight_local.headers import read_header
from iclight_local.request import ModelName
from iclight_local.store.bundles import (
    BASE_FOLDER,
    DEFAULT,
    Bundle,
    bundle_folder,
    check_bundle,
    find_bundle,
    list_bundles,
    offsets_path,
    unfinished_bundles,
)
from iclight_local.store.contents import bundle_files, is_dangling
from iclight_local.store.entries import Entry, File
from iclight_local.store.hashes import file_hashes
from iclight_local.store.manifest import Manifest, load_manifest
from iclight_local.store.places import file_places
from iclight_local.store.published import Published, fitting, offsets_by_place, recognise

State = Literal["ok", "damaged", "unknown", "unusable"]
STATE_WORDS: dict[State, str] = {
    "ok": "ok",
    "damaged": "damaged",
    "unknown": "whole, and none of the published files",
    "unusable": "unusable",
}
FAULTS: tuple[State, ...] = ("damaged", "unusable")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out about one file, or about a bundle of whole files that do not serve together.

    Attributes:
        path: the file; of an ``unusable`` bundle its folder.
        state: ``unknown`` is a whole file that the manifest knows nothing of, which is no fault.
        fault: what is damaged or unusable; empty where nothing is.
        entry: the manifest's entry it is or should be; None where there is none.
        bundle: the bundle it belongs to; None for what all of them share.
    """

    path: Path
    state: State
    fault: str = ""
    entry: str | None = None
    bundle: str | None = None


def verify(name: str | None, home: Path, *, full: bool) -> list[Verdict]:
    """Check every file of the bundles, and of what else the manifest knows and is here.

    Args:
        name: only this bundle, or this entry of the manifest, in whichever bundle it is; None for everything.
        home: the folder of weights and of remembered hashes.
        full: read every file whole, whatever is remembered of it.

    Raises:
        WeightsError: there is no bundle of that name, and no file that is known to be of that entry.
    """
    manifest = load_manifest()
    entries = [entry for entry in manifest.entries.values() if entry.kind not in ("base", "offsets")]
    unfinished = unfinished_bundles(home)
    if name is None:
        return _verify([*list_bundles(home), *unfinished], entries, home, full=full)
    if name not in manifest.entries or (bundle_folder(home) / name).exists():
        bundles = [bundle for bundle in unfinished if bundle.name == name]
        return _verify(bundles if bundles else [find_bundle(name, home)], [], home, full=full)
    entry = manifest.entries[name]
    bundles = [*list_bundles(home), *unfinished] if entry.kind in ("base", "offsets") else []
    verdicts = _verify(bundles, [one for one in entries if one is entry], home, full=full)
    found = [verdict for verdict in verdicts if verdict.entry == name]
    if not found:
        raise WeightsError(_not_here(entry, bundles))
    return found


def _not_here(entry: Entry, bundles: list[Bundle]) -> str:
    if entry.made_from is not None:
        return f"{entry.name} is made from {entry.made_from} on this machine: verify {entry.made_from}."
    fetch = f"`iclight weights pull {entry.name}` fetches it"
    if not bundles:
        return f"{entry.name} is not here: {fetch}."
    names = ", ".join(bundle.name for bundle in bundles)
    checks = f"`iclight weights verify {bundles[0].name}` checks every file of {bundles[0].name}"
    start = f"No file of a bundle here ({names}) is known to be of {entry.name}"
    if not any(file.sha256 for file in entry.files):
        return f"{start}, whose hashes nobody has confirmed: {checks}."
    return f"{start}: {fetch}, and {checks}."


def _verify(bundles: list[Bundle], entries: list[Entry], home: Path, *, full: bool) -> list[Verdict]:
    manifest = load_manifest()
    if full:
        forget = [path for bundle in bundles for path in _files(bundle)]
        forget += [path for _, _, path in _placed(entries, home)]
        file_hashes([path for path in forget if content_fault(path) is None], home, again=True)
    verdicts = [verdict for bundle in bundles for verdict in _bundle(bundle, manifest, home)]
    return verdicts + [_placed_file(entry, file, path, home) for entry, file, path in _placed(entries, home)]


def _files(bundle: Bundle) -> list[Path]:
    try:
        return bundle_files(bundle.path)
    except (WeightsError, OSError):
        return sorted(path for path in bundle.path.rglob("*.safetensors") if path.is_file())


def _bundle(bundle: Bundle, manifest: Manifest, home: Path) -> Iterator[Verdict]:
    """A verdict of each file; where all of them are whole and they do not serve together, one of the bundle."""
    verdicts = list(_bundle_files(bundle, manifest, home))
    yield from verdicts
    if any(verdict.state == "damaged" for verdict in verdicts):
        return
    problem = check_bundle(bundle)
    if problem is not None:
        yield Verdict(bundle.path, "unusable", problem.rstrip("."), _lacking(bundle), bundle.name)


def _lacking(bundle: Bundle) -> str | None:
    """The entry that would complete a bundle; None where it has a base and a model."""
    needed = load_manifest().bundles.get(DEFAULT)
    if needed is None or (bundle.base.exists() and bundle.models):
        return None
    return (needed.offsets if bundle.base.exists() else needed.bases)[0].name


def _bundle_files(bundle: Bundle, manifest: Manifest, home: Path) -> Iterator[Verdict]:
    incomplete = None
    try:
        bundle_files(bundle.path)
    except WeightsError as error:
        incomplete = _without_cure(error)
    except OSError:
        pass  # The bundle's own verdict tells.
    files = _files(bundle)
    faults = {path: content_fault(path) for path in files}
    known = recognise([path for path, fault in faults.items() if fault is None], manifest, home)
    bases = {found.entry.name for found in known.values() if found.entry.kind == "base"}
    if incomplete is not None:
        yield Verdict(bundle.base, "damaged", incomplete, _should_be(bundle, bundle.base, bases), bundle.name)
    for path, fault in faults.items():
        if fault is not None:
            yield Verdict(path, "damaged", fault, _should_be(bundle, path, bases), bundle.name)
        elif path in known:
            yield Verdict(path, "ok", "", known[path].entry.name, bundle.name)
        else:
            expected = _expected(bundle, path, manifest, bases)
            yield _unrecognised(path, expected, bundle.name, home)


def _should_be(bundle: Bundle, path: Path, bases: set[str]) -> str | None:
    """The entry that puts a whole file in the place of a damaged one, which itself tells nothing any more."""
    for model in get_args(ModelName):
        if path == offsets_path(bundle.path, model):
            return f"iclight-{model}"
    return next(iter(bases)) if len(bases) == 1 and path.is_relative_to(bundle.path / BASE_FOLDER) else None


def _unrecognised(path: Path, expected: Published | None, bundle: str, home: Path) -> Verdict:
    if expected is None:
        return Verdict(path, "unknown", "", None, bundle)
    if expected.file.sha256 is None:
        return Verdict(path, "ok", "", expected.entry.name, bundle)
    return Verdict(path, "damaged", _other_hash(path, expected.file, home), expected.entry.name, bundle)


def _expected(bundle: Bundle, path: Path, manifest: Manifest, bases: set[str]) -> Published | None:
    """The published file that this one must be, by its place, its size, and what it or its neighbours are.

    A place alone tells nothing: fine-tuned bases and offsets in other keys lie under the same names.
    """
    if path.parent == bundle.path and path.suffix == ".safetensors":
        return offsets_by_place(path, manifest)
    if path.is_relative_to(bundle.path / BASE_FOLDER) and len(bases) == 1:
        name = path.relative_to(bundle.path / BASE_FOLDER).as_posix()
        return fitting([manifest.entries[next(iter(bases))]], name, path.stat().st_size)
    return None


def _placed(entries: list[Entry], home: Path) -> list[tuple[Entry, File, Path]]:
    return [
        (entry, file, path)
        for entry in entries
        for file in entry.files
        for path in file_places(entry, file, home)
        if path.is_file()
    ]


def _placed_file(entry: Entry, file: File, path: Path, home: Path) -> Verdict:
    """A segmenter, a LoRA, a small VAE: what lies in its place under its name has to be it."""
    fault = content_fault(path)
    size = path.stat().st_size
    if fault is None and file.size is not None and size != file.size:
        fault = f"{size} bytes, and {file.size} were expected"
    if fault is None and file.sha256 is not None and file_hashes([path], home)[path] != file.sha256:
        fault = _other_hash(path, file, home)
    return Verdict(path, "ok" if fault is None else "damaged", "" if fault is None else fault, entry.name)


def _other_hash(path: Path, file: File, home: Path) -> str:
    found = file_hashes([path], home)[path]
    return f"its sha256 is {found[:12]}…, and {str(file.sha256)[:12]}… was expected"


def content_fault(path: Path) -> str | None:
    """What is wrong with a file by itself; None where nothing is. Of weights only the header is read."""
    if is_dangling(path):
        return f"it links to {path.readlink()}, which is not there"
    try:
        if path.suffix == ".safetensors":
            read_header(path)
        elif path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.stat().st_size == 0:
            return "empty"
    except WeightsError as error:
        return _without_cure(error)
    except (ValueError, RecursionError):
        return "no valid JSON"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return None


def _without_cure(error: WeightsError) -> str:
    return str(error).rstrip(".").removesuffix(": fetch or copy it again")
