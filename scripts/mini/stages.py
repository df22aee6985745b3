"""The stages of training, in order; each takes up what the ones before it left in the folder, and resumes its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from transformers import CLIPTokenizer

from iclight_local.imaging.lightmap import BACKGROUND_RAMP
from scripts.mini import autoencoder, denoiser, export, segmenter, sheets, transport
from scripts.mini.batches import Batch, Batches, Mixed, Ramped
from scripts.mini.latents import SIDES, Latents, encode_scenes, ramps
from scripts.mini.progress import load_state
from scripts.mini.recipes import Work
from scripts.mini.scenes import Scenes, render
from scripts.mini.text import LAST_FILE, build_text_model, learn_tokenizer

PLAIN = ("foreground", "target", "other")
BEHIND = ("background", "other_background")


@dataclass(frozen=True)
class Folder:
    """Where everything of one training lies."""

    path: Path

    @property
    def scenes(self) -> Scenes:
        """Whole scenes of the middle size."""
        return Scenes(self.path / "scenes")

    @property
    def vae(self) -> AutoencoderKL:
        """The trained autoencoder."""
        vae: AutoencoderKL = AutoencoderKL.from_pretrained(self.path / "vae")
        return vae.eval()

    def latents(self, size: int, kind: str = "latents") -> Latents:
        """Latents of pictures of a size."""
        return Latents(self.path / f"{kind}-{size}")


def draw(work: Work, folder: Folder) -> None:
    """Render everything that is trained on, and the held-out scenes."""
    orders = {"scenes": work.scenes, "large": work.large, "ramped": work.ramped, "held-out": work.held_out}
    for name, order in orders.items():
        render(folder.path / name, order)


def train_autoencoder(work: Work, folder: Folder) -> None:
    """The autoencoder."""
    autoencoder.train(folder.scenes, folder.path, work.autoencoder)


def encode(work: Work, folder: Folder) -> None:
    """Latents of every picture that the UNet learns from."""
    small, middle, large = work.sizes
    vae = folder.vae.to(memory_format=torch.channels_last)
    count, thirds = work.scenes.count, work.scenes.count * 3 // 8
    wanted = dict.fromkeys(PLAIN, count) | dict.fromkeys(("part", "rest"), thirds)
    wanted |= dict.fromkeys(BEHIND, count // 2)
    encode_scenes(vae, folder.scenes, folder.path / f"latents-{small}", small, wanted)
    wanted = dict.fromkeys(PLAIN, work.middle) | dict.fromkeys(BEHIND, work.middle // 2)
    encode_scenes(vae, folder.scenes, folder.path / f"latents-{middle}", middle, wanted)
    wanted = dict.fromkeys((*PLAIN, *BEHIND), work.large.count)
    encode_scenes(vae, Scenes(folder.path / "large"), folder.path / f"latents-{large}", large, wanted)
    lit = Scenes(folder.path / "ramped")
    for size, share in ((small, 1), (middle, 2)):
        wanted = dict.fromkeys(("foreground", "target"), work.ramped.count // share)
        encode_scenes(vae, lit, folder.path / f"ramped-{size}", size, wanted)


def train_base(work: Work, folder: Folder) -> None:
    """The text-to-image state of the UNet, and the text model, which stays as it is from here on."""
    batches = _batches(work, folder, 0, "base")
    denoiser.train(new_denoiser(folder), replace(batches, thirds_every=0), work.base, folder.path, "base")


def train_fc_small(work: Work, folder: Folder) -> None:
    """The foreground condition, on small pictures."""
    batches = _batches(work, folder, 0, "fc")
    _train_and_show(folder, taken_up(folder, "base", 1), batches, work.fc_small, "fc-small")


def train_fc(work: Work, folder: Folder) -> None:
    """The foreground condition, on pictures of all sizes."""
    _train_and_show(folder, taken_up(folder, "fc-small", 0), mixed(work, folder, "fc"), work.fc, "fc")


def train_fc_light(work: Work, folder: Folder) -> None:
    """All sizes once more with much noise and many light maps: detail is not to cost the light its side."""
    batches = mixed(work, folder, "fc")
    sources = [replace(source, low_noise=0.9, lit_by_map=0.8) for source in batches.sources]
    _train_and_show(folder, taken_up(folder, "fc", 0), replace(batches, sources=sources), work.fc_light, "fc-light")


def train_fbc(work: Work, folder: Folder) -> None:
    """The background condition, from where fc ended."""
    _train_and_show(folder, taken_up(folder, "fc", 1), mixed(work, folder, "fbc"), work.fbc, "fbc")


def measure_consistency(work: Work, folder: Folder) -> None:
    """The additivity error of a twin trained with the consistency loss and of one trained without."""
    batches = _batches(work, folder, 0, "fc")
    held_out = Scenes(folder.path / "held-out")
    figures: dict[str, Any] = {}
    for name, weight in (("with", work.twin.consistency), ("without", 0.0)):
        twin = taken_up(folder, "base", 1)
        denoiser.train(twin, batches, replace(work.twin, consistency=weight), folder.path, f"twin-{name}")
        figures[name] = transport.additivity(twin, folder.vae, held_out, work.sizes[0])
    transport.write(figures, folder.path / "consistency.json")


def train_segmenter(work: Work, folder: Folder) -> None:
    """The segmenter, and its ONNX file."""
    module = segmenter.train(folder.scenes, folder.path, work.segmenter)
    segmenter.export(module, folder.path / "segmenter.onnx")


def write_bundle(work: Work, folder: Folder) -> None:
    """The bundle: base, offsets, segmenter."""
    base, fc, fbc = (taken_up(folder, *stage) for stage in (("base", 0), ("fc-light", 0), ("fbc", 0)))
    export.write(folder.path / "bundle", export.Parts(folder.vae, base.unet, fc, fbc.unet), folder.path)


STAGES: dict[str, Callable[[Work, Folder], None]] = {
    "scenes": draw,
    "autoencoder": train_autoencoder,
    "latents": encode,
    "base": train_base,
    "fc-small": train_fc_small,
    "fc": train_fc,
    "fc-light": train_fc_light,
    "fbc": train_fbc,
    "consistency": measure_consistency,
    "segmenter": train_segmenter,
    "bundle": write_bundle,
}
"""Every stage by name, in order."""

PICTURES_BEHIND = {"base": 0, "fc-small": 1, "fc": 1, "fc-light": 1, "fbc": 2, "twin-with": 1, "twin-without": 1}
"""Conditions that a stage's UNet has."""


