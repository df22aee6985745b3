"""Folders of weights as other programs keep them, made on the spot from the random bundle."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from iclight_local.layouts.unet import unet_to_ldm
from iclight_local.layouts.vae import conv_shape, vae_to_ldm
from tests.cli.commands import BUNDLE

State = dict[str, np.ndarray]

FC, FCON, FBC = (BUNDLE / f"iclight_sd15_{model}.safetensors" for model in ("fc", "fcon", "fbc"))
REVISION = "0123456789abcdef0123456789abcdef01234567"
ENTRY = """
[[entry]]
name = "{name}"
kind = "{kind}"
host = "huggingface"
repository = "{repository}"
revision = "{revision}"
licence = "{licence}"
commercial = "{commercial}"
{more}

[entry.source]
repository = "here"
revision = "here"
{sources}
"""


def base_states() -> tuple[State, State, State]:
    """The values of the random bundle's UNet, VAE and text encoder."""
    base = BUNDLE / "base"
    return (
        load_file(base / "unet" / "diffusion_pytorch_model.safetensors"),
        load_file(base / "vae" / "diffusion_pytorch_model.safetensors"),
        load_file(base / "text_encoder" / "model.safetensors"),
    )


def write(path: Path, state: State) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: np.ascontiguousarray(value) for key, value in state.items()}, path)
    return path


def write_checkpoint(path: Path, *, vae: bool = True, scale: float = 1.0) -> Path:
    """The random base as one file with ldm keys; another ``scale`` gives another model."""
    unet, autoencoder, text = base_states()
    state = {f"model.diffusion_model.{new}": unet[old] * np.float32(scale) for old, new in unet_to_ldm(unet).items()}
    state |= {f"cond_stage_model.transformer.{key}": value for key, value in text.items()}
    return write(path, {**state, **(_ldm_vae(autoencoder, "first_stage_model.") if vae else {})})


def write_vae(path: Path) -> Path:
    return write(path, _ldm_vae(base_states()[1], ""))


def _ldm_vae(state: State, prefix: str) -> State:
    names = vae_to_ldm(state)
    return {prefix + new: state[old].reshape(conv_shape(old, state[old].shape)) for old, new in names.items()}


def write_lora(path: Path) -> Path:
    return write(path, {"lora_unet_mid.lora_up.weight": np.zeros((4, 2), np.float32)})


def write_ldm_offsets(path: Path, source: Path) -> Path:
    """Offsets in ldm keys without a prefix, as some nodes want them."""
    state = load_file(source)
    return write(path, {new: state[old] for old, new in unet_to_ldm(state).items()})


def write_merged(path: Path) -> Path:
    """A whole UNet with 8 input channels, as instruct-pix2pix has one, too."""
    unet = base_states()[0]
    wide = np.concatenate([unet["conv_in.weight"], np.zeros_like(unet["conv_in.weight"])], axis=1)
    return write(path, {**unet, "conv_in.weight": wide})


def write_pickle(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps({"weight": 1}))
    return path


def put(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return target


def comfyui(root: Path) -> Path:
    """A ComfyUI folder whose names say nothing of what is inside, apart from fc and fcon."""
    models = root / "models"
    write_checkpoint(models / "checkpoints" / "my_mix.safetensors")
    put(FBC, models / "diffusion_models" / "IC-Light" / "a.safetensors")
    put(FC, models / "unet" / "IC-Light" / "iclight_sd15_fc.safetensors")
    write_vae(models / "vae" / "ft-mse.safetensors")
    write_lora(models / "loras" / "style.safetensors")
    write_pickle(models / "vae_approx" / "taesd_decoder.pth")
    (root / "custom_nodes").mkdir()
    return root


def a1111(root: Path) -> Path:
    models = root / "models"
    write_checkpoint(models / "Stable-diffusion" / "mix.safetensors")
    write_pickle(models / "Stable-diffusion" / "old.ckpt")
    put(FCON, models / "ic-light" / "iclight_sd15_fcon.safetensors")
    write_ldm_offsets(root / "extensions" / "sd-forge-ic-light" / "weights" / "fbc_ldm.safetensors", FBC)
    (models / "VAE").mkdir()
    return root


def hub_cache(root: Path) -> Path:
    """A Hugging Face cache with blobs and links, an old snapshot in each repository, and a locks folder."""
    base = {path.relative_to(BUNDLE / "base").as_posix(): path for path in (BUNDLE / "base").rglob("*.*")}
    _cached(root / "models--stablediffusionapi--realistic-vision-v51", base, main=True)
    _cached(root / "models--lllyasviel--ic-light", {path.name: path for path in (FC, FBC)}, main=False)
    (root / ".locks" / "models--lllyasviel--ic-light").mkdir(parents=True)
    return root


def _cached(repository: Path, files: dict[str, Path], *, main: bool) -> None:
    old = repository / "snapshots" / ("f" * 40)
    old.mkdir(parents=True)
    (old / "damaged.safetensors").write_bytes(b"old")
    os.utime(old, (1, 1))
    snapshot = repository / "snapshots" / REVISION
    blobs = repository / "blobs"
    blobs.mkdir()
    for name, source in files.items():
        if source.is_file():
            blob = blobs / digest(source)
            shutil.copyfile(source, blob)
            link = snapshot / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(blob, link.parent))
    if main:
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(REVISION)
        os.utime(snapshot, (0, 0))  # Not the newest, and yet the one that main names.


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def manifest_text(offsets: dict[str, Path], *, exact: bool = True, commercial: str = "yes") -> str:
    """A manifest that knows the random bundle's base, and files as the offsets of models."""
    text = ""
    for model, path in offsets.items():
        size = f"size = {path.stat().st_size}" if exact else f"about = {path.stat().st_size // 1000 * 1000}"
        doubt = "" if exact else 'unconfirmed = ["size"]\n'
        file = f'[[entry.file]]\npath = "iclight_sd15_{model}.safetensors"\n{size}\nsha256 = "{digest(path)}"\n{doubt}'
        text += _entry(f"iclight-{model}", "offsets", "lllyasviel/ic-light", commercial) + file
    files = ""
    for name in ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"):
        path = BUNDLE / "base" / f"{name}.safetensors"
        files += f'[[entry.file]]\npath = "{name}.safetensors"\nsize = {path.stat().st_size}\n'
        files += f'sha256 = "{digest(path)}"\n'
    text += _entry("realistic-vision-v51", "base", "stablediffusionapi/realistic-vision-v51", commercial) + files
    names = ", ".join(f'"iclight-{model}"' for model in offsets)
    return f'[bundle.sd15]\nbases = ["realistic-vision-v51"]\noffsets = [{names}]\n' + text


def _entry(name: str, kind: str, repository: str, commercial: str) -> str:
    unknown = commercial == "unknown"
    sources = 'sha256 = "here"\nsize = "here"\n' + ("" if unknown else 'licence = "here"\n')
    more = 'unconfirmed = ["licence"]' if unknown else ""
    facts = {"revision": REVISION, "licence": f"licence of {name}", "commercial": commercial}
    return ENTRY.format(name=name, kind=kind, repository=repository, more=more, sources=sources, **facts)


def use_manifest(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    place = folder / "manifest"
    place.mkdir(exist_ok=True)
    (place / "manifest.toml").write_text(text)
    monkeypatch.setattr("iclight_local.embedded.WEIGHTS", (place,))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
