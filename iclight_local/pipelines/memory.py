"""What a run needs of a card's memory, and what is done where that does not fit: arithmetic alone.

A picture depends on it by rounding at most, but for tiling, which therefore comes late.

Weights are counted, activations estimated: the largest sum of tensors that live at once, which was taken from
SD1.5's own models by running them in torch without values (on the ``meta`` device), attention's kernels apart.
In units of the width of the first level (320 channels in SD1.5's UNet, 128 in its autoencoder):

* UNet: 26 values for each latent of each picture in a call (16.7 KB in fp16);
* autoencoder: 6 values for each pixel of each picture in a call (1.5 KB in fp16 and bf16) while it decodes, 5 while it
  encodes.

Where steps share deep features of the UNet, each run keeps one value more for each latent between its calls, and the
call that is given them holds them once more.

The weights of SD1.5 in fp16 are 1.72 GB (UNet), 0.25 GB (text encoder) and 0.17 GB (autoencoder).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from iclight_local.plan import RelightPlan

PIXELS_PER_CALL = 1_500_000
"""Pixels the autoencoder sees in one call: two pictures of 768 x 960. Peak memory grows with it."""
GIB = 2**30
OWN = 0.6 * GIB
"""Bytes of a card that its driver, torch's kernels and a desktop take; an assumption."""
FRAGMENTED = 0.1
"""Share of a card that is lost between the tensors, and to convolutions' workspaces; an assumption."""
SMALL_CARD = 8 * GIB
"""On cards of up to this size (8 GB, as they are sold) the segmenter's model is let go of before sampling."""
UNET_VALUES, VAE_VALUES, DEEP_VALUES = 26, 6, 2
"""Values at once per latent, per pixel, and per latent of shared features, in units of the first level's width."""
LARGEST_LAYER = 60_000_000
"""Bytes of the UNet's largest layer in fp16, which sequential offloading holds on the card."""

Offload = Literal["none", "model", "sequential"]


@dataclass(frozen=True)
class Needs:
    """What a pipeline's models take, in bytes.

    Attributes:
        unet, text_encoder, vae: their weights.
        per_latent: activations of the UNet for each latent of each picture in a call.
        per_pixel: activations of the autoencoder for each pixel of each picture in a call.
        per_deep: deep features that steps share, for each latent of each picture in a run.
        matrix: bytes of one number of an attention matrix.
        heads: attention heads of the UNet's first level.
        factor: pixels per latent along each side.
        tile: pixels of one of the autoencoder's tiles.
        recorded: whether calls of the UNet are recorded where it stays on the card: what they compute with is theirs
            also while the autoencoder works.
    """

    unet: int = 1_719_000_000
    text_encoder: int = 246_000_000
    vae: int = 167_000_000
    per_latent: int = UNET_VALUES * 320 * 2
    per_pixel: int = VAE_VALUES * 128 * 2
    per_deep: int = DEEP_VALUES * 320 * 2
    matrix: int = 2
    heads: int = 8
    factor: int = 8
    tile: int = 512 * 512
    recorded: bool = False

    @property
    def weights(self) -> int:
        """Bytes of all weights together."""
        return self.unet + self.text_encoder + self.vae


SD15 = Needs()
"""SD1.5 in fp16 with its autoencoder in bf16."""


def needs_of(pipe: Any) -> Needs:
    """What a loaded pipeline takes, from its weights and its configs."""
    unet, vae = pipe.unet, pipe.vae
    width, factor = unet.config.block_out_channels[0], pipe.vae_scale_factor
    heads = unet.config.attention_head_dim
    return Needs(
        unet=_bytes(unet),
        text_encoder=_bytes(pipe.text_encoder),
        vae=_bytes(vae),
        per_latent=UNET_VALUES * width * unet.dtype.itemsize,
        per_pixel=VAE_VALUES * vae.config.block_out_channels[0] * vae.dtype.itemsize,
        per_deep=DEEP_VALUES * width * unet.dtype.itemsize,
        matrix=unet.dtype.itemsize,
        heads=heads[0] if isinstance(heads, list | tuple) else heads,
        factor=factor,
        tile=int(vae.tile_sample_min_size) ** 2,
    )


def _bytes(module: Any) -> int:
    return sum(values.numel() * values.element_size() for values in module.parameters())


@dataclass(frozen=True)
class Work:
    """What a run computes at once.

    Attributes:
        pixels: of one picture of the highres pass.
        pictures: how many are made together.
        guided: whether the UNet sees each of them twice.
        conditions: pictures that light each of them and are encoded together, two with a background.
        shares_steps: whether steps share deep features of the UNet.
    """

    pixels: int
    pictures: int
    guided: bool
    conditions: int = 1
    shares_steps: bool = False

    @property
    def in_vae(self) -> int:
        """Pictures that the autoencoder is given together."""
        return max(self.pictures, self.conditions)

    @property
    def rows(self) -> int:
        """Of a call of the UNet."""
        return self.pictures * (2 if self.guided else 1)


