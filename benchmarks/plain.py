"""IC-Light with diffusers' stock pipelines and nothing else: what `iclight_local` is measured against.

Written from the published facts of IC-Light (pixel scale, conditions, sampler, order of the noise) as a
diffusers user would write it, without tuning, and independent of `iclight_local`. The goldens hold it to the
original demos' results, so it is also a second opinion on the package's arithmetic.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTokenizer


@dataclass(frozen=True)
class Knobs:
    """What one relight is asked for; names, units and meaning as everywhere in this project.

    Attributes:
        width: width of the lowres pass in pixels, a multiple of 64.
        height: height of the lowres pass in pixels, a multiple of 64.
        light_source: ``none``, or where the ramp is bright: ``left right top bottom``; with ``fbc`` a ramp
            (or ``ambient``) stands in for the background.
    """

    prompt: str
    width: int
    height: int
    seed: int
    steps: int
    cfg: float
    light_source: str = "none"
    number_of_images: int = 1
    appended_prompt: str = "best quality"
    negative_prompt: str = "lowres, bad anatomy, bad hands, cropped, worst quality"
    lowres_denoise: float = 0.9
    highres_scale: float = 1.5
    highres_denoise: float = 0.5


class ConditionedUNet(UNet2DConditionModel):
    """A UNet that sees :attr:`condition` behind every noisy latent.

    Attributes:
        condition: ``[1, C, h, w]`` latents of the foreground, then of the background; None at first.
    """

    condition: torch.Tensor | None = None

    def forward(self, sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """Predict noise for ``sample`` ``[B, c, h, w]``; everything else as in diffusers."""
        if self.condition is None:
            raise ValueError("Set the condition before sampling.")
        behind = self.condition.to(sample).expand(len(sample), -1, -1, -1)
        return super().forward(torch.cat((sample, behind), dim=1), *args, **kwargs)


def load_unet(bundle: Path, model: str) -> ConditionedUNet:
    """The bundle's UNet with the offsets of ``model`` (``fc``, ``fcon``, ``fbc``) added, in float32.

    ``config.in_channels`` keeps the base's value: the pipelines size their noise by it.
    """
    unet = ConditionedUNet.from_pretrained(bundle / "base", subfolder="unet", torch_dtype=torch.float32)
    offsets = load_file(bundle / f"iclight_sd15_{model}.safetensors")
    narrow = unet.conv_in
    channels = offsets["conv_in.weight"].shape[1]
    wide = torch.nn.Conv2d(channels, narrow.out_channels, narrow.kernel_size, padding=narrow.padding)
    with torch.no_grad():
        wide.weight.zero_()
        wide.weight[:, : narrow.in_channels] = narrow.weight
        wide.bias.copy_(narrow.bias)
        unet.conv_in = wide
        for name, parameter in unet.named_parameters():
            parameter += offsets.pop(name)
    if offsets:
        raise ValueError(f"Offsets without a parameter in the UNet: {sorted(offsets)[:3]}")
    return unet.eval()


def predicted(base: Path) -> str:
    """What the UNet of ``base`` predicts, in diffusers' words; noise where the base does not say."""
    path = base / "scheduler" / "scheduler_config.json"
    return json.loads(path.read_text()).get("prediction_type", "epsilon") if path.is_file() else "epsilon"


