"""Bundles of weights: a base and the offsets beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from iclight_local.checkpoints import COMPONENTS, check_base, component_files, prediction_type
from iclight_local.embedded import NAME as EMBEDDED
from iclight_local.embedded import embedded_bundle
from iclight_local.errors import WeightsError
from iclight_local.headers import read_header
from iclight_local.layouts.identify import identify, settled
from iclight_local.layouts.purpose import check_use, chosen_model
from iclight_local.request import ModelName

DEFAULT = "sd15"
"""The bundle that is used when none is named: the real weights; where they are not there, the embedded one."""
PULL = "iclight weights pull"
"""The command that fetches the real weights from their makers, once."""
BASE_FOLDER = "base"
BASE_FILE = "base.safetensors"
VAE_FILE = "vae.safetensors"


@dataclass(frozen=True)
class Bundle:
    """A folder with a base and IC-Light's files ``iclight_sd15_{fc,fcon,fbc}.safetensors``.

    The base is ``base/`` (a diffusers SD1.5 folder) or ``base.safetensors`` (a single-file SD1.5 model). A
    ``vae.safetensors`` beside it takes the place of the base's own autoencoder.

    Attributes:
        name: the folder's name.
        path: the folder.
    """

    name: str
    path: Path

    @property
    def base(self) -> Path:
        """The diffusers folder of the base, or its single file."""
        return base_of(self.path)

    @property
    def vae(self) -> Path | None:
        """An autoencoder of one's own, where there is one."""
        path = self.path / VAE_FILE
        return path if path.is_file() else None

    @property
    def embedded(self) -> bool:
        """Whether it is the one that comes with the package."""
        return self.path == embedded_bundle()

    @property
    def models(self) -> tuple[ModelName, ...]:
        """The models whose offsets are there, told from the files' names."""
        return tuple(model for model in get_args(ModelName) if offsets_path(self.path, model).is_file())

    def offsets(self, model: ModelName) -> Path:
        """The file of a model's offsets.

        Raises:
            WeightsError: the bundle has no such model.
        """
        path = offsets_path(self.path, model)
        if not path.is_file():
            has = f"has {', '.join(self.models)}" if self.models else "has no model at all"
            raise WeightsError(
                f"The bundle {self.path} {has}, and model {model} was asked for: put {path.name} beside base/, "
                f"or ask for another model with --model."
            )
        return path

    def files(self, model: ModelName) -> list[Path]:
        """Every file of weights that relighting with ``model`` loads.

        Raises:
            WeightsError: one of them is missing.
        """
        single = self.base.is_file()
        parts = [self.base] if single else [path for name in COMPONENTS for path in component_files(self.base / name)]
        own = [] if self.vae is None else [self.vae]
        return [*parts, *own, self.offsets(model)]


def base_of(folder: Path) -> Path:
    """Where a bundle keeps its base: the folder, unless there is only a single file."""
    single = folder / BASE_FILE
    return single if single.is_file() and not (folder / BASE_FOLDER).is_dir() else folder / BASE_FOLDER


def offsets_path(folder: Path, model: ModelName) -> Path:
    """Where a bundle keeps a model's offsets."""
    return folder / f"iclight_sd15_{model}.safetensors"


def bundle_folder(home: Path) -> Path:
    """The folder whose subfolders are bundles."""
    return home / "weights"


def list_bundles(home: Path) -> list[Bundle]:
    """Every bundle in the known folder, and the embedded one unless one there has its name; by name."""
    bases = (path for name in (BASE_FOLDER, BASE_FILE) for path in bundle_folder(home).glob(f"*/{name}"))
    found = {path.parent.name: Bundle(path.parent.name, path.parent) for path in bases}
    embedded = embedded_bundle()
    if embedded is not None:
        found.setdefault(EMBEDDED, Bundle(EMBEDDED, embedded))
    return [found[name] for name in sorted(found)]


def unfinished_bundles(home: Path) -> list[Bundle]:
    """Folders in the known place that have IC-Light's files and no base yet; by name."""
    found = []
    for path in sorted(bundle_folder(home).glob("[!.]*")):
        bundle = Bundle(path.name, path)
        with contextlib.suppress(OSError):
            if path.is_dir() and not base_of(path).exists() and bundle.models:
                found.append(bundle)
    return found


