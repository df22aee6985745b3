"""What a base folder holds, read from configs and headers alone: no torch, no tensor read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iclight_local.errors import WeightsError
from iclight_local.families import OTHERS_BY_TEXTS
from iclight_local.headers import read_header, shown

SCHEDULER_CONFIG = "scheduler_config.json"
COMPONENTS = ("unet", "vae", "text_encoder")
"""Folders of a base that hold weights."""
PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")
"""What a UNet can be trained to predict: the noise (as the original is), the velocity, the latents."""
FP16 = ".fp16"
"""Stands in the names of a variant's files."""


def _family(channels: int, latent_channels: int) -> str:
    if channels == 2 * latent_channels + 1:
        return " (an inpainting UNet)"
    return " (a plain UNet)" if channels == latent_channels else ""


def read_config(folder: Path) -> dict[str, Any]:
    """The ``config.json`` of a diffusers component.

    Raises:
        WeightsError: missing or not JSON.
    """
    return _read_table(folder / "config.json")


def _read_table(path: Path) -> dict[str, Any]:
    """A file that holds one JSON object."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(f"{path.parent} holds no {path.name}: a complete diffusers folder was needed.") from None
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be read ({error.strerror}): a complete diffusers folder was needed."
        ) from None
    except ValueError:
        raise WeightsError(f"{path} is no valid JSON: fetch or copy it again.") from None
    if not isinstance(table, dict):
        raise WeightsError(f"{path} holds no JSON object: fetch or copy it again.")
    return table


def check_base(base: Path) -> int:
    """Check that a diffusers folder can serve as IC-Light's base, and return its latent channels.

    Raises:
        WeightsError: it is no diffusers folder, or one of another family (SDXL, SD2, inpainting).
    """
    if not (base / "model_index.json").is_file():
        raise WeightsError(f"{base} holds no model_index.json: a diffusers folder of an SD1.5 model was needed.")
    _read_table(base / "model_index.json")
    unet = read_config(base / "unet")
    latent_channels = _whole_number(base / "vae", "latent_channels", 4)
    context = unet.get("cross_attention_dim")
    if unet.get("addition_embed_type") is not None or (base / "text_encoder_2").is_dir():
        raise WeightsError(f"{base.name} is an SDXL model, and IC-Light's offsets fit SD1.5 only.")
    in_channels = _whole_number(base / "unet", "in_channels", latent_channels)
    if in_channels != latent_channels:
        what = _family(in_channels, latent_channels)
        raise WeightsError(
            f"The UNet of {base.name} has {in_channels} input channels{what}: a plain SD1.5 UNet "
            f"with {latent_channels} was needed."
        )
    width = read_config(base / "text_encoder").get("hidden_size")
    if context != width:
        raise WeightsError(
            f"The UNet of {base.name} reads texts of width {context}, and its text encoder writes width {width}: "
            "both must come from one SD1.5 model."
        )
    _check_complete(base)
    return latent_channels


def _whole_number(folder: Path, name: str, usual: int) -> int:
    """A number of a component's config; ``usual`` where it is not there."""
    value = read_config(folder).get(name, usual)
    if type(value) is not int:
        raise WeightsError(
            f"{folder / 'config.json'} says {name} {value!r}, not a whole number: fetch or copy it again."
        )
    return value


def prediction_type(base: Path) -> str:
    """What a base folder says that its UNet predicts; ``epsilon`` where it says nothing.

    Raises:
        WeightsError: its scheduler's config is damaged, or says something unknown.
    """
    path = base / "scheduler" / SCHEDULER_CONFIG
    return checked_prediction_type(_read_table(path) if path.is_file() else {}, str(path))


def checked_prediction_type(config: Mapping[str, Any], source: str) -> str:
    """What the UNet predicts, by a scheduler's config; ``epsilon`` where it says nothing.

    Args:
        config: the config.
        source: where it stands, for the sentence.

    Raises:
        WeightsError: the value is unknown.
    """
    found = config.get("prediction_type", "epsilon")
    if found not in PREDICTION_TYPES:
        raise WeightsError(
            f"{source} says prediction_type {found!r}, but it must be one of {', '.join(PREDICTION_TYPES)}: "
            "fetch or copy it again."
        )
    return str(found)


