"""From a base UNet and an IC-Light file to one UNet, tensor by tensor: no second copy of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel

from iclight_local.checkpoints import check_offsets_fit, component_files, read_config
from iclight_local.headers import Header, read_header
from iclight_local.layouts.configs import unet_config
from iclight_local.layouts.identify import identify
from iclight_local.pipelines.hub import hub_options
from iclight_local.pipelines.tensors import (
    Reader,
    Stored,
    check_complete,
    fill,
    skeleton,
    stored_files,
    stored_part,
    weight_shapes,
)

CONV_IN = "conv_in.weight"


@dataclass(frozen=True)
class BaseUNet:
    """A base's UNet before it is loaded.

    Attributes:
        name: of the base, for sentences.
        config: of diffusers' class.
        shapes: of its tensors.
        read: a tensor by its name.
    """

    name: str
    config: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]
    read: Callable[[str], torch.Tensor]


def load_merged_unet(base: str, iclight: Path, options: Mapping[str, Any], dtype: torch.dtype) -> UNet2DConditionModel:
    """Load a base UNet, widen its ``conv_in`` with zeros and add the offsets key by key, each in float32.

    Every tensor is read, added and cast before the next one, so that the peak memory is that of the finished UNet. An
    IC-Light file that holds a merged UNet takes the base UNet's place.

    Args:
        base: a diffusers folder, a single file, or a repository on the hub.
        iclight: the offsets or the merged UNet, in diffusers', ldm's or refiners' keys.
        options: arguments of ``DiffusionPipeline.from_pretrained``; those about files are handed on.
        dtype: precision of the finished UNet.

    Raises:
        WeightsError: the two do not fit.
    """
    header = read_header(iclight)
    with Reader() as reader:
        parts = stored_part(iclight, "unet")
        width = parts[CONV_IN].shape[1]
        plain = _base_unet(base, reader, options)
        unet = skeleton(partial(UNet2DConditionModel.from_config, {**plain.config, "in_channels": width}))
        wanted = weight_shapes(unet)
        narrow = (wanted[CONV_IN][0], plain.config.get("in_channels", 4), *wanted[CONV_IN][2:])
        check_complete(plain.shapes, {**wanted, CONV_IN: narrow}, f"The UNet of {plain.name}")
        check_offsets_fit(iclight.name, {name: stored.shape for name, stored in parts.items()}, wanted)

        merged = _is_merged(header, parts, plain, reader)

        def value(name: str) -> torch.Tensor:
            added = reader.read(parts[name])
            return added if merged else _sum(plain.read(name).float(), added.float())

        fill(unet, value, dtype)
    return unet


def _is_merged(header: Header, parts: Mapping[str, Stored], plain: BaseUNet, reader: Reader) -> bool:
    """Whether an IC-Light file holds a merged UNet: its norms' weights then are nearer to the base's than to zero."""
    found = identify(header)
    if not found.ambiguous:
        return found.kind.startswith("merged")
    norms = [name for name, stored in parts.items() if name.endswith(".weight") and len(stored.shape) == 1]
    own = torch.cat([reader.read(parts[name]).float() for name in norms])
    base = torch.cat([plain.read(name).float() for name in norms])
    return bool((own - base).norm() < own.norm())


def _sum(plain: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
    """A tensor of the base plus its offset; behind a base's ``conv_in`` come zeros."""
    if plain.shape != added.shape:
        wide = torch.zeros(added.shape)
        wide[:, : plain.shape[1]] = plain
        plain = wide
    return plain + added


def _base_unet(base: str, reader: Reader, options: Mapping[str, Any]) -> BaseUNet:
    """The UNet of a base of any layout."""
    path = Path(base)
    if path.is_file():
        parts = stored_part(path, "unet")
        config = unet_config({name: stored.shape for name, stored in parts.items()})
    elif path.is_dir():
        parts, config = stored_files(component_files(path / "unet")), read_config(path / "unet")
    else:
        return _hub_unet(base, options)
    shapes = {name: stored.shape for name, stored in parts.items()}
    return BaseUNet(base, config, shapes, lambda name: reader.read(parts[name]))


def _hub_unet(base: str, options: Mapping[str, Any]) -> BaseUNet:
    unet = UNet2DConditionModel.from_pretrained(
        base, subfolder="unet", torch_dtype=torch.float32, **hub_options(options)
    )
    return BaseUNet(base, unet.config, weight_shapes(unet), unet.state_dict().__getitem__)