def find_bundle(name: str | None, home: Path) -> Bundle:
    """Find a bundle by its name or its folder; without a name the real weights, else the embedded bundle.

    Raises:
        WeightsError: there is none; the sentence says where was looked and what to do.
    """
    known = {bundle.name: bundle for bundle in list_bundles(home)}
    if name is None:
        for usual in (DEFAULT, EMBEDDED):
            if usual in known:
                return known[usual]
        raise WeightsError(
            f"No weights were found: fetch them with `{PULL}`, or put a bundle (base/ and iclight_sd15_fc.safetensors) "
            f"into {bundle_folder(home) / DEFAULT}, or name its folder with --weights DIR."
        )
    if name in known:
        return known[name]
    path = Path(name).expanduser()
    if not path.is_dir():
        there = f"known names: {', '.join(known)}" if known else f"no bundle is in {bundle_folder(home)}"
        raise WeightsError(
            f"There is no bundle of weights {name} ({there}): name a bundle's folder with --weights DIR."
        )
    if not base_of(path).exists():
        raise WeightsError(
            f"{path} is no bundle of weights: it needs {BASE_FOLDER}/ (a diffusers folder of an SD1.5 model) or "
            f"{BASE_FILE} (a single-file one), and iclight_sd15_fc.safetensors, _fcon or _fbc beside it."
        )
    return Bundle(path.resolve().name, path)


def stand_in_notice(asked: str | None, found: Bundle, home: Path) -> str | None:
    """The sentence where a bundle stands in for the real weights because none was asked for; else None."""
    if asked is not None or found.name == DEFAULT:
        return None
    return (
        f"There is no {DEFAULT} in {bundle_folder(home)}, so the miniature {found.name} is used, which is good for "
        f"trying things out: for photographs get {DEFAULT} with `{PULL}`."
    )


def check_bundle(bundle: Bundle) -> str | None:
    """What is wrong with a bundle, as a sentence; None where nothing is.

    Headers and configs are read, and of the weights only some small ones.
    """
    try:
        with _readable(bundle):
            models = bundle.models
            if not bundle.base.exists():
                return f"{bundle.path} holds neither {BASE_FOLDER}/ nor {BASE_FILE}: a base was needed."
        if not models:
            return f"{bundle.path} holds no iclight_sd15_*.safetensors."
        check_models(bundle, models)
    except WeightsError as error:
        return str(error)
    return None


def check_models(bundle: Bundle, models: Iterable[ModelName]) -> None:
    """Check a bundle's base, and that the files of some models fit it, as `check_bundle` does.

    Raises:
        WeightsError: one sentence that says what was found and what was needed.
    """
    with _readable(bundle):
        latent_channels = _check_base(bundle)
        for model in models:
            found = settled(read_header(bundle.offsets(model)))
            chosen_model(found, model)
            if found.latent_channels != latent_channels:
                raise WeightsError(
                    f"{bundle.offsets(model)} is for latents of {found.latent_channels} channels, and {bundle.base} "
                    f"has {latent_channels}: take both from one model."
                )


@contextlib.contextmanager
def _readable(bundle: Bundle) -> Iterator[None]:
    """A file that the system refuses to read becomes a sentence, too."""
    try:
        yield
    except OSError as error:
        what, why = error.filename, error.strerror
        raise WeightsError(
            f"{bundle.path if what is None else what} cannot be read ({error if why is None else why}): "
            "get the right to read it, or fetch or copy it again."
        ) from None


def _check_base(bundle: Bundle) -> int:
    """Check a bundle's base and its own autoencoder; gives the channels of the base's latents."""
    if bundle.base.is_file():
        found = settled(read_header(bundle.base))
        check_use(found, "base" if bundle.vae is None else "base_beside_vae")
        channels = found.latent_channels
    else:
        prediction_type(bundle.base)
        channels = check_base(bundle.base)
    if bundle.vae is not None:
        own = identify(read_header(bundle.vae))
        check_use(own, "vae")
        if own.latent_channels != channels:
            raise WeightsError(
                f"{bundle.vae} is for latents of {own.latent_channels} channels, and {bundle.base} has {channels}: "
                "remove it, or take one of the base's family."
            )
    return channels
