"""Which of the files that were found go into a bundle, and why the others are left alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from iclight_local.checkpoints import COMPONENTS, component_files
from iclight_local.errors import WeightsError
from iclight_local.layouts.purpose import model_by_name
from iclight_local.request import ModelName
from iclight_local.store.entries import Entry
from iclight_local.store.findings import Finding, Use
from iclight_local.store.manifest import Manifest
from iclight_local.store.published import recognise
from iclight_local.store.trees import TreeKind, repository_of


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asks of an import.

    Attributes:
        base: the base to take: a path, or the name of a file, a folder, a repository or an entry of the manifest.
        vae: the same of an own VAE.
    """

    base: str | None = None
    vae: str | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A finding and what it is used for.

    Attributes:
        finding: the file or the folder.
        use: what for.
        model: the model whose offsets these are; None of anything else.
        told_by: how that was told, in plain words: ``its sha256``, ``its name``, ``its shapes``.
    """

    finding: Finding
    use: Use
    model: ModelName | None = None
    told_by: str = ""


@dataclass(slots=True)
class Choice:
    """What goes into a bundle, and of each other finding why it does not."""

    used: list[Chosen] = field(default_factory=list)
    left: dict[Path, str] = field(default_factory=dict)

    def of(self, use: Use) -> list[Chosen]:
        """What is used for one thing."""
        return [chosen for chosen in self.used if chosen.use == use]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What helps to tell files apart.

    Attributes:
        manifest: what is published.
        home: where hashes are remembered.
        kind: the kind of the tree.
        taken: what the bundle has already and keeps: ``base``, ``vae`` or a model's name.
        own_vae: whether the bundle has a VAE of its own, which may be replaced.
    """

    manifest: Manifest
    home: Path
    kind: TreeKind
    taken: frozenset[str]
    own_vae: bool = False


def choose(findings: Sequence[Finding], wish: Wish, knowledge: Knowledge) -> Choice:
    """Choose what goes into a bundle.

    Raises:
        WeightsError: several bases are there and nothing tells which, or the wished one is not there.
    """
    choice = Choice(left={finding.path: finding.reason for finding in findings if finding.use is None})
    _choose_base(findings, wish.base, knowledge, choice)
    _choose_offsets([finding for finding in findings if finding.use == "offsets"], knowledge, choice)
    _choose_vae(findings, wish.vae, knowledge, choice)
    return choice


def named_by(finding: Finding, wanted: str) -> bool:
    """Whether a user's word names a finding: its path, its file's or folder's name, its repository."""
    path = finding.path
    with_word = Path(wanted).expanduser()
    if with_word.exists() and path.samefile(with_word):
        return True
    names = {path.name, path.stem if path.is_file() else path.name, repository_of(path) or path.name}
    return wanted.casefold() in {name.casefold() for name in names} or path.as_posix().endswith(f"/{wanted}")


def _choose_base(findings: Sequence[Finding], wanted: str | None, knowledge: Knowledge, choice: Choice) -> None:
    bases = [finding for finding in findings if finding.use == "base"]
    if wanted is not None:
        named = [base for base in bases if named_by(base, wanted)]
        named = named if named else [base for base, entry in _known(bases, knowledge).items() if entry.name == wanted]
        if "base" in knowledge.taken:
            raise WeightsError(f"The bundle has a base already: add --overwrite to put {wanted} in its place.")
        if len(named) != 1:
            raise WeightsError(_no_such_base(wanted, named, findings))
        best, why = named[0], "it was asked for"
    elif "base" in knowledge.taken:
        choice.left.update({base.path: "the bundle has a base, which --overwrite would replace" for base in bases})
        return
    elif not bases:
        return
    else:
        best, why = _best_base(bases, knowledge)
    choice.used.append(Chosen(best, "base", told_by=why))
    choice.left.update({base.path: f"{best.path.name} is the base" for base in bases if base is not best})


def _best_base(bases: list[Finding], knowledge: Knowledge) -> tuple[Finding, str]:
    if len(bases) == 1:
        return bases[0], "its shapes"
    known = _known(bases, knowledge)
    for entry in knowledge.manifest.entries.values():
        of_entry = [base for base, found in known.items() if found is entry]
        if len(of_entry) == 1:
            return of_entry[0], f"the manifest's {entry.name}"
        if of_entry:
            bases = of_entry
            break
    listed = ", ".join(str(base.path) for base in bases)
    raise WeightsError(f"There are {len(bases)} bases ({listed}): say which with --base FILE.")


def _known(bases: list[Finding], knowledge: Knowledge) -> dict[Finding, Entry]:
    """The manifest's entries that bases are, by hash, by the cache's repository, or by name; in that order."""
    entries = [entry for entry in knowledge.manifest.entries.values() if entry.kind == "base"]
    known: dict[Finding, Entry] = {}
    weights = {base: _weights(base) for base in bases}
    published = recognise([path for paths in weights.values() for path in paths], knowledge.manifest, knowledge.home)
    for base, paths in weights.items():
        found = {published[path].entry.name for path in paths if path in published}
        by_hash = [entry for entry in entries if entry.name in found]
        by_repository = [entry for entry in entries if entry.repository == repository_of(base.path)]
        by_name = [entry for entry in entries if _plain(entry.name) in _plain(base.path.name)]
        for entry in [*by_hash, *by_repository, *by_name][:1]:
            known[base] = entry
    return known


