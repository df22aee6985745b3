"""How much of everything: the full recipe, and one of a minute that runs the same code."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scripts.mini import autoencoder, denoiser, segmenter
from scripts.mini.scenes import Order


@dataclass(frozen=True)
class Work:
    """Everything that a run of ``scripts/train_mini.py`` is told.

    Attributes:
        scenes: whole scenes, of which latents are made at half their size and, of some, at their size.
        large: whole scenes of twice that size, for the default size of a run.
        ramped: subjects lit from one side before its light map, for fbc.
        held_out: whole scenes of the test split, for the consistency figure.
        sizes: pixels of the three kinds of latents: small, middle, large.
        middle: how many scenes have latents of the middle size.
        batch: pictures in a batch of each size.
        turns: sizes (0 small, 1 middle, 2 large) of the steps of mixed training, over and over.
        autoencoder, base, fc_small, fc, fc_light, fbc, twin, segmenter: recipes of the stages; ``twin`` is run with
            and without the consistency loss.
    """

    scenes: Order
    large: Order
    ramped: Order
    held_out: Order
    sizes: tuple[int, int, int]
    middle: int
    batch: tuple[int, int, int]
    turns: tuple[int, ...]
    autoencoder: autoencoder.Recipe
    base: denoiser.Recipe
    fc_small: denoiser.Recipe
    fc: denoiser.Recipe
    fc_light: denoiser.Recipe
    fbc: denoiser.Recipe
    twin: denoiser.Recipe
    segmenter: segmenter.Recipe


FULL = Work(
    scenes=Order(8192, 256),
    large=Order(256, 512, first=1_000_000),
    ramped=Order(1536, 256, first=2_000_000, ramped=True),
    held_out=Order(64, 256, split="test"),
    sizes=(128, 256, 512),
    middle=3072,
    batch=(32, 8, 2),
    turns=(1, 1, 0, 1, 1, 2, 1),
    autoencoder=autoencoder.Recipe(),
    base=denoiser.Recipe(steps=1000, peak=0.008, freeze_text=False),
    fc_small=denoiser.Recipe(steps=4000, peak=0.008),
    fc=denoiser.Recipe(steps=3500),
    fc_light=denoiser.Recipe(steps=900, peak=0.004),
    fbc=denoiser.Recipe(steps=2000, peak=0.004),
    twin=denoiser.Recipe(steps=250, peak=0.004),
    segmenter=segmenter.Recipe(),
)

_FEW = denoiser.Recipe(steps=2, keep_every=2, sheet_steps=2)

SMOKE = Work(
    scenes=Order(8, 64, shard=4),
    large=Order(2, 128, first=1_000_000, shard=2),
    ramped=Order(4, 64, first=2_000_000, ramped=True, shard=2),
    held_out=Order(1, 64, split="test", shard=1),
    sizes=(32, 64, 128),
    middle=4,
    batch=(6, 2, 1),
    turns=(1, 0, 2),
    autoencoder=autoencoder.Recipe(steps=4, batch=2, crop=32, keep_every=2),
    base=replace(_FEW, freeze_text=False),
    fc_small=_FEW,
    # Steps of all sizes, and one behind the state that is kept.
    fc=replace(_FEW, steps=4),
    fc_light=_FEW,
    fbc=replace(_FEW, steps=3),
    # The fourth batch is the first one of thirds, which the consistency loss is of.
    twin=replace(_FEW, steps=4),
    segmenter=segmenter.Recipe(stages=((2, 2, 64), (2, 2, 64)), keep_every=2, say_every=2),
)
"""The same code in a minute; what it makes is noise."""