def work_of(plan: RelightPlan, foregrounds: int) -> Work:
    """The work of a plan that is carried out for so many foregrounds in one batch."""
    highres = plan.highres
    conditions, pictures = 2 if plan.model == "fbc" else 1, foregrounds * plan.number_of_images
    return Work(highres.width * highres.height, pictures, plan.guided, conditions, plan.cache_interval > 1)


DEFAULT_WORK = Work(768 * 960, 1, guided=True)
"""A relight of the default size."""


@dataclass(frozen=True)
class Measures:
    """What is done to fit into memory.

    Attributes:
        offload: whole models wait in main memory (``model``), or each layer (``sequential``, slow).
        vae_slicing: the autoencoder takes one picture at a time.
        vae_tiling: it takes the picture in tiles, which changes the result slightly.
        attention_slicing: attention takes one head at a time (MPS, where its matrices are built).
        drop_segmenter: the segmenter's model is let go of before sampling and read again for the next picture.
    """

    offload: Offload = "none"
    vae_slicing: bool = False
    vae_tiling: bool = False
    attention_slicing: bool = False
    drop_segmenter: bool = False

    @property
    def words(self) -> list[str]:
        """The measures that are taken, in plain words."""
        kinds = {"model": ["models offloaded"], "sequential": ["layers offloaded one by one"]}
        named = {
            "vae_slicing": "autoencoder one picture at a time",
            "vae_tiling": "autoencoder in tiles",
            "attention_slicing": "attention one head at a time",
            "drop_segmenter": "segmenter let go of",
        }
        return [*kinds.get(self.offload, []), *(text for name, text in named.items() if getattr(self, name))]


def usable(total: int) -> int:
    """Bytes of a card of ``total`` bytes that a run can count on."""
    return int(total * (1 - FRAGMENTED) - OWN)


def choose_measures(total: int, needs: Needs, work: Work, *, shared: bool = False) -> Measures:
    """The mildest measures with which a run fits; where none suffice, the strongest.

    Args:
        total: bytes of the card.
        needs: what the models take.
        work: what is computed at once.
        shared: whether the card's memory is the machine's own, so that moving weights away gains nothing (MPS).
    """
    found = Measures()
    for found in _from_mild_to_strong(several=work.in_vae > 1, shared=shared):
        if peak(found, needs, work, shared=shared) <= usable(total):
            break
    return replace(found, drop_segmenter=total <= SMALL_CARD)


def _from_mild_to_strong(*, several: bool, shared: bool) -> Iterator[Measures]:
    yield Measures()
    yield Measures(vae_slicing=several)
    if shared:
        yield Measures(vae_slicing=several, attention_slicing=True)
        yield Measures(vae_slicing=several, attention_slicing=True, vae_tiling=True)
        return
    for offload in ("model", "sequential"):
        yield Measures(offload, vae_slicing=several)
        yield Measures(offload, vae_slicing=several, vae_tiling=True)


def peak(measures: Measures, needs: Needs, work: Work, *, shared: bool = False) -> int:
    """Estimated largest memory of a run on the card, in bytes; arguments as for :func:`choose_measures`."""
    decoding = in_vae(measures, needs, work.pixels, work.in_vae)
    unet = peak_of_call(measures, needs, work.pixels // needs.factor**2, work.rows, shared=shared) + kept(needs, work)
    if measures.offload == "sequential":
        return max(unet, LARGEST_LAYER + decoding)
    if measures.offload == "model":
        # The autoencoder finds the text encoder still there.
        return max(unet, needs.vae + needs.text_encoder + decoding)
    return unet + decoding if needs.recorded else max(unet, needs.weights + decoding)


def in_vae(measures: Measures, needs: Needs, pixels: int, pictures: int) -> int:
    """Estimated activations of the autoencoder, in bytes, for so many ``pictures`` of so many ``pixels``."""
    at_once = 1 if measures.vae_slicing else min(pictures, max(1, PIXELS_PER_CALL // pixels))
    seen = min(pixels, needs.tile) if measures.vae_tiling else pixels
    return seen * at_once * needs.per_pixel


def kept(needs: Needs, work: Work) -> int:
    """Estimated deep features that a run keeps between its calls of the UNet, in bytes."""
    return work.rows * (work.pixels // needs.factor**2) * needs.per_deep if work.shares_steps else 0


def peak_of_call(measures: Measures, needs: Needs, latents: int, rows: int, *, shared: bool = False) -> int:
    """Estimated largest memory of one UNet call on the card, in bytes, for so many ``latents`` in each row."""
    in_unet = latents * rows * needs.per_latent
    if shared:
        heads = 1 if measures.attention_slicing else rows * needs.heads
        in_unet += latents**2 * heads * needs.matrix
    if measures.offload == "sequential":
        return LARGEST_LAYER + in_unet
    # Where models are offloaded, the UNet finds the autoencoder still there from encoding.
    return in_unet + (needs.vae + needs.unet if measures.offload == "model" else needs.weights)