def _weights(base: Finding) -> list[Path]:
    if base.path.is_file():
        return [base.path]
    return [path for name in COMPONENTS for path in component_files(base.path / name)]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _no_such_base(wanted: str, named: list[Finding], findings: Sequence[Finding]) -> str:
    if named:
        return f"{wanted} names {len(named)} bases ({', '.join(str(base.path) for base in named)}): give a whole path."
    other = next((finding for finding in findings if named_by(finding, wanted)), None)
    if other is not None:
        why = f": {other.reason}" if other.reason else ""
        return f"{other.path} is {other.what} and cannot be the base{why}."
    there = ", ".join(str(finding.path) for finding in findings if finding.use == "base")
    return f"There is no base {wanted} ({f'there is {there}' if there else 'and no other'}): give its path with --base."


def _choose_offsets(found: list[Finding], knowledge: Knowledge, choice: Choice) -> None:
    told = [_tell(finding, knowledge) for finding in found]
    # What the manifest knows comes first, then offsets before whole UNets, which are twice as large to load.
    told.sort(key=lambda chosen: (chosen.told_by != "its sha256", chosen.finding.merged))
    takers: dict[ModelName, Chosen] = {}
    for chosen in told:
        model, path = chosen.model, chosen.finding.path
        assert model is not None
        if model in knowledge.taken:
            choice.left[path] = f"the bundle has {model}, which --overwrite would replace"
        elif model in takers:
            choice.left[path] = f"{takers[model].finding.path} is {model} already"
        else:
            takers[model] = chosen
            choice.used.append(chosen)


def _tell(finding: Finding, knowledge: Knowledge) -> Chosen:
    """Which model a file is: its shapes tell fbc; fc and fcon are told by the sha256, else by the name."""
    if len(finding.models) == 1:
        return Chosen(finding, "offsets", finding.models[0], "its shapes")
    known = recognise([finding.path], knowledge.manifest, knowledge.home).get(finding.path)
    if known is not None:
        for model in finding.models:
            if known.entry.name == f"iclight-{model}":
                return Chosen(finding, "offsets", model, "its sha256")
    named = model_by_name(finding.path.name, finding.models)
    if named is not None:
        return Chosen(finding, "offsets", named, "its name")
    return Chosen(finding, "offsets", finding.models[0], "nothing but its shapes, which fcon has, too")


def _choose_vae(findings: Sequence[Finding], wanted: str | None, knowledge: Knowledge, choice: Choice) -> None:
    vaes = [finding for finding in findings if finding.use == "vae"]
    needed = any(chosen.finding.lacks_vae for chosen in choice.of("base"))
    if wanted is not None:
        named = [vae for vae in vaes if named_by(vae, wanted)]
        if "vae" in knowledge.taken:
            raise WeightsError(f"The bundle has a VAE already: add --overwrite to put {wanted} in its place.")
        if len(named) != 1:
            raise WeightsError(f"There {_count(named)} called {wanted}: give the path of a VAE with --vae.")
        _take_vae(named[0], vaes, "it was asked for", choice)
    elif "vae" in knowledge.taken:
        choice.left.update({vae.path: "the bundle has a VAE, which --overwrite would replace" for vae in vaes})
    elif len(vaes) == 1 and (needed or knowledge.kind in ("bundle", "file")):
        _take_vae(vaes[0], vaes, "the base has none" if needed else "its shapes", choice)
    elif needed and knowledge.own_vae:
        choice.left.update({vae.path: "the base has none, and the bundle's own VAE serves it" for vae in vaes})
    elif needed:
        found = f"{len(vaes)} were found ({', '.join(str(vae.path) for vae in vaes)})" if vaes else "none was found"
        base = choice.of("base")[0].finding.path
        raise WeightsError(f"The base {base} has no VAE, and {found}: name one with --vae FILE.")
    else:
        choice.left.update({vae.path: "the base has a VAE of its own; --vae takes this one" for vae in vaes})


def _take_vae(best: Finding, vaes: list[Finding], why: str, choice: Choice) -> None:
    choice.used.append(Chosen(best, "vae", told_by=why))
    choice.left.update({vae.path: f"{best.path.name} is the VAE" for vae in vaes if vae is not best})


def _count(named: list[Finding]) -> str:
    return "is no VAE" if not named else f"are {len(named)} VAEs"


def describe_left(findings: Sequence[Finding], left: Mapping[Path, str]) -> list[tuple[Finding, str]]:
    """Every finding that is left alone, with the reason."""
    return [(finding, left[finding.path]) for finding in findings if finding.path in left]
