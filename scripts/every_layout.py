"""Build SD1.5 weights with random values in every layout that users have, and relight one picture with each.

    scripts/every_layout.py --out DIR [--tiny] [--only NAME,…]

Full size is SD1.5's (about 10 GB in DIR, one layout at a time beside the first). The picture of each is compared with
that of the diffusers folder: in float32 they are the same to one grey level. A table goes to DIR/layouts.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

from iclight_local import ICLightPipeline
from iclight_local.checkpoints import COMPONENTS
from iclight_local.layouts.refiners import unet_to_refiners
from iclight_local.layouts.text import WRAPPER
from iclight_local.layouts.unet import unet_to_ldm
from iclight_local.layouts.vae import conv_shape, vae_to_ldm
from iclight_local.pipelines.loading import default_scheduler
from iclight_local.pipelines.single_file import clip_tokenizer, load_vae

State = dict[str, torch.Tensor]
Layout = Callable[["Weights", Path], tuple[Path, Path]]
LDM_UNET = "model.diffusion_model."
SMALLEST = 2.0**-14
"""Smallest normal number of fp16: smaller values are made zero, so that every precision stores the same ones."""
KNOBS = {"prompt": "sunset over sea", "light_source": "left", "width": 256, "height": 256, "steps": 1,
         "lowres_denoise": 1.0, "highres_scale": 1.0, "highres_denoise": 1.0, "seed": 12345}  # fmt: skip


class Weights:
    """Random weights of a base and of fc's offsets, as a diffusers folder writes them.

    Attributes:
        unet, vae, text_encoder: the base.
        offsets: fc's, by the names of the UNet's tensors.
    """

    def __init__(self, tiny: bool) -> None:
        torch.manual_seed(0)
        widths = (32, 64, 64, 64) if tiny else (320, 640, 1280, 1280)
        context = 64 if tiny else 768
        self.unet = UNet2DConditionModel(
            block_out_channels=widths, cross_attention_dim=context, attention_head_dim=8, sample_size=64
        )
        levels = len(widths)
        self.vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=(32, 32, 64, 64) if tiny else (128, 256, 512, 512),
            layers_per_block=2,
            sample_size=512,
        )
        depth = {"num_hidden_layers": 2, "num_attention_heads": 1} if tiny else {"num_hidden_layers": 12}
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                **{"num_attention_heads": 12, **depth},
                hidden_size=context,
                intermediate_size=4 * context,
                vocab_size=49408,
                bos_token_id=49406,
                eos_token_id=49407,
            )
        )
        for model in (self.unet, self.vae, self.text_encoder):
            model.load_state_dict({key: exact(value) for key, value in model.state_dict().items()})
        self.offsets = {key: exact(0.02 * torch.randn_like(value)) for key, value in self.unet.state_dict().items()}
        conv_in = self.offsets["conv_in.weight"]
        self.offsets["conv_in.weight"] = exact(0.02 * torch.randn(conv_in.shape[0], 8, 3, 3))

    @property
    def merged(self) -> State:
        """The base UNet with the offsets added."""
        state = {
            key: value + self.offsets[key] for key, value in self.unet.state_dict().items() if "conv_in.w" not in key
        }
        wide = self.offsets["conv_in.weight"].clone()
        wide[:, :4] += self.unet.conv_in.weight.detach()
        return {"conv_in.weight": wide, **state}

    def folder(self, path: Path, variant: str | None = None, pickled: bool = False) -> Path:
        """The base as a diffusers folder."""
        how = {"variant": variant, "safe_serialization": not pickled}
        for name in COMPONENTS:
            getattr(self, name).save_pretrained(path / name, **({} if name == "text_encoder" else how))
        text = path / "text_encoder" / "model.safetensors"
        if variant is not None:
            text.rename(text.with_name(f"model.{variant}.safetensors"))
        if pickled:
            torch.save(self.text_encoder.state_dict(), text.with_name("pytorch_model.bin"))
            text.unlink()
        clip_tokenizer().save_pretrained(path / "tokenizer")
        default_scheduler().save_pretrained(path / "scheduler")
        parts = {"unet": self.unet, "vae": self.vae, "text_encoder": self.text_encoder}
        index = {name: [type(part).__module__.split(".")[0], type(part).__name__] for name, part in parts.items()}
        index |= {
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
        }
        (path / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline", **index}))
        return path

    def single(self, path: Path, dtype: torch.dtype) -> Path:
        """The base as one file in CompVis' keys."""
        parts = (self.unet, self.vae, self.text_encoder)
        return saved(single_file(*(part.state_dict() for part in parts)), path, dtype)


