"""The UNet and its text model: text to image first (the base), then the foreground (fc), then the background (fbc)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import DPMSolverMultistepScheduler, UNet2DConditionModel
from torch import nn
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from iclight_local.pipelines.loading import default_scheduler
from scripts.mini.autoencoder import LATENT_CHANNELS
from scripts.mini.batches import Batch
from scripts.mini.progress import Average, LossFile, Optimizers, load_state, rate_at, save_state
from scripts.mini.scenes import DIRECTIONS
from scripts.mini.text import WIDTH, tokens

LIGHT_TOKENS = 3
SUBJECT = 2.5
"""How much more a place of the subject counts than one of the background, which counts a half: a subject has to stay
itself, while any background that fits the words will do."""
ADAM = ("embedding", "lights.", "add.", "conv_in", "conv_out")
"""Parts whose matrices AdamW trains: tables, and the layers between latents and features."""


@dataclass(frozen=True)
class Recipe:
    """How long and how hard to train one stage.

    Attributes:
        steps: batches.
        peak: highest learning rate of Muon.
        adam_peak: highest learning rate of AdamW.
        consistency: weight of the light-transport consistency loss.
        freeze_text: leave the text model as it is, as offsets hold the UNet alone.
        keep_every: steps between two kept states.
        sheet_steps: sampling steps of the sheet that shows what the stage makes.
    """

    steps: int
    peak: float = 0.006
    adam_peak: float = 1.5e-3
    consistency: float = 0.3
    freeze_text: bool = True
    keep_every: int = 500
    sheet_steps: int = 12


def build_unet() -> UNet2DConditionModel:
    """The architecture: SD1.5's, with three narrow levels; attention where 4 x 4 latents have become one."""
    unet = UNet2DConditionModel(
        sample_size=32,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        block_out_channels=(96, 96, 112),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=4,
    )
    for name, module in unet.named_modules():
        if name.endswith((".conv2", ".proj_out")) or name == "conv_out":
            nn.init.zeros_(module.weight)
    return unet


class LightTokens(nn.Module):
    """An environment of lights ``[n, D, 3]`` as tokens for cross-attention ``[n, 3, WIDTH]``; used in training only.

    It tells the UNet exactly which light a picture was made with, as the environment maps of IC-Light's training do,
    and is what the consistency loss splits. (The released models have no such input either.)
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(DIRECTIONS * 3, 192), nn.SiLU(), nn.Linear(192, 192), nn.SiLU(), nn.Linear(192, 3 * WIDTH)
        )

    def forward(self, environment: torch.Tensor) -> torch.Tensor:
        """Roots of the radiance: dim lights count too."""
        tokens: torch.Tensor = self.layers(environment.flatten(1).clamp(min=0).sqrt() * 2)
        return tokens.unflatten(1, (LIGHT_TOKENS, WIDTH))


class Sum(nn.Module):
    """What adds two relit latents: linear light adds in pixels, so in latents the sum is learned (two 1x1 layers)."""

    def __init__(self) -> None:
        super().__init__()
        wide = 4 * LATENT_CHANNELS
        self.layers = nn.Sequential(
            nn.Conv2d(2 * LATENT_CHANNELS, wide, 1), nn.SiLU(), nn.Conv2d(wide, LATENT_CHANNELS, 1)
        )

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """The same whichever comes first."""
        swapped = self.layers(torch.cat([second, first], 1))
        added: torch.Tensor = (self.layers(torch.cat([first, second], 1)) + swapped) / 2 + (first + second) / 2
        return added


@dataclass
class Denoiser:
    """Everything that is trained together."""

    unet: UNet2DConditionModel
    text_model: CLIPTextModel
    tokenizer: CLIPTokenizer
    lights: LightTokens = field(default_factory=LightTokens)
    add: Sum = field(default_factory=Sum)

    @property
    def modules(self) -> nn.ModuleDict:
        """By name, for states and optimizers."""
        return nn.ModuleDict({"unet": self.unet, "text_model": self.text_model, "lights": self.lights, "add": self.add})

    def widen(self, pictures: int) -> None:
        """Give ``conv_in`` zeros for ``pictures`` conditions more than it has, as the pipeline does."""
        old = self.unet.conv_in
        new = nn.Conv2d(old.in_channels + pictures * LATENT_CHANNELS, old.out_channels, 3, padding=1)
        with torch.no_grad():
            new.weight.zero_()
            new.weight[:, : old.in_channels] = old.weight
            new.bias.copy_(old.bias)
        self.unet.conv_in = new
        self.unet.register_to_config(in_channels=new.in_channels)


class Noise:
    """The original's noise schedule, and a network's answer read as ``v`` (arXiv 2202.00512)."""

    def __init__(self) -> None:
        scheduler: DPMSolverMultistepScheduler = default_scheduler()
        share = scheduler.alphas_cumprod.float()
        self.signal, self.spread = share.sqrt(), (1 - share).sqrt()

    def at(self, times: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Factors of signal and noise, ``[n, 1, 1, 1]`` each."""
        return self.signal[times].view(-1, 1, 1, 1), self.spread[times].view(-1, 1, 1, 1)


