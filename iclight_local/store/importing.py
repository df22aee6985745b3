"""A bundle out of files that other programs have on this machine: linked where that is possible."""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from iclight_local.errors import InvalidRequest, WeightsError
from iclight_local.request import ModelName
from iclight_local.store.bundles import (
    BASE_FILE,
    BASE_FOLDER,
    VAE_FILE,
    Bundle,
    base_of,
    bundle_folder,
    check_bundle,
    offsets_path,
)
from iclight_local.store.choosing import Choice, Chosen, Knowledge, Wish, choose
from iclight_local.store.contents import base_files, is_weights
from iclight_local.store.elsewhere import Elsewhere, find_elsewhere
from iclight_local.store.findings import Finding, look_at
from iclight_local.store.manifest import load_manifest
from iclight_local.store.places import check_bundle_name
from iclight_local.store.staging import Staging, check_space, staging
from iclight_local.store.trees import TreeKind, tree_kind, walk


@dataclass(frozen=True, slots=True)
class Import:
    """What is asked for.

    Attributes:
        path: the tree or the file.
        name: the bundle's name.
        home: the folder whose ``weights`` hold the bundles.
        wish: which base and which VAE.
        copy: copy instead of linking.
        overwrite: replace what the bundle has already.
    """

    path: Path
    name: str
    home: Path
    wish: Wish
    copy: bool
    overwrite: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of it.

    Attributes:
        kind: the kind of the tree.
        findings: every file that was looked at.
        elsewhere: where else a ComfyUI keeps its weights; those were looked at, too.
        choice: what is used of them, and why the others are not.
        ways: how each used file got into the bundle: ``hard link``, ``symbolic link`` or ``copy``.
        bundle: the bundle.
        lacks: what it still lacks: ``base``, ``offsets``; empty where it is whole.
        dropped: the old base's own VAE, which went with it because the new base has one; else None.
    """

    kind: TreeKind
    findings: tuple[Finding, ...]
    elsewhere: tuple[Elsewhere, ...]
    choice: Choice
    ways: dict[Path, str]
    bundle: Bundle
    lacks: tuple[str, ...]
    dropped: Path | None = None


def import_tree(asked: Import) -> Imported:
    """Make or complete a bundle out of what is found below a path. Nothing but headers is read unless a hash is needed.

    Raises:
        WeightsError: nothing usable is there, several bases are, or the bundle could not be used.
        InvalidRequest: the name cannot be a bundle's, or the bundle has another one of what was named.
        EngineError: the disk has no room for the copies.
    """
    bundle = Bundle(asked.name, bundle_folder(asked.home) / check_bundle_name(asked.name))
    # A bundle that lies elsewhere and is linked to is completed where it lies.
    final = bundle.path.resolve()
    kind = tree_kind(asked.path)
    elsewhere = find_elsewhere(asked.path)
    findings = find_weights(asked, [folder for one in elsewhere for folder in one.folders])
    has = _present(final)
    taken = frozenset() if asked.overwrite else has
    choice = choose(findings, asked.wish, Knowledge(load_manifest(), asked.home, kind, taken, "vae" in has))
    if all(finding.use is None for finding in findings):
        raise WeightsError(_nothing_usable(asked, choice, elsewhere))
    ways: dict[Path, str] = {}
    dropped = _dropped(choice, final)
    if choice.used:
        with staging(final.parent) as stage:
            built = stage.new / asked.name
            ways = _build(choice, built, copy=asked.copy)
            _check(built, final, choice, dropped)
            _place(stage, built, final, dropped)
    elif not final.exists():
        raise WeightsError(_nothing_usable(asked, choice, elsewhere))
    elif kind in ("file", "diffusers"):
        _require_same(asked.path, findings, bundle)
    lacks = [] if base_of(final).exists() else ["base"]
    lacks += [] if bundle.models else ["offsets"]
    return Imported(kind, tuple(findings), tuple(elsewhere), choice, ways, bundle, tuple(lacks), dropped)


def find_weights(asked: Import, elsewhere: Sequence[Path]) -> list[Finding]:
    """Look at every file of weights in a tree and elsewhere, and at those that the wish names; each file once.

    Raises:
        WeightsError: a path that the wish names is of no use.
    """
    paths = [path for tree in (asked.path, *elsewhere) for path in walk(tree)]
    beside = [Path(word).expanduser() for word in (asked.wish.base, asked.wish.vae) if word is not None]
    paths += [path for path in beside if path.is_file() or (path / "model_index.json").is_file()]
    findings, seen = [], set()
    for path in paths:
        with contextlib.suppress(OSError):
            stat = path.stat()
            if (stat.st_dev, stat.st_ino) not in seen:
                seen.add((stat.st_dev, stat.st_ino))
                findings.append(look_at(path, named=path in (asked.path, *beside)))
    return findings


def _present(bundle: Path) -> frozenset[str]:
    parts = {"base"} if base_of(bundle).exists() else set()
    parts |= {"vae"} if (bundle / VAE_FILE).is_file() else set()
    return frozenset(parts | {model for model in get_args(ModelName) if offsets_path(bundle, model).is_file()})


def _dropped(choice: Choice, final: Path) -> Path | None:
    """The bundle's own VAE, where it was there for a base that now goes, and the new base has one of its own."""
    vae = final / VAE_FILE
    brings = any(not chosen.finding.lacks_vae for chosen in choice.of("base")) and not choice.of("vae")
    return vae if brings and base_of(final).exists() and vae.is_file() else None


