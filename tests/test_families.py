"""One table of widths tells the families apart in files of weights, in LoRAs and in what does not fit a base."""

from __future__ import annotations

from pathlib import Path

import pytest

from iclight_local.checkpoints import check_offsets_fit
from iclight_local.errors import WeightsError
from iclight_local.families import OTHERS_BY_TEXTS, SD15_TEXTS
from iclight_local.headers import Header
from iclight_local.layouts.identify import identify
from iclight_local.layouts.lora import check_lora
from tests.engines.lora_files import write_tensors
from tests.layouts.test_identify import UNET, reading

ATTENTION = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"
KEY = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"


@pytest.mark.parametrize(("width", "kind"), [(1024, "sd2"), (1280, "sdxl"), (2048, "sdxl")])
def test_all_who_ask_hear_the_same(width: int, kind: str, tmp_path: Path) -> None:
    family = OTHERS_BY_TEXTS[width]
    assert family.kind == kind == identify(Header(Path("x.safetensors"), reading(UNET, width))).kind
    with pytest.raises(WeightsError, match=f"is a LoRA for {family.name}, and one for SD1"):
        check_lora(write_tensors(tmp_path / "lora.safetensors", {ATTENTION: (4, width)}), {}, "any")
    with pytest.raises(WeightsError, match=rf"320x{width} in the base \({family.model}\); IC-Light's offsets"):
        check_offsets_fit("x", {KEY: (320, SD15_TEXTS)}, {KEY: (320, width)})


def test_sd15_is_none_of_them() -> None:
    assert SD15_TEXTS not in OTHERS_BY_TEXTS