def train(denoiser: Denoiser, batches: Any, recipe: Recipe, folder: Path, name: str) -> None:
    """Train a stage, or go on with it; ``denoiser`` ends with the averaged weights.

    Args:
        denoiser: what is trained; changed in place.
        batches: ``batches(step)`` gives the batch of a step.
        recipe: how long and how hard.
        folder: where losses and the resumable state are kept.
        name: of the stage.
    """
    noise = Noise()
    denoiser.unet.to(memory_format=torch.channels_last)
    denoiser.text_model.requires_grad_(not recipe.freeze_text)
    modules = denoiser.modules.train()
    optimizers = Optimizers(modules, recipe.peak, recipe.adam_peak, ADAM)
    average, done, kept = Average(modules, 0.999), 0, folder / f"{name}.pt"
    if state := load_state(kept):
        modules.load_state_dict(state["modules"])
        optimizers.load_state_dict(state["optimizers"])
        average.values, done = state["average"], state["step"]
    losses = LossFile(folder / f"{name}.csv", done, 100)
    for step in range(done + 1, recipe.steps + 1):
        loss, parts = step_loss(denoiser, noise, batches(step), recipe.consistency)
        optimizers.step(loss, rate_at(step, recipe.steps))
        average.follow(modules, step)
        losses.add(step, parts)
        if step % recipe.keep_every == 0 or step == recipe.steps:
            state = {"modules": modules.state_dict(), "optimizers": optimizers.state_dict()}
            save_state(kept, {**state, "average": average.values, "step": step, "steps": recipe.steps})
    modules.load_state_dict(average.values)
    modules.eval()


def step_loss(denoiser: Denoiser, noise: Noise, batch: Batch, weight: float) -> tuple[torch.Tensor, dict[str, float]]:
    """The error in ``v``, and for a batch of thirds (whole, part, rest) how far the parts are from adding up."""
    signal, spread = noise.at(batch.times)
    noisy = signal * batch.start + spread * batch.noise
    # Equal to the usual v where the noisy latent starts from the target; from a light map it leads to the target.
    wanted = (signal * noisy - batch.target) / spread
    predicted = predict(denoiser, noisy, batch)
    square = functional.mse_loss(predicted, wanted, reduction="none").mean(1, keepdim=True)
    matte = batch.matte.repeat(3, 1, 1, 1) if batch.thirds else batch.matte
    weight_of_place = 0.5 + SUBJECT * matte
    loss = (square * weight_of_place).sum() / weight_of_place.sum()
    parts = {"v": float(square.detach().mean()), "v_subject": float((square.detach() * matte).sum() / matte.sum())}
    if batch.thirds:
        clean = signal * noisy - spread * predicted
        whole, part, rest = clean.chunk(3)
        apart = (whole - denoiser.add(part, rest)).square() * batch.matte
        apart = apart.mean() / batch.matte.mean().clamp(min=0.05)
        parts["additivity"] = float(apart.detach())
        loss = loss + weight * apart
    return loss, parts


def predict(denoiser: Denoiser, noisy: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The UNet's answer, float32."""
    with torch.autocast("cpu", torch.bfloat16):
        words = denoiser.text_model(tokens(denoiser.tokenizer, batch.texts)).last_hidden_state
        if batch.environment is not None:
            words = torch.cat([words, denoiser.lights(batch.environment)], 1)
        wide = torch.cat([noisy, *batch.conditions], 1).contiguous(memory_format=torch.channels_last)
        answer: torch.Tensor = denoiser.unet(wide, batch.times, words).sample.float()
    return answer
