"""What the manifest says of one thing that others publish: its files, where they lie, what may be done with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from iclight_local.errors import WeightsError

Kind = Literal["offsets", "base", "lora", "vae", "segmenter"]
Host = Literal["huggingface", "github"]
Commercial = Literal["yes", "no", "unknown"]
FILE_FACTS = ("size", "sha256")
"""What is either known of a file or named as unconfirmed."""
ENTRY_FACTS = ("repository", "revision", "licence", "mirrors")
"""The same of an entry."""


@dataclass(frozen=True, slots=True)
class File:
    """One published file.

    Attributes:
        path: where it lies in its repository, with forward slashes.
        saved_as: where it lies below the entry's folder on this machine.
        size: its bytes; None where that is not confirmed.
        about: its bytes as a page shows them, rounded; only where ``size`` is None.
        sha256: 64 small hexadecimal digits; None where that is not confirmed.
        md5: 32 of them, where the publisher's own program checks this one.
        unconfirmed: which of ``FILE_FACTS`` could not be confirmed.
    """

    path: str
    saved_as: str
    size: int | None
    about: int | None
    sha256: str | None
    md5: str | None
    unconfirmed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One model as its maker publishes it.

    Attributes:
        name: what it is called here.
        kind: what it is good for.
        host: who keeps the repository.
        repository: ``owner/name`` there.
        revision: a commit of the hub or the tag of a release; None where that is not confirmed.
        licence: the licence of the weights in words, or what is open about it.
        commercial: what that licence grants; ``unknown`` where it is not confirmed.
        mirrors: prefixes of URLs under which the same files lie.
        files: what it consists of; nothing where it is made from another entry.
        made_from: the entry that it is made from on this machine.
        unconfirmed: which of ``ENTRY_FACTS`` could not be confirmed.
        source: where each fact was read, by the fact's name.
    """

    name: str
    kind: Kind
    host: Host
    repository: str
    revision: str | None
    licence: str
    commercial: Commercial
    mirrors: tuple[str, ...]
    files: tuple[File, ...]
    made_from: str | None
    unconfirmed: tuple[str, ...]
    source: Mapping[str, str]

    @property
    def size(self) -> int | None:
        """The bytes of all files; None where one of them is not confirmed, or there is none."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if self.files and len(sizes) == len(self.files) else None

    @property
    def about(self) -> int | None:
        """The same with rounded sizes where the exact one is missing; None where a file has neither."""
        return self.least if self.files and all(_rounded(file) is not None for file in self.files) else None

    @property
    def least(self) -> int:
        """The bytes, exact or rounded, of those files whose size is known at all."""
        return sum(size for file in self.files if (size := _rounded(file)) is not None)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Every fact that could not be confirmed, of the entry or of one of its files."""
        return tuple(dict.fromkeys([*self.unconfirmed, *(fact for file in self.files for fact in file.unconfirmed)]))

    @property
    def page(self) -> str:
        """The page of the repository, where its licence is accepted."""
        return f"https://{'github.com' if self.host == 'github' else 'huggingface.co'}/{self.repository}"

    def urls(self, file: File) -> tuple[str, ...]:
        """Where a file can be fetched from: its maker first, then the mirrors."""
        if self.host == "github":
            prefix = f"https://github.com/{self.repository}/releases/download/{self.revision}/"
        else:
            revision = "main" if self.revision is None else self.revision
            prefix = f"https://huggingface.co/{self.repository}/resolve/{revision}/"
        return tuple(f"{start}{file.path}" for start in (prefix, *self.mirrors))


def _rounded(file: File) -> int | None:
    return file.about if file.size is None else file.size


def require_commercial(entry: Entry) -> None:
    """Refuse what may not be used commercially, and what nobody has confirmed that it may.

    Raises:
        WeightsError: the licence forbids it or is not confirmed; the sentence says which.
    """
    if entry.commercial == "no":
        raise WeightsError(
            f"{entry.name} may not be used commercially ({entry.licence}): "
            "`iclight weights licences --commercial` lists what may be."
        )
    if entry.commercial == "unknown":
        raise WeightsError(
            f"Whether {entry.name} may be used commercially is unknown, its licence is {entry.licence}: ask its maker, "
            "or take what `iclight weights licences --commercial` lists."
        )