def exact(value: torch.Tensor) -> torch.Tensor:
    """Values that fp16, bf16 and fp32 all hold."""
    if not value.is_floating_point():
        return value
    short = value.to(torch.bfloat16).float()
    return torch.where(short.abs() < SMALLEST, torch.zeros_like(short), short)


def saved(state: State, path: Path, dtype: torch.dtype) -> Path:
    """Write tensors in one precision."""
    path.parent.mkdir(parents=True, exist_ok=True)
    floats = {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}
    save_file({key: value.contiguous() for key, value in floats.items()}, path, metadata={"format": "pt"})
    return path


def ldm_unet(state: State, prefix: str = LDM_UNET) -> State:
    """A UNet in CompVis' keys."""
    return {prefix + new: state[old] for old, new in unet_to_ldm(state).items()}


def refiners_unet(state: State) -> State:
    """A UNet in the keys of the library refiners."""
    return {new: state[old] for old, new in unet_to_refiners(state).items()}


def ldm_vae(state: State, prefix: str = "first_stage_model.") -> State:
    """An autoencoder in CompVis' keys and shapes."""
    names = vae_to_ldm(state)
    return {prefix + new: state[old].reshape(conv_shape(old, tuple(state[old].shape))) for old, new in names.items()}


def ldm_text(state: State, prefix: str = "cond_stage_model.transformer.") -> State:
    """A text encoder in CompVis' keys, with the counters that real files have."""
    bare = {key.removeprefix(WRAPPER): value for key, value in state.items()}
    counters = {f"{prefix}{WRAPPER}embeddings.position_ids": torch.arange(77)[None]}
    return {**counters, **{prefix + WRAPPER + key: value for key, value in bare.items()}}


def single_file(unet: State, vae: State, text: State) -> State:
    """A checkpoint as CompVis saves it, with the tensors beside the weights that real ones have."""
    beside = {"betas": torch.zeros(10), "model_ema.decay": torch.zeros(()), "model_ema.num_updates": torch.tensor(1)}
    return {**ldm_unet(unet), **ldm_vae(vae), **ldm_text(text), **beside}


def prefixed(state: State, prefix: str) -> State:
    """The same tensors with something before each name."""
    return {prefix + key: value for key, value in state.items()}


