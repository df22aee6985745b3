"""A pipeline as a local engine runs it: its weights, the LoRAs on them, and the fastest way to compute them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iclight_local.engines.int8 import Int8Source, int8_unet
from iclight_local.engines.loras import describe_loras
from iclight_local.pipelines.adapters import add_loras, use_lcm
from iclight_local.pipelines.calibration import Tell
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.lossless import quicken, room_for, ways_of
from iclight_local.pipelines.remembered import MOST as REMEMBERED
from iclight_local.pipelines.remembered import Remembered
from iclight_local.pipelines.single_file import load_vae
from iclight_local.request import ModelName

if TYPE_CHECKING:
    from iclight_local.engines.local import LocalEngine

_SHARED = ("vae", "text_encoder", "tokenizer")
"""Components that all models of a bundle have in common."""


def load_pipe(
    engine: LocalEngine, model: ModelName, first: ICLightPipeline | None, tell: Tell | None
) -> ICLightPipeline:
    """Load a model of an engine's bundle.

    Args:
        engine: whose options say how.
        model: the model.
        first: another one that is loaded already, to share with.
        tell: told how far a conversion of the UNet is, where it needs one.

    Raises:
        WeightsError: the bundle has no such model, or its files are damaged.
    """
    bundle, placement = engine.options.bundle, engine.placement
    # LoRAs change the text encoder, too, each pipeline its own.
    names = [name for name in _SHARED if not (engine.loras and name == "text_encoder")]
    shared = {} if first is None else {name: getattr(first, name) for name in names}
    if bundle.vae is not None and "vae" not in shared:
        shared["vae"] = load_vae(bundle.vae, placement.vae_dtype)
    pipe = ICLightPipeline.from_pretrained(
        bundle.base,
        iclight=bundle.offsets(model),
        model=model,
        dtype={"default": placement.dtype, "vae": placement.vae_dtype},
        local_files_only=True,
        **shared,
    )
    add_loras(pipe, engine.loras)
    if engine.options.preset == "fast":
        use_lcm(pipe)
    pipe.remembered = Remembered(REMEMBERED)
    pipe.set_progress_bar_config(disable=True)
    if placement.int8:
        _use_int8(engine, pipe, model, _nobody if tell is None else tell)
    if engine.compiler is None:
        # What is compiled cannot look into these ways; beside int8 that is the autoencoder alone.
        _quicken(engine, pipe, first)
    return pipe


def _quicken(engine: LocalEngine, pipe: ICLightPipeline, first: ICLightPipeline | None) -> None:
    """Have the fastest ways to the same picture; the autoencoder of ``first`` has them already."""
    placement = engine.placement
    if first is None:
        engine.room = room_for(pipe.unet, pipe.vae, len(engine.options.bundle.models))
        quicken(pipe.vae, placement, engine.room.vae)
    if not placement.int8:
        quicken(pipe.unet, placement, engine.room.unet)
        pipe.computed_by = ways_of([pipe.vae, pipe.unet])


def _use_int8(engine: LocalEngine, pipe: ICLightPipeline, model: ModelName, tell: Tell) -> None:
    weights, home = engine.hashes(model), engine.options.home
    with engine.hashing:
        loras = tuple(describe_loras(engine.loras, home)) if engine.loras else ()
    source = Int8Source(weights, loras, model, engine.options.preset)
    unet, notice = int8_unet(pipe, source, home, tell)
    pipe.quick, pipe.computed_by = unet, unet.name
    engine.loading_notices += [] if notice is None else [notice]


def _nobody(done: int, of: int) -> None:
    """Who loads with nobody watching tells nothing."""
