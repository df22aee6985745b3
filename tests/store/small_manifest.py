"""Manifests for tests, made on the spot."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.store.hub_server import COMMIT

PAGES = dict.fromkeys(("repository", "revision", "licence", "mirrors", "size", "sha256"), "page")


@dataclass(frozen=True)
class Made:
    """An entry to be written.

    Attributes:
        name: its name, and that of its repository.
        kind: what it is good for.
        files: their contents.
        mirrors: prefixes of URLs.
        known: whether sizes and hashes are stated.
        github: whether a release there is its maker's.
        commercial: what the licence grants.
    """

    name: str
    kind: str
    files: Mapping[str, bytes]
    mirrors: Sequence[str] = ()
    known: bool = True
    github: bool = False
    commercial: str = "yes"

    @property
    def repository(self) -> str:
        return f"maker/{self.name}"

    def text(self) -> str:
        """The entry as TOML."""
        facts = {
            "name": self.name,
            "kind": self.kind,
            "host": "github" if self.github else "huggingface",
            "repository": self.repository,
            "revision": "v1" if self.github else COMMIT,
            "licence": f"the licence of {self.name}",
            "commercial": self.commercial,
        }
        lines = ["[[entry]]", *(f'{name} = "{value}"' for name, value in facts.items())]
        lines += [f"mirrors = {list(self.mirrors)}"]
        unknown = {"licence"} if self.commercial == "unknown" else set()
        lines += [f"unconfirmed = {sorted(unknown)}", "[entry.source]"]
        left_out = (
            unknown | ({"size", "sha256"} if not self.known else set()) | (set() if self.mirrors else {"mirrors"})
        )
        lines += [f'{fact} = "{page}"' for fact, page in PAGES.items() if fact not in left_out]
        for path, data in self.files.items():
            lines += ["[[entry.file]]", f'path = "{path}"']
            stated = [f"size = {len(data)}", f'sha256 = "{hashlib.sha256(data).hexdigest()}"']
            lines += stated if self.known else ['unconfirmed = ["size", "sha256"]']
        return "\n".join(lines) + "\n"


def write_manifest(file: Path, *entries: Made) -> Path:
    """Write a manifest, with the bundle sd15 of its bases and offsets where it has both."""
    names = {kind: [entry.name for entry in entries if entry.kind == kind] for kind in ("base", "offsets")}
    bundle = f"[bundle.sd15]\nbases = {names['base']}\noffsets = {names['offsets']}\n" if all(names.values()) else ""
    file.write_text(bundle + "".join(entry.text() for entry in entries))
    return file
