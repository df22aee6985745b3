"""The faster ways on the CPU in an engine: beside LoRAs, several models, a compiler and int8."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lora_files import write_lora
from relights import asked, local, pixels

from iclight_local.engines.local import LocalEngine
from iclight_local.pipelines import lossless, packed, winograd
from iclight_local.pipelines.winograd import WinogradConv2d
from iclight_local.request import ModelName


@pytest.fixture(autouse=True)
def every_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """The random bundle is narrow: let it in."""
    assert lossless._can(lossless.WINOGRAD) and lossless._can(lossless.PACKED)
    monkeypatch.setattr(winograd, "FEWEST_CHANNELS", 1)
    monkeypatch.setattr(packed, "FEWEST", 8)


def quick_layers(model: torch.nn.Module) -> int:
    return sum(isinstance(module, WinogradConv2d) for module in model.modules())


def test_a_lora_of_rank_64(tmp_path: Path, first: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the preset fast lays on the weights."""
    lora = f"{write_lora(tmp_path / 'rank64.safetensors', rank=64)}:0.05"
    quick = local(lora=lora).relight(asked())
    assert quick.record["engine"]["computed_by"] == "winograd, packed"
    monkeypatch.setattr(lossless, "_can", lambda way: False)
    plain = local(lora=lora).relight(asked())
    assert "computed_by" not in plain.record["engine"]
    off = np.abs(pixels(quick.images[0]).astype(int) - pixels(plain.images[0]))
    assert off.max() <= 1
    assert np.abs(pixels(quick.images[0]).astype(int) - first).max() > 2, "it does something"


def test_models_find_the_same_in_whichever_order_they_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(*models: ModelName) -> dict[str, int]:
        engine = local()
        unets = {name: quick_layers(engine.load(name).unet) for name in models}
        return {**unets, "vae": quick_layers(engine.load("fc").vae)}

    everything = loaded("fc", "fbc")
    with monkeypatch.context() as patch:
        patch.setattr(lossless, "_can", lambda way: False)
        plain = local().load("fc")
    # Both have a part of what they could take.
    memory = 10 * (3 * lossless._bytes(plain.unet) + lossless._bytes(plain.vae))
    monkeypatch.setattr(lossless, "own_memory", lambda: memory)
    monkeypatch.setattr(lossless, "SHARE", memory // lossless._bytes(plain.vae))
    forth, back = loaded("fc", "fcon", "fbc"), loaded("fbc", "fcon", "fc")
    assert forth == back
    assert 0 < forth["fc"] == forth["fcon"] == forth["fbc"] < everything["fc"]
    assert 0 < forth["vae"] < everything["vae"]


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "unused")


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_compiler_looks_into_the_autoencoder(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And into the UNet, where that is not computed in int8, which torch cannot compile."""
    monkeypatch.setattr("iclight_local.engines.loading._use_int8", use_nothing)
    compiled, plain = (local(precision=precision, compile=compile).load("fc") for compile in ("on", "off"))
    assert quick_layers(compiled.vae) == quick_layers(compiled.unet) == 0
    assert quick_layers(plain.vae) > 0
    assert (quick_layers(plain.unet) > 0) == (precision == "fp32")


def use_nothing(engine: LocalEngine, *others: Any) -> None:
    """In place of a conversion to int8."""