class PlainICLight:
    """Both passes of IC-Light on two stock pipelines that share their parts.

    Args:
        bundle: folder with ``base/`` and ``iclight_sd15_<model>.safetensors``.
        model: ``fc``, ``fcon`` or ``fbc``.
        device: a torch device name.
        dtype: of the UNet and the text encoder; with float16 the VAE runs in bfloat16, as the demos.
    """

    def __init__(self, bundle: Path, model: str, device: str = "cpu", dtype: torch.dtype = torch.float32):
        base = bundle / "base"
        vae_dtype = torch.bfloat16 if dtype is torch.float16 else dtype
        self.model = model
        self.device = device
        self.vae = AutoencoderKL.from_pretrained(base, subfolder="vae", torch_dtype=vae_dtype).to(device)
        self.unet = load_unet(bundle, model).to(device, dtype)
        self.text_encoder = CLIPTextModel.from_pretrained(base, subfolder="text_encoder", torch_dtype=dtype).to(device)
        self.tokenizer = CLIPTokenizer.from_pretrained(base, subfolder="tokenizer")
        scheduler = DPMSolverMultistepScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            steps_offset=1,
            algorithm_type="sde-dpmsolver++",
            use_karras_sigmas=True,
            prediction_type=predicted(base),
        )
        parts = {
            "vae": self.vae,
            "text_encoder": self.text_encoder,
            "tokenizer": self.tokenizer,
            "unet": self.unet,
            "scheduler": scheduler,
            "safety_checker": None,
            "feature_extractor": None,
            "requires_safety_checker": False,
        }
        self.from_noise = StableDiffusionPipeline(**parts)
        self.from_image = StableDiffusionImg2ImgPipeline(**parts)
        self.from_noise.set_progress_bar_config(disable=True)
        self.from_image.set_progress_bar_config(disable=True)

    @torch.inference_mode()
    def relight(
        self, foreground: Image.Image, knobs: Knobs, background: Image.Image | None = None
    ) -> list[Image.Image]:
        """Relight ``foreground`` (RGB on grey 127, any size).

        Args:
            foreground: the subject.
            knobs: what is asked.
            background: ``fbc`` only; without it the ramp of ``knobs.light_source`` is the background.

        Returns:
            ``number_of_images`` pictures of the highres size.
        """
        behind = []
        if self.model == "fbc":
            behind = [background if background is not None else draw_light(knobs, 224, 32)]
        sampling = {
            **self._embeddings(knobs),
            "num_images_per_prompt": knobs.number_of_images,
            "generator": torch.Generator("cpu").manual_seed(knobs.seed),
            "guidance_scale": knobs.cfg,
            "output_type": "latent",
        }
        size = (knobs.width, knobs.height)
        self.unet.condition = self._condition([foreground, *behind], size)
        latents = self._lowres(knobs, sampling)

        size = tuple(round(side * knobs.highres_scale / 64) * 64 for side in size)
        enlarged = [picture.resize(size, Image.Resampling.LANCZOS) for picture in self._decode(latents)]
        self.unet.condition = self._condition([foreground, *behind], size)
        return self._decode(self._resample(self._encode(enlarged), knobs, knobs.highres_denoise, sampling))

    def _lowres(self, knobs: Knobs, sampling: dict[str, Any]) -> torch.Tensor:
        """Latents of the first pass: from a light ramp where one is asked for, else from noise."""
        if self.model == "fbc" or knobs.light_source == "none":
            result = self.from_noise(
                width=knobs.width, height=knobs.height, num_inference_steps=knobs.steps, **sampling
            )
            return result.images
        ramp = self._encode([draw_light(knobs, 255, 0)]).repeat(knobs.number_of_images, 1, 1, 1)
        return self._resample(ramp, knobs, knobs.lowres_denoise, sampling)

    def _resample(self, latents: torch.Tensor, knobs: Knobs, strength: float, sampling: dict[str, Any]) -> torch.Tensor:
        """Image-to-image on latents; the schedule is lengthened so that about ``steps`` of it remain."""
        steps = round(knobs.steps / strength)
        return self.from_image(image=latents, strength=strength, num_inference_steps=steps, **sampling).images

    def _condition(self, pictures: list[Image.Image], size: tuple[int, ...]) -> torch.Tensor:
        """``[1, C * len(pictures), h, w]`` latents of the pictures, covering ``size`` (width, height)."""
        latents = self._encode([cover(picture, *size) for picture in pictures])
        return latents.flatten(0, 1)[None]

    def _encode(self, pictures: list[Image.Image]) -> torch.Tensor:
        """Scaled latents ``[N, c, h, w]`` of equally large pictures: the most likely ones, not a sample."""
        pixels = np.stack([np.asarray(picture, dtype=np.float32) for picture in pictures])
        # Divided by 127 and not 127.5, so that the grey behind a subject is exactly 0.
        tensor = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127 - 1
        posterior = self.vae.encode(tensor.to(self.device, self.vae.dtype)).latent_dist
        return posterior.mode() * self.vae.config.scaling_factor

    def _decode(self, latents: torch.Tensor) -> list[Image.Image]:
        """Pictures of scaled latents ``[N, c, h, w]``."""
        decoded = self.vae.decode(latents.to(self.vae.dtype) / self.vae.config.scaling_factor).sample
        levels = (decoded * 127.5 + 127.5).float().clamp(0, 255).permute(0, 2, 3, 1).cpu().numpy()
        return [Image.fromarray(picture) for picture in levels.astype(np.uint8)]

    def _embeddings(self, knobs: Knobs) -> dict[str, torch.Tensor]:
        """Text embeddings ``[1, chunks * 77, d]`` of both prompts, the shorter one repeated to the longer."""
        positive = self._chunks(f"{knobs.prompt}, {knobs.appended_prompt}")
        negative = self._chunks(knobs.negative_prompt)
        count = max(len(positive), len(negative))
        embedded = []
        for chunks in (positive, negative):
            ids = torch.tensor([chunks[index % len(chunks)] for index in range(count)], device=self.device)
            embedded.append(self.text_encoder(ids).last_hidden_state.flatten(0, 1)[None])
        return {"prompt_embeds": embedded[0], "negative_prompt_embeds": embedded[1]}

    def _chunks(self, text: str) -> list[list[int]]:
        """Token ids of ``text`` in rows of the encoder's length, without truncation; at least one row."""
        ids = self.tokenizer(text, truncation=False, add_special_tokens=False, verbose=False)["input_ids"]
        row = self.tokenizer.model_max_length
        first, last = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        rows = []
        for start in range(0, max(len(ids), 1), row - 2):
            chunk = [first, *ids[start : start + row - 2]]
            rows.append(chunk + [last] * (row - len(chunk)))
        return rows


def cover(picture: Image.Image, width: int, height: int) -> Image.Image:
    """``picture`` scaled until it covers ``width`` x ``height`` pixels, its middle cut out."""
    ratio = max(width / picture.width, height / picture.height)
    size = (round(picture.width * ratio), round(picture.height * ratio))
    left, top = (size[0] - width) / 2, (size[1] - height) / 2
    return picture.resize(size, Image.Resampling.LANCZOS).crop((left, top, left + width, top + height))


def draw_light(knobs: Knobs, bright: int, dark: int) -> Image.Image:
    """The light of ``knobs`` as an RGB picture of the lowres size, from ``bright`` to ``dark`` grey."""
    if knobs.light_source == "ambient":
        return Image.new("RGB", (knobs.width, knobs.height), (64, 64, 64))
    sideways = knobs.light_source in ("left", "right")
    ramp = np.linspace(bright, dark, knobs.width if sideways else knobs.height)
    if knobs.light_source in ("right", "bottom"):
        ramp = ramp[::-1]
    levels = ramp.astype(np.uint8)
    grid = np.broadcast_to(levels[None, :] if sideways else levels[:, None], (knobs.height, knobs.width))
    return Image.fromarray(np.ascontiguousarray(grid)).convert("RGB")