HALF, BRAIN, FULL = torch.float16, torch.bfloat16, torch.float32
BASES: dict[str, Callable[[Weights, Path], Path]] = {
    "folder": lambda weights, out: weights.folder(out / "base"),
    "folder, fp16 variant": lambda weights, out: weights.folder(out / "base", variant="fp16"),
    "folder of .bin": lambda weights, out: weights.folder(out / "base", pickled=True),
    "single file, ldm keys, fp16": lambda weights, out: weights.single(out / "model.safetensors", HALF),
    "single file, ldm keys, fp32": lambda weights, out: weights.single(out / "model.safetensors", FULL),
}
"""Layouts of a base; each is loaded with the plain offsets."""
FILES: dict[str, Callable[[Weights, Path], Path]] = {
    "offsets, fp16": lambda weights, out: saved(weights.offsets, out, HALF),
    "offsets, bf16": lambda weights, out: saved(weights.offsets, out, BRAIN),
    "offsets, fp32": lambda weights, out: saved(weights.offsets, out, FULL),
    "offsets, ldm keys": lambda weights, out: saved(ldm_unet(weights.offsets, ""), out, HALF),
    "offsets, ldm keys, model.diffusion_model.": lambda weights, out: saved(ldm_unet(weights.offsets), out, HALF),
    "offsets, ldm keys, diffusion_model.": lambda w, out: saved(ldm_unet(w.offsets, "diffusion_model."), out, HALF),
    "offsets, unet.": lambda weights, out: saved(prefixed(weights.offsets, "unet."), out, HALF),
    "offsets, refiners' keys": lambda weights, out: saved(refiners_unet(weights.offsets), out, HALF),
    "merged UNet": lambda weights, out: saved(weights.merged, out, FULL),
    "merged UNet, ldm keys": lambda weights, out: saved(ldm_unet(weights.merged), out, FULL),
    "merged UNet, refiners' keys": lambda weights, out: saved(refiners_unet(weights.merged), out, FULL),
}
"""Layouts of an IC-Light file; each is loaded on the diffusers folder."""


def relit(base: Path, iclight: Path, vae: Path | None = None) -> np.ndarray:
    """One picture of a base and an IC-Light file, ``[256, 256, 3]`` uint8, in float32."""
    own = {} if vae is None else {"vae": load_vae(vae, torch.float32)}
    pipe = ICLightPipeline.from_pretrained(base, iclight=iclight, dtype=torch.float32, local_files_only=True, **own)
    pipe.set_progress_bar_config(disable=True)
    steps = np.linspace(0, 255, 256)[:, None, None] * np.ones((1, 256, 3))
    picture: np.ndarray = np.asarray(pipe(steps.astype(np.uint8), **KNOBS).images[0])
    return picture


def pictures(out: Path, tiny: bool, only: Sequence[str] = ()) -> Iterator[tuple[str, np.ndarray, float]]:
    """Each layout's name, picture and seconds; the diffusers folder comes first."""
    weights = Weights(tiny)
    shutil.rmtree(out, ignore_errors=True)
    plain = weights.folder(out / "plain" / "base")
    offsets = saved(weights.offsets, out / "plain" / "fc.safetensors", HALF)
    own = saved(ldm_vae(weights.vae.state_dict(), ""), out / "plain" / "vae.safetensors", HALF)
    yield "diffusers folder and offsets", relit(plain, offsets), 0.0
    for name, write in [*BASES.items(), *FILES.items(), ("VAE of one's own, ldm keys", None)]:
        if only and name not in only:
            continue
        folder = out / "other"
        began = time.perf_counter()
        if write is None:
            picture = relit(plain, offsets, own)
        elif name in BASES:
            picture = relit(write(weights, folder), offsets)
        else:
            picture = relit(plain, write(weights, folder / "fc.safetensors"))
        shutil.rmtree(folder, ignore_errors=True)
        yield name, picture, time.perf_counter() - began


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, relight, compare; the exit status is 1 where a picture differs by more than one level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to work in; what is there is removed")
    parser.add_argument("--tiny", action="store_true", help="tiny models of the same kinds, in seconds")
    parser.add_argument("--only", default="", help="layouts by name, separated by semicolons")
    options = parser.parse_args(arguments)
    only = [name.strip() for name in options.only.split(";") if name.strip()]
    table: dict[str, float] = {}
    reference: np.ndarray | None = None
    for name, picture, seconds in pictures(options.out, options.tiny, only):
        reference = picture if reference is None else reference
        table[name] = float(np.abs(picture.astype(int) - reference.astype(int)).max())
        print(f"{name}: {table[name]:.0f} levels apart, spread {picture.std():.1f} ({seconds:.0f} s)", flush=True)
    (options.out / "layouts.json").write_text(json.dumps(table, indent=1) + "\n")
    return int(max(table.values()) > 1)


if __name__ == "__main__":
    sys.exit(main())