def new_denoiser(folder: Folder) -> denoiser.Denoiser:
    """A UNet and a text model without training, and the tokenizer, which is learned where it is not there."""
    torch.manual_seed(0)
    tokenizer = folder.path / "tokenizer"
    if not (tokenizer / LAST_FILE).exists():
        facts = folder.scenes.facts
        learn_tokenizer([fact[name]["prompt"] for fact in facts for name in ("target", "other")], tokenizer)
    words = CLIPTokenizer.from_pretrained(tokenizer)
    return denoiser.Denoiser(denoiser.build_unet(), build_text_model(words), words)


def taken_up(folder: Folder, stage: str, widen_by: int) -> denoiser.Denoiser:
    """The averaged weights of a finished stage, with room for ``widen_by`` more conditions.

    Raises:
        FileNotFoundError: the stage has not been run, or not to its end.
    """
    state = load_state(folder.path / f"{stage}.pt")
    if state is None:
        raise FileNotFoundError(f"{folder.path} has no stage {stage} yet: run the stages in their order.")
    if state["step"] < state["steps"]:
        done = f"{state['step']} of {state['steps']} steps"
        raise FileNotFoundError(f"{folder.path} has only {done} of stage {stage}: run it again with --only {stage}.")
    kept = new_denoiser(folder)
    if PICTURES_BEHIND[stage]:
        kept.widen(PICTURES_BEHIND[stage])
    kept.modules.load_state_dict(state["average"])
    if widen_by:
        kept.widen(widen_by)
    return kept


def mixed(work: Work, folder: Folder, kind: str) -> Mixed:
    """Batches of all sizes."""
    return Mixed([_batches(work, folder, index, kind) for index in range(len(work.sizes))], work.turns)


def _batches(work: Work, folder: Folder, index: int, kind: str) -> Batches:
    """Batches of one size; fc has thirds among the small pictures, only small and middle ones are lit by ramps."""
    size = work.sizes[index]
    scenes = Scenes(folder.path / "large") if size == work.large.size else folder.scenes
    ramped = None
    if kind == "fbc" and (folder.path / f"ramped-{size}").exists():
        lit = folder.latents(size, "ramped")
        sides = [SIDES.index(fact["side"]) for fact in Scenes(folder.path / "ramped").facts]
        maps = ramps(folder.vae, size // autoencoder.FACTOR, BACKGROUND_RAMP)
        known = np.array(sides[: len(lit["target"])])
        ramped = Ramped(lit["target"], lit["foreground"], lit["matte"], maps, known)
    return Batches(
        folder.latents(size),
        scenes.facts,
        work.batch[index],
        kind,
        ramps(folder.vae, size // autoencoder.FACTOR),
        thirds_every=4 if index == 0 and kind == "fc" else 0,
        ramped=ramped,
        # Where the light falls is learned on small pictures; big ones are there for detail.
        low_noise=1.2 if index == 0 else 1.5,
    )


def _train_and_show(
    folder: Folder, what: denoiser.Denoiser, batches: Callable[[int], Batch], recipe: denoiser.Recipe, name: str
) -> None:
    denoiser.train(what, batches, recipe, folder.path, name)
    sheet = folder.path / f"sheet-{name}.png"
    sheets.write_sheet(what, folder.vae, Scenes(folder.path / "held-out"), sheet, recipe.sheet_steps)


def run(work: Work, path: Path, names: Sequence[str]) -> None:
    """Run stages, in their order."""
    path.mkdir(parents=True, exist_ok=True)
    for name, stage in STAGES.items():
        if name in names:
            print(f"== {name}", flush=True)
            stage(work, Folder(path))
