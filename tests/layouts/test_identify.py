"""What a file is, from its header alone, and one sentence for each that does not serve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from iclight_local.errors import WeightsError
from iclight_local.headers import Header, TensorInfo, read_header
from iclight_local.layouts.identify import Identified, identify, settle
from iclight_local.layouts.purpose import Purpose, check_use, chosen_model, model_by_name
from iclight_local.layouts.refiners import unet_to_refiners
from iclight_local.layouts.unet import unet_to_ldm
from iclight_local.layouts.vae import conv_shape, vae_to_ldm

BUNDLE = Path(__file__).parents[1] / "goldens" / "bundle"
Tensors = Mapping[str, TensorInfo]


def tensors(*parts: str) -> Tensors:
    return read_header(BUNDLE.joinpath(*parts)).tensors


UNET = tensors("base", "unet", "diffusion_pytorch_model.safetensors")
VAE = tensors("base", "vae", "diffusion_pytorch_model.safetensors")
TEXT = tensors("base", "text_encoder", "model.safetensors")
FC, FBC = tensors("iclight_sd15_fc.safetensors"), tensors("iclight_sd15_fbc.safetensors")
LDM = "model.diffusion_model."


def ldm(unet: Tensors, prefix: str = LDM) -> Tensors:
    return {prefix + new: unet[old] for old, new in unet_to_ldm(unet).items()}


def refiners(unet: Tensors, prefix: str = "") -> Tensors:
    return {prefix + new: unet[old] for old, new in unet_to_refiners(unet).items()}


LDM_VAE = {
    f"first_stage_model.{new}": TensorInfo(VAE[old].dtype, conv_shape(old, VAE[old].shape))
    for old, new in vae_to_ldm(VAE).items()
}
LDM_TEXT = {f"cond_stage_model.transformer.{key}": info for key, info in TEXT.items()}
BASE = {**ldm(UNET), **LDM_VAE, **LDM_TEXT}


def widened(unet: Tensors, channels: int) -> Tensors:
    conv_in = next(key for key in unet if key.endswith(("conv_in.weight", "input_blocks.0.0.weight")))
    out, _, *kernel = unet[conv_in].shape
    return {**unet, conv_in: TensorInfo(unet[conv_in].dtype, (out, channels, *kernel))}


def reading(unet: Tensors, width: int) -> Tensors:
    """A UNet that reads texts of another width."""
    wide = {key: TensorInfo(i.dtype, (i.shape[0], width)) for key, i in unet.items() if "attn2.to_k." in key}
    return {**unet, **wide}


def stored(found: Tensors, dtype: str) -> Tensors:
    return {key: TensorInfo(dtype, info.shape) for key, info in found.items()}


def named(*keys: str, shape: tuple[int, ...] = (8, 8)) -> Tensors:
    return {key: TensorInfo("F16", shape) for key in keys}


def told(found: Tensors) -> Identified:
    return identify(Header(Path("x.safetensors"), found))


KINDS: dict[str, tuple[Tensors, str, str]] = {
    "base": (BASE, "base-ldm", "a single-file SD1.5 model (ldm keys) with a VAE and a text encoder (fp32)"),
    "base-without-vae": (
        {**ldm(UNET), **LDM_TEXT}, "base-ldm",
        "a single-file SD1.5 model (ldm keys) without a VAE and with a text encoder (fp32)"),
    "unet": (UNET, "unet-diffusers", "a plain SD1.5 UNet alone (4 input channels, diffusers keys) (fp32)"),
    "unet-ldm": (ldm(UNET), "unet-ldm", "a plain SD1.5 UNet alone (4 input channels, ldm keys) (fp32)"),
    "fc": (FC, "offsets-diffusers",
           "the offsets or the merged UNet of IC-Light fc or fcon (8 input channels, diffusers keys) (fp16)"),
    "fbc": (FBC, "offsets-diffusers",
            "the offsets or the merged UNet of IC-Light fbc (12 input channels, diffusers keys) (fp16)"),
    "fc-ldm": (ldm(FC), "offsets-ldm",
               "the offsets or the merged UNet of IC-Light fc or fcon (8 input channels, ldm keys) (fp16)"),
    "fbc-short-prefix": (ldm(FBC, "diffusion_model."), "offsets-ldm",
                         "the offsets or the merged UNet of IC-Light fbc (12 input channels, ldm keys) (fp16)"),
    "fbc-no-prefix": (stored(ldm(FBC, ""), "BF16"), "offsets-ldm",
                      "the offsets or the merged UNet of IC-Light fbc (12 input channels, ldm keys) (bf16)"),
    "fc-refiners": (refiners(FC), "offsets-refiners",
                    "the offsets or the merged UNet of IC-Light fc or fcon (8 input channels, refiners keys) (fp16)"),
    "fbc-refiners": (refiners(FBC, "unet."), "offsets-refiners",
                     "the offsets or the merged UNet of IC-Light fbc (12 input channels, refiners keys) (fp16)"),
    "unet-refiners": (refiners(UNET), "unet-refiners",
                      "a plain SD1.5 UNet alone (4 input channels, refiners keys) (fp32)"),
    "inpainting-refiners": (refiners(widened(UNET, 9)), "inpainting", "an inpainting model (9 input channels) (fp32)"),
    "sixteen-refiners": (refiners(widened(UNET, 16)), "unknown",
                         "no known kind of weights (a UNet with 16 input and 4 output channels) (fp32)"),
    "sd2-refiners": (refiners(reading(UNET, 1024)), "sd2", "an SD2 model (fp32)"),
    "sdxl-refiners": (named("TimestepEncoder.Sum.TextTimeEmbedding.Linear_1.weight"), "sdxl", "an SDXL model (fp16)"),
    "merged-whole": (
        {**ldm(FBC), **LDM_VAE, **LDM_TEXT}, "merged-unet-ldm",
        "a merged UNet of IC-Light fbc (12 input channels, ldm keys) with a VAE and a text encoder (fp16 and fp32)"),
    "vae": (VAE, "vae", "a VAE alone (fp32)"),
    "vae-ldm": (LDM_VAE, "vae", "a VAE alone (fp32)"),
    "text": (TEXT, "text-encoder", "a text encoder alone (fp32)"),
    "inpainting": (widened(UNET, 9), "inpainting", "an inpainting model (9 input channels) (fp32)"),
    "inpainting-ldm": (widened(BASE, 9), "inpainting", "an inpainting model (9 input channels) (fp32)"),
    "depth": (widened(UNET, 5), "unknown",
              "no known kind of weights (a UNet with 5 input and 4 output channels) (fp32)"),
    "sixteen": (widened(UNET, 16), "unknown",
                "no known kind of weights (a UNet with 16 input and 4 output channels) (fp32)"),
    "sd2": (reading(UNET, 1024), "sd2", "an SD2 model (fp32)"),
    "sd2-inpainting": (widened(reading(ldm(UNET), 1024), 9), "sd2", "an SD2 model (fp32)"),
    "sd2-ldm": ({**ldm(UNET), **named("cond_stage_model.model.ln_final.weight")}, "sd2",
                "an SD2 model (fp32)"),
    "sdxl": (reading(UNET, 2048), "sdxl", "an SDXL model (fp32)"),
    "sdxl-diffusers": ({**UNET, **named("add_embedding.linear_1.weight")}, "sdxl", "an SDXL model (fp16 and fp32)"),
    "sdxl-ldm": (named("conditioner.embedders.0.transformer.x", LDM + "label_emb.0.0.weight"), "sdxl",
                 "an SDXL model (fp16)"),
    "lora-kohya": (named("lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight"), "lora", "a LoRA (fp16)"),
    "lora-peft": (named("unet.mid_block.attentions.0.to_k.lora_A.weight"), "lora", "a LoRA (fp16)"),
    "lora-diffusers": (named("unet.mid_block.to_k_lora.down.weight"), "lora", "a LoRA (fp16)"),
    "lora-loha": (named("x.hada_w1_a"), "lora", "a LoRA (fp16)"),
    "controlnet": ({**UNET, **named("controlnet_cond_embedding.conv_in.weight")}, "controlnet",
                   "a ControlNet (fp16 and fp32)"),
    "controlnet-ldm": (named("control_model.input_blocks.0.0.weight"), "controlnet", "a ControlNet (fp16)"),
    "flux": (named(LDM + "double_blocks.0.img_attn.qkv.weight"), "flux", "a Flux model (fp16)"),
    "flux-diffusers": (named("single_transformer_blocks.0.x", "transformer_blocks.0.attn.add_k_proj.weight"), "flux",
                       "a Flux model (fp16)"),
    "sd3": (named(LDM + "joint_blocks.0.context_block.x"), "sd3", "an SD3 model (fp16)"),
    "lcm": ({**ldm(UNET), **named(LDM + "time_embed.cond_proj.weight")}, "lcm",
            "a distilled LCM model (fp16 and fp32)"),
    "base-with-lora": ({**BASE, **named("lora_unet_x.lora_down.weight")}, "base-ldm",
                       "a single-file SD1.5 model (ldm keys) with a VAE and a text encoder (fp32)"),
    "base-with-a-schedule": ({**BASE, "alphas_cumprod": TensorInfo("F64", (1000,))}, "base-ldm",
                             "a single-file SD1.5 model (ldm keys) with a VAE and a text encoder (fp32)"),
    "vae-of-flux": ({key: info for key, info in LDM_VAE.items() if "quant_conv" not in key}, "unknown",
                    "no known kind of weights (its first key is first_stage_model.decoder.conv_in.bias) (fp32)"),
    "control-characters": (named("a\nb\x1b[31m"), "unknown",
                           r"no known kind of weights (its first key is 'a\nb\x1b[31m') (fp16)"),
    "embedding": (named("emb_params"), "unknown", "no known kind of weights (its first key is emb_params) (fp16)"),
    "flat-conv": (named("conv_in.weight", "conv_out.weight"), "unknown",
                  "no known kind of weights (its first key is conv_in.weight) (fp16)"),
    "no-widths": ({**named("a.attn2.to_k.weight", shape=()), **UNET}, "unet-diffusers",
                  "a plain SD1.5 UNet alone (4 input channels, diffusers keys) (fp16 and fp32)"),
    "empty": ({}, "unknown", "no known kind of weights (it holds no tensor)"),
}  # fmt: skip


@pytest.mark.parametrize(("found", "kind", "what"), KINDS.values(), ids=KINDS)
def test_what_a_file_is(found: Tensors, kind: str, what: str) -> None:
    result = told(found)
    assert result.kind == kind
    assert result.description == f"x.safetensors is {what}."


def test_what_is_inside() -> None:
    base = told(BASE)
    assert (base.has_vae, base.has_text_encoder, base.in_channels, base.latent_channels) == (True, True, 4, 4)
    assert (base.models, base.ambiguous, base.dtypes) == ((), False, ("F32",))
    assert "model.diffusion_model.out.0.weight" in base.probes
    assert told({**BASE, "betas": TensorInfo("I64", (10,))}).dtypes == ("F32",)
    fc, fbc = told(FC), told(ldm(FBC))
    assert (fc.models, fc.ambiguous, fbc.models, fbc.ambiguous) == (("fc", "fcon"), True, ("fbc",), True)
    probes = told(refiners(FC)).probes
    assert len(probes) == len(fc.probes) and "Chain.GroupNorm.weight" in probes
    assert set(fc.probes) == {key for key in FC if "norm" in key and key.endswith(".weight")}
    assert len(fbc.probes) == len(fc.probes) and LDM + "out.0.weight" in fbc.probes
    whole = told({**ldm(FBC), **LDM_VAE})
    assert (whole.models, whole.ambiguous, whole.has_vae, whole.has_text_encoder) == (("fbc",), False, True, False)


def test_no_name_is_looked_at() -> None:
    for name in ("iclight_sd15_fcon.safetensors", "sdxl_lora_fbc.safetensors"):
        assert identify(Header(Path(name), FC)).models == ("fc", "fcon")


def test_latents_of_other_widths() -> None:
    out = {key: TensorInfo("F32", (16, *UNET[key].shape[1:])) for key in ("conv_out.weight",)}
    assert told({**widened(UNET, 16), **out}).kind == "unet-diffusers"
    assert told({**widened(UNET, 32), **out}).models == ("fc", "fcon")
    assert told({**widened(UNET, 48), **out}).models == ("fbc",)
    assert told({**widened(UNET, 33), **out}).kind == "inpainting"


@pytest.mark.parametrize(
    ("found", "merged"),
    [(FC, "merged-unet-diffusers"), (ldm(FC), "merged-unet-ldm"), (refiners(FC), "merged-unet-refiners")],
    ids=["diffusers", "ldm", "refiners"],
)
def test_offsets_are_told_from_a_merged_unet(found: Tensors, merged: str) -> None:
    result = told(found)
    noise = np.random.default_rng(1).normal(0, 1, 32).astype(np.float16)
    for values, kind in ((0.005 * noise, result.kind), (0.3 * noise, result.kind), (1 + 0.3 * noise, merged)):
        settled = settle(result, values)
        assert (settled.kind, settled.ambiguous, settled.models) == (kind, False, result.models)
        assert settle(settled, 1 - values) is settled
    what = f"IC-Light fc or fcon (8 input channels, {merged.removeprefix('merged-unet-')} keys) (fp16)."
    assert settle(result, 0 * noise).description == f"x.safetensors is the offsets of {what}"
    assert settle(result, 0 * noise + 1).description == f"x.safetensors is a merged UNet of {what}"
    for damaged in (np.array([]), np.array([1, np.nan]), np.array([np.inf])):
        with pytest.raises(WeightsError, match=r"^x\.safetensors holds no numbers in .*: fetch or copy it again\.$"):
            settle(result, damaged)


def test_the_files_of_a_bundle_are_settled() -> None:
    """The values of a real pair of files: the random offsets, and the base with its input widened to pose as merged."""
    for file, found, kind in (
        (BUNDLE / "iclight_sd15_fbc.safetensors", FBC, "offsets-diffusers"),
        (BUNDLE / "base" / "unet" / "diffusion_pytorch_model.safetensors", widened(UNET, 8), "merged-unet-diffusers"),
    ):
        result = told(found)
        with safe_open(file, framework="np") as values:
            norms = np.concatenate([values.get_tensor(key) for key in result.probes])
        assert settle(result, norms).kind == kind


WHOLE = ("base", "base-with-lora", "base-with-a-schedule")
SERVES = {
    "base": {*WHOLE},
    "iclight": {
        "fc",
        "fbc",
        "fc-ldm",
        "fbc-short-prefix",
        "fbc-no-prefix",
        "fc-refiners",
        "fbc-refiners",
        "merged-whole",
    },
    "unet": {*WHOLE, "base-without-vae", "unet", "unet-ldm", "unet-refiners", "no-widths"},
    "vae": {*WHOLE, "vae", "vae-ldm", "merged-whole", "inpainting-ldm"},
    "text_encoder": {*WHOLE, "base-without-vae", "text", "merged-whole", "inpainting-ldm"},
}


@pytest.mark.parametrize("purpose", SERVES)
@pytest.mark.parametrize("name", KINDS)
def test_what_serves(name: str, purpose: Purpose) -> None:
    result = told(KINDS[name][0])
    if name in SERVES[purpose]:
        check_use(result, purpose)
        return
    with pytest.raises(WeightsError) as error:
        check_use(result, purpose)
    sentence = str(error.value)
    assert sentence.startswith(f"x.safetensors is {result.what}, and ") and "\n" not in sentence
    assert " was needed" in sentence and sentence.endswith(".")


@pytest.mark.parametrize(
    ("name", "purpose", "sentence"),
    [
        ("lora-kohya", "iclight",
         "x.safetensors is a LoRA, and an IC-Light file for SD1.5 with 8 (fc, fcon) or 12 (fbc) input channels was "
         "needed; a LoRA is loaded on top of a model, not in the place of one."),
        ("base", "iclight",
         "x.safetensors is a single-file SD1.5 model (ldm keys) with a VAE and a text encoder, and an IC-Light file "
         "for SD1.5 with 8 (fc, fcon) or 12 (fbc) input channels was needed; this one can serve as the base."),
        ("fbc", "base",
         "x.safetensors is the offsets or the merged UNet of IC-Light fbc (12 input channels, diffusers keys), and a "
         "plain SD1.5 model with a VAE and a text encoder was needed; this one goes on top of such a base."),
        ("inpainting-ldm", "base",
         "x.safetensors is an inpainting model (9 input channels), and a plain SD1.5 model with a VAE and a text "
         "encoder was needed."),
        ("sdxl", "vae", "x.safetensors is an SDXL model, and the VAE of an SD1.5 model was needed."),
    ],
)  # fmt: skip
def test_sentences(name: str, purpose: Purpose, sentence: str) -> None:
    with pytest.raises(WeightsError) as error:
        check_use(told(KINDS[name][0]), purpose)
    assert str(error.value) == sentence


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32"])
def test_precisions_that_serve(dtype: str) -> None:
    check_use(told(stored(FC, dtype)), "iclight")


@pytest.mark.parametrize(("dtype", "words"), [("F8_E4M3", "F8_E4M3"), ("F64", "fp64"), ("I8", "whole numbers")])
def test_precisions_that_do_not(dtype: str, words: str) -> None:
    with pytest.raises(WeightsError, match=rf"^x\.safetensors is stored in {words}, and fp16, bf16 or fp32 was needed"):
        check_use(told(stored(BASE, dtype)), "base")


def test_the_chosen_model() -> None:
    fc, fbc = told(FC), told(FBC)
    assert [chosen_model(fc, asked) for asked in (None, "fc", "fcon")] == ["fc", "fc", "fcon"]
    assert chosen_model(fbc, None) == chosen_model(fbc, "fbc") == "fbc"
    with pytest.raises(
        WeightsError, match=r"holds model fc or fcon \(8 input channels\) and fbc was asked for: give a"
    ):
        chosen_model(fc, "fbc")
    with pytest.raises(WeightsError, match=r"ask for fbc\.$"):
        chosen_model(fbc, "fc")
    with pytest.raises(WeightsError, match="a VAE alone, and an IC-Light file"):
        chosen_model(told(VAE), "fc")


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("iclight_sd15_fc.safetensors", "fc"),
        ("iclight_sd15_fcon.safetensors", "fcon"),
        ("x_FCON.safetensors", "fcon"),
        ("fc_and_fcon.safetensors", "fcon"),
        ("fbc.safetensors", None),
        ("x.safetensors", None),
    ],
)
def test_the_model_that_a_name_says(name: str, model: str | None) -> None:
    assert model_by_name(name, ("fc", "fcon")) == model
    assert chosen_model(replace(told(FC), name=name), None) == ("fc" if model is None else model)
    assert model_by_name(name, ("fbc",)) == ("fbc" if "fbc" in name else None)
