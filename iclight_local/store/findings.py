"""What each file of a tree is, and what it could serve as in a bundle."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from iclight_local.checkpoints import COMPONENTS, check_base, component_files
from iclight_local.errors import WeightsError
from iclight_local.headers import read_header
from iclight_local.layouts.identify import Identified, settled
from iclight_local.layouts.purpose import Purpose, check_use
from iclight_local.request import ModelName
from iclight_local.store.contents import PICKLES

Use = Literal["base", "offsets", "vae"]
_ICLIGHT_NAME = re.compile(r"ic[-_ .]?light", re.IGNORECASE)
_PICKLE = "a pickle, which can run code while it is read, so it is not used: a safetensors file is needed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One file, or one diffusers folder.

    Attributes:
        path: where it was found.
        what: what it is, in plain words without its name: ``a LoRA``.
        use: what it could serve as; None where it could serve as nothing.
        reason: why it could serve as nothing; empty where it could.
        models: the IC-Light models it can be.
        merged: whether it is a whole UNet of IC-Light and no offsets.
        lacks_vae: whether it is a base without a VAE.
    """

    path: Path
    what: str
    use: Use | None
    reason: str = ""
    models: tuple[ModelName, ...] = ()
    merged: bool = False
    lacks_vae: bool = False


def look_at(path: Path, *, named: bool = False) -> Finding:
    """Tell what a file or a diffusers folder is.

    Args:
        path: a file of weights, or a folder with ``model_index.json``.
        named: the user named this very file, so an unclear one is taken for what it most likely is.
    """
    if path.is_dir():
        return _folder(path)
    if path.suffix.lower() in PICKLES:
        return Finding(path, "a pickle", None, _PICKLE)
    try:
        found = settled(read_header(path))
    except WeightsError as error:
        return Finding(path, "no readable weights", None, str(error).rstrip("."))
    except OSError as error:
        return Finding(path, "no readable weights", None, f"it cannot be read ({error.strerror})")
    return _file(path, found, named=named)


def _folder(path: Path) -> Finding:
    what = "a diffusers folder of an SD1.5 model"
    try:
        check_base(path)
        pickles = [file for name in COMPONENTS for file in component_files(path / name) if file.suffix in PICKLES]
    except WeightsError as error:
        return Finding(path, "a diffusers folder", None, str(error).rstrip("."))
    except OSError as error:
        return Finding(path, "a diffusers folder", None, f"it cannot be read ({error.strerror})")
    if pickles:
        return Finding(path, what, None, f"{pickles[0].relative_to(path)} is {_PICKLE}")
    return Finding(path, what, "base")


def _file(path: Path, found: Identified, *, named: bool) -> Finding:
    if found.kind == "base-ldm" and found.has_text_encoder and not found.has_vae:
        return _usable(path, found, "base", lacks_vae=True)
    if found.kind == "base-ldm":
        return _usable(path, found, "base")
    if found.kind == "vae":
        return _usable(path, found, "vae")
    if not found.models:
        return Finding(path, found.what, None, "a bundle has no place for it")
    merged = found.kind.startswith("merged") and not found.ambiguous
    doubtful = merged and "fbc" not in found.models and not named
    if doubtful and not _ICLIGHT_NAME.search(f"{path.parent.name}/{path.name}"):
        reason = (
            "the UNet of an instruct-pix2pix model looks the same, and no name says IC-Light; "
            f"`iclight weights import {path}` takes it all the same"
        )
        return Finding(path, found.what, None, reason)
    return _usable(path, found, "offsets", merged=merged)


def _usable(path: Path, found: Identified, use: Use, *, merged: bool = False, lacks_vae: bool = False) -> Finding:
    purposes: dict[Use, Purpose] = {
        "base": "base_beside_vae" if lacks_vae else "base",
        "offsets": "iclight",
        "vae": "vae",
    }
    try:
        check_use(found, purposes[use])
    except WeightsError as error:
        return Finding(path, found.what, None, str(error).rstrip("."))
    return Finding(path, found.what, use, "", found.models, merged, lacks_vae)