def _require_same(path: Path, findings: list[Finding], bundle: Bundle) -> None:
    """Refuse one thing that was named and not used, unless the bundle has exactly that already.

    Raises:
        InvalidRequest: the bundle has another one.
    """
    finding = next((one for one in findings if one.path == path and one.use is not None), None)
    if finding is None or finding.use is None:
        return
    chosen = [Chosen(finding, finding.use, model) for model in finding.models] or [Chosen(finding, finding.use)]
    if not any(all(_same(*pair) for pair in _files(one, bundle.path)) for one in chosen):
        raise InvalidRequest(
            f"Nothing was changed: {bundle.path} has what {path.name} is ({finding.what}) already, and it is another "
            "file: add --overwrite to put this one in its place, or --name OTHER for a bundle of its own."
        )


def _same(source: Path, target: Path) -> bool:
    return target.is_file() and (source.samefile(target) or filecmp.cmp(source, target, shallow=False))


def _nothing_usable(asked: Import, choice: Choice, elsewhere: Sequence[Elsewhere]) -> str:
    needed = "a plain SD1.5 model or an IC-Light file in safetensors was needed"
    needed += "".join(f"; {one.description}" for one in elsewhere)
    if not choice.left:
        return f"{asked.path} holds no weights, and {needed}."
    path, reason = next(iter(choice.left.items()))
    rest = f" and {len(choice.left) - 1} more" if len(choice.left) > 1 else ""
    inside = path != asked.path and path.is_relative_to(asked.path)
    name = str(path.relative_to(asked.path)) if inside else path.name
    return f"Nothing in {asked.path} can be used ({name}{rest}: {reason}); {needed}."


def _build(choice: Choice, built: Path, *, copy: bool) -> dict[Path, str]:
    """Put links or copies of everything that is used into a new folder; how each of them got there."""
    built.mkdir()
    files = [pair for chosen in choice.used for pair in _files(chosen, built)]
    check_space(sum(source.stat().st_size for source, _ in files if copy or not is_weights(source)), built)
    ways: dict[Path, str] = {}
    for source, target in files:
        target.parent.mkdir(parents=True, exist_ok=True)
        # A config is small, and editing it here must not change it there.
        ways[source] = _copy(source, target) if copy or not is_weights(source) else link(source, target)
    return ways


def _files(chosen: Chosen, built: Path) -> Iterator[tuple[Path, Path]]:
    source = chosen.finding.path
    if chosen.model is not None:
        yield source, offsets_path(built, chosen.model)
    elif chosen.use == "vae":
        yield source, built / VAE_FILE
    elif source.is_file():
        yield source, built / BASE_FILE
    else:
        for path in base_files(source):
            yield path, built / BASE_FOLDER / path.relative_to(source)


def link(source: Path, target: Path) -> str:
    """Link a file: a hard link on the same disk, else a symbolic one, else a copy; which of them it became.

    What is linked is the file itself, not a link to it, as the blobs of a Hugging Face cache have.

    Raises:
        EngineError: it has to be copied and the disk has no room.
    """
    real = source.resolve()
    with contextlib.suppress(OSError):
        os.link(real, target)
        return "hard link"
    with contextlib.suppress(OSError):
        target.symlink_to(real)
        return "symbolic link"
    # So far only what was to be copied anyhow has been counted.
    check_space(real.stat().st_size, target.parent)
    return _copy(source, target)


def _copy(source: Path, target: Path) -> str:
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return "copy"


def _check(built: Path, final: Path, choice: Choice, dropped: Path | None) -> None:
    """Check that what is new fits together, and fits the base that is there already."""
    base = base_of(built if base_of(built).exists() else final)
    models = Bundle(final.name, built).models
    if not base.exists() or not models:
        return
    together = built.parent / "together"
    together.mkdir()
    (together / base.name).symlink_to(base)
    vae = (built if (built / VAE_FILE).is_file() else final) / VAE_FILE
    beside = [offsets_path(built, model) for model in models]
    beside += [vae] if vae.is_file() and vae != dropped else []
    for path in beside:
        (together / path.name).symlink_to(path)
    problem = check_bundle(Bundle(final.name, together))
    if problem is not None:
        files = ", ".join(str(chosen.finding.path) for chosen in choice.used)
        raise WeightsError(f"{problem.replace(str(together), final.name).rstrip('.')} (made from {files}).")


def _place(stage: Staging, built: Path, final: Path, dropped: Path | None) -> None:
    if not final.exists():
        stage.put(built, final, overwrite=False)
        return
    # A new base takes the place of the old one, in whichever of the two forms that is.
    for name in (BASE_FOLDER, BASE_FILE) if base_of(built).exists() else ():
        if (final / name).exists():
            stage.set_aside(final / name)
    if dropped is not None:
        stage.set_aside(dropped)
    for path in sorted(built.iterdir()):
        stage.put(path, final / path.name, overwrite=True)