def component_files(folder: Path) -> list[Path]:
    """The files of weights that are loaded from a component's folder.

    Safetensors win over ``.bin``, and full weights over the ``fp16`` variant; other files that may lie there
    (``non_ema``) are not among them.

    Raises:
        WeightsError: there are none, or the index of a sharded file names one that is missing.
    """
    for suffix in (".safetensors", ".bin"):
        for variant in ("", FP16):
            for stem in ("diffusion_pytorch_model", "model", "pytorch_model"):
                index = folder / f"{stem}{suffix}.index{variant}.json"
                if index.is_file():
                    return _shards(index, suffix)
                if (folder / f"{stem}{variant}{suffix}").is_file():
                    return [folder / f"{stem}{variant}{suffix}"]
    raise WeightsError(f"{folder} holds no weights: a complete diffusers folder was needed.")


def _shards(index: Path, suffix: str) -> list[Path]:
    """The files that the index of a sharded file names; all of them lie beside it."""
    table = _read_table(index).get("weight_map")
    names = {str(name) for name in table.values()} if isinstance(table, dict) else set()
    if not names or any(name != Path(name).name or not name.endswith(suffix) or "\\" in name for name in names):
        raise WeightsError(f"{index} names no files beside it: fetch or copy it again.")
    return sorted(index.parent / name for name in names)


def variant_of(base: Path) -> str | None:
    """What ``variant`` diffusers has to be told to load the components of a base folder: ``fp16``, or nothing.

    Raises:
        WeightsError: a component has no weights.
    """
    only = [all(FP16 in path.name for path in component_files(base / name)) for name in COMPONENTS]
    return FP16.removeprefix(".") if any(only) else None


def _check_complete(base: Path) -> None:
    """The weights of every component are there and whole, and so are the tokenizer's words.

    Without its files transformers makes a tokenizer that knows no words, and says nothing.
    """
    for name in COMPONENTS:
        for path in component_files(base / name):
            if path.suffix == ".safetensors":
                read_header(path)
    tokenizer = base / "tokenizer"
    if (tokenizer / "vocab.json").is_file():
        _read_table(tokenizer / "vocab.json")
    words = all((tokenizer / name).is_file() for name in ("vocab.json", "merges.txt"))
    if not words and not (tokenizer / "tokenizer.json").is_file():
        raise WeightsError(f"{tokenizer} holds no vocab.json and merges.txt: a complete diffusers folder was needed.")


def check_offsets_fit(name: str, offsets: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Check key by key that an IC-Light file fits a base.

    Args:
        name: of the file.
        offsets: shapes of its tensors, by their names in diffusers.
        wanted: shapes of the base UNet's tensors, whose ``conv_in`` has been widened to the file's.

    Raises:
        WeightsError: keys are missing or strange, or a shape differs.
    """
    missing = [key for key in wanted if key not in offsets]
    strange = [key for key in offsets if key not in wanted]
    if missing or strange:
        raise WeightsError(
            f"{name} does not fit the base: {len(missing)} of its UNet's keys are missing and "
            f"{len(strange)} are strange (like {shown((missing + strange)[0])}): an IC-Light file for SD1.5 was needed."
        )
    for key, shape in wanted.items():
        if offsets[key] != shape:
            raise WeightsError(
                f"{name} does not fit the base: {key} is {_sizes(offsets[key])} in the file and "
                f"{_sizes(shape)} in the base{_family_hint(key, shape)}; IC-Light's offsets fit SD1.5 only."
            )


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _family_hint(key: str, shape: tuple[int, ...]) -> str:
    """What the base is, where the width of the texts that it reads says so."""
    family = OTHERS_BY_TEXTS.get(shape[-1]) if key.endswith("attn2.to_k.weight") else None
    return "" if family is None else f" ({family.model})"
