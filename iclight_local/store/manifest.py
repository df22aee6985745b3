"""The manifest of published weights: read from ``weights/manifest.toml`` and checked field by field."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast, get_args

from iclight_local.embedded import manifest_file
from iclight_local.errors import WeightsError
from iclight_local.store.entries import ENTRY_FACTS, FILE_FACTS, Commercial, Entry, File, Host, Kind
from iclight_local.store.fields import Damage, Fields

BUNDLE_PARTS: Mapping[str, tuple[Kind, ...]] = MappingProxyType(
    {"bases": ("base",), "offsets": ("offsets",), "extras": ("lora", "vae")}
)
"""What a bundle is put together from, and of which kinds."""


@dataclass(frozen=True, slots=True)
class BundleParts:
    """What a bundle of weights needs.

    Attributes:
        bases: the bases it can stand on, of which it needs one; the first where none is asked for.
        offsets: IC-Light's files, of which it needs one or more.
        extras: what can be added.
    """

    bases: tuple[Entry, ...]
    offsets: tuple[Entry, ...]
    extras: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Every entry by its name, in the order of the file, and what the known bundles need."""

    entries: Mapping[str, Entry]
    bundles: Mapping[str, BundleParts]

    def entry(self, name: str) -> Entry:
        """The entry of that name.

        Raises:
            WeightsError: there is none; the sentence names the nearest, or all.
        """
        if name in self.entries:
            return self.entries[name]
        raise WeightsError(_unknown("entry", name, self.entries))

    def bundle(self, name: str) -> BundleParts:
        """What the bundle of that name needs.

        Raises:
            WeightsError: there is none of that name.
        """
        if name in self.bundles:
            return self.bundles[name]
        raise WeightsError(_unknown("bundle", name, self.bundles))


def load_manifest(path: Path | None = None) -> Manifest:
    """Read and check the manifest.

    Args:
        path: the file; by default the one that comes with the package.

    Raises:
        WeightsError: it is not there or damaged; the sentence says which entry and which field.
    """
    file = manifest_file() if path is None else path
    if file is None:
        raise WeightsError("The package lacks its weights/manifest.toml: install iclight-local again.")
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        return _manifest(table)
    except OSError as error:
        raise WeightsError(f"{file} cannot be read ({error.strerror}): install iclight-local again.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WeightsError(f"{file} is no valid TOML ({error}): mend it or install iclight-local again.") from None
    except Damage as damage:
        raise WeightsError(f"{file} is damaged, {damage}: mend it or install iclight-local again.") from None


def _unknown(what: str, name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}."
    return f"The manifest has no {what} {name}: {hint}"


def _manifest(table: dict[str, Any]) -> Manifest:
    fields = Fields(table, "the whole file")
    entries: dict[str, Entry] = {}
    for number, inner in enumerate(fields.tables("entry"), 1):
        entry = _entry(Fields(inner, _where("entry", inner.get("name"), number)))
        if entry.name in entries:
            raise Damage(f"entry {entry.name}", "name", "stands there twice")
        entries[entry.name] = entry
    for entry in entries.values():
        if entry.made_from is not None and entry.made_from not in entries:
            raise Damage(f"entry {entry.name}", "made_from", f"names {entry.made_from}, which is no entry")
    bundles = {
        name: _bundle(Fields(inner, f"bundle {name}"), entries) for name, inner in fields.named_tables("bundle").items()
    }
    fields.end()
    return Manifest(MappingProxyType(entries), MappingProxyType(bundles))


def _where(what: str, name: object, number: int) -> str:
    return f"{what} {name}" if isinstance(name, str) and name else f"{what} number {number}"


def _entry(fields: Fields) -> Entry:
    unconfirmed = fields.words("unconfirmed", ENTRY_FACTS)
    source = fields.texts_by_name("source")
    files = tuple(
        _file(Fields(inner, f"{fields.where}, {_where('file', inner.get('path'), number)}"))
        for number, inner in enumerate(fields.tables("file"), 1)
    )
    entry = Entry(
        name=fields.text("name"),
        kind=cast(Kind, fields.word("kind", get_args(Kind))),
        host=cast(Host, fields.word("host", get_args(Host))),
        repository=fields.repository("repository"),
        revision=fields.optional_text("revision"),
        licence=fields.text("licence"),
        commercial=cast(Commercial, fields.word("commercial", get_args(Commercial))),
        mirrors=fields.prefixes("mirrors"),
        files=files,
        made_from=fields.optional_text("made_from"),
        unconfirmed=unconfirmed,
        source=MappingProxyType(source),
    )
    fields.end()
    _check_entry(entry, fields.where)
    return entry


def _check_entry(entry: Entry, where: str) -> None:
    if (entry.revision is None) != ("revision" in entry.unconfirmed):
        raise Damage(where, "revision", "must either be given or be named in unconfirmed")
    if (entry.commercial == "unknown") != ("licence" in entry.unconfirmed):
        raise Damage(where, "commercial", "must be 'unknown' where the licence is unconfirmed, and only there")
    if bool(entry.files) == (entry.made_from is not None):
        raise Damage(where, "file", "must be there, unless the entry is made_from another")
    saved = [file.saved_as for file in entry.files]
    if len(set(saved)) < len(saved):
        raise Damage(where, "file", "stands there twice")
    stated = {fact for fact in ("repository", "revision", "licence") if fact not in entry.unconfirmed}
    stated |= {"mirrors"} if entry.mirrors else set()
    stated |= {"size"} if any(file.size is not None or file.about is not None for file in entry.files) else set()
    stated |= {fact for fact in ("sha256", "md5") if any(getattr(file, fact) is not None for file in entry.files)}
    for fact in sorted(stated ^ set(entry.source)):
        fault = "has no source" if fact in stated else "has a source, but is not stated"
        raise Damage(where, fact, fault)


def _file(fields: Fields) -> File:
    path = fields.path("path")
    saved_as = fields.optional_path("saved_as")
    file = File(
        path=path,
        saved_as=path if saved_as is None else saved_as,
        size=fields.optional_bytes("size"),
        about=fields.optional_bytes("about"),
        sha256=fields.optional_digest("sha256", 64),
        md5=fields.optional_digest("md5", 32),
        unconfirmed=fields.words("unconfirmed", FILE_FACTS),
    )
    fields.end()
    for fact in FILE_FACTS:
        if (getattr(file, fact) is None) != (fact in file.unconfirmed):
            raise Damage(fields.where, fact, "must either be given or be named in unconfirmed")
    if file.size is not None and file.about is not None:
        raise Damage(fields.where, "about", "stands beside the exact size")
    return file


def _bundle(fields: Fields, entries: Mapping[str, Entry]) -> BundleParts:
    parts: dict[str, tuple[Entry, ...]] = {}
    for part, kinds in BUNDLE_PARTS.items():
        names = fields.texts(part)
        if not names and part != "extras":
            raise Damage(fields.where, part, "must name an entry")
        for name in names:
            if name not in entries or entries[name].kind not in kinds:
                raise Damage(fields.where, part, f"names {name}, which is no entry of kind {' or '.join(kinds)}")
        parts[part] = tuple(entries[name] for name in names)
    fields.end()
    return BundleParts(**parts)
