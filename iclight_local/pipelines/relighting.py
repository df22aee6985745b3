"""Both passes of one call of the pipeline: texts, noise, light maps, the picture between the passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.fit import resize
from iclight_local.pipelines.items import Item
from iclight_local.pipelines.latents import decode_latents, encode_each, encode_pictures, to_uint8, to_unit
from iclight_local.pipelines.pacing import Generators
from iclight_local.pipelines.sampling import Batch, Sampler, StepEnd
from iclight_local.pipelines.text import balance, encode_text, stack
from iclight_local.pipelines.unet_calls import UNetSteps
from iclight_local.plan import PassPlan, RelightPlan

if TYPE_CHECKING:
    from iclight_local.pipelines.iclight import ICLightPipeline


@dataclass(frozen=True)
class Call:
    """One call of the pipeline.

    Attributes:
        items: the foregrounds.
        generator: where their noise comes from.
        scheduler: keeps the state of the steps.
        attention: ``cross_attention_kwargs`` of the UNet, or None.
        after: what happens after each step.
    """

    items: list[Item]
    generator: Generators
    scheduler: Any
    attention: dict[str, Any] | None
    after: StepEnd

    @property
    def plan(self) -> RelightPlan:
        """What is done, for the first foreground; in what passes consist of the others do not differ from it."""
        return self.items[0].plan

    @property
    def seeds(self) -> list[int]:
        """The seed that each foreground's noise comes from (of its first image, where each has its own)."""
        generators = self.generator if isinstance(self.generator, list) else [self.generator]
        return [source.initial_seed() for source in generators[:: len(generators) // len(self.items)]]


def relit_latents(pipe: ICLightPipeline, call: Call) -> UNetSteps[torch.Tensor]:
    """Both passes; ends with the latents of that moment where the pipeline was interrupted."""
    with pipe.progress_bar(total=call.plan.steps) as bar:
        sampler = Sampler(pipe, call.scheduler, _batch(pipe, call), call.after, bar)
        latents = yield from sampler.run(call.plan.lowres, _initial_latents(pipe, call, sampler.device))
        if not pipe.interrupt:
            enlarged = _enlarged(pipe, latents, call.plan.highres, sampler.device)
            latents = yield from sampler.run(call.plan.highres, enlarged)
    return latents


def finished(pipe: ICLightPipeline, latents: torch.Tensor, output_type: str) -> list[Any]:
    """Latents as pictures of an ``output_type``: ``pil``, ``np`` or ``latent``."""
    if output_type == "latent":
        return list(latents.unbind())
    if output_type == "np":
        return decode_latents(pipe.vae, latents, pipe.vae_scale_factor, to_unit)
    levels = decode_latents(pipe.vae, latents, pipe.vae_scale_factor, to_uint8)
    return [Image.fromarray(picture) for picture in levels]


def generators_of(items: list[Item], given: Generators | None, device: torch.device) -> Generators:
    """One generator for a single foreground (as the original), else one for each image of the batch.

    Args:
        items: the foregrounds.
        given: generators, one for each foreground or one for each image; None: made from the items' seeds.
        device: where the models run.

    Raises:
        InvalidRequest: another number of generators.
    """
    if given is None:
        device = torch.device("cpu") if items[0].plan.noise_device == "cpu" else device
        given = [torch.Generator(device).manual_seed(item.plan.seed) for item in items]
    generators = given if isinstance(given, list) else [given]
    each = items[0].plan.number_of_images
    if len(generators) == len(items) == 1:
        return generators[0]
    if len(generators) == len(items) * each:
        return generators
    if len(generators) != len(items):
        raise InvalidRequest(
            f"{len(generators)} generators were given for {len(items)} foregrounds with {each} images each: "
            "give one for each foreground, or one for each image."
        )
    return [generator for generator in generators for _ in range(each)]


def _batch(pipe: ICLightPipeline, call: Call) -> Batch:
    device, plan, items = pipe._execution_device, call.plan, call.items
    asked = [(item.plan.prompt, item.plan.negative_prompt) for item in items]
    texts = {pair: _encode_texts(pipe, pair, device) for pair in dict.fromkeys(asked)}
    pairs = [texts[pair] for pair in asked]
    each = plan.number_of_images
    positive, negative = (stack([pair[i] for pair in pairs]).repeat_interleave(each, 0) for i in (0, 1))
    cfg = torch.tensor([item.plan.cfg for item in items for _ in range(each)], device=device)
    return Batch(
        items=items,
        embeddings=torch.cat([negative, positive]) if plan.guided else positive,
        cfg=cfg.reshape(-1, 1, 1, 1),
        generator=call.generator,
        attention=call.attention,
    )


def _encode_texts(
    pipe: ICLightPipeline, pair: tuple[str, str], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    return pipe.remembered.get(
        pair, lambda: balance(_encode_text(pipe, pair[0], device), _encode_text(pipe, pair[1], device))
    )


def _encode_text(pipe: ICLightPipeline, text: str, device: torch.device) -> torch.Tensor:
    if len(pipe.tokenizer) > pipe.tokenizer.vocab_size:  # textual inversion has added words
        text = pipe.maybe_convert_prompt(text, pipe.tokenizer)
    return encode_text(pipe.tokenizer, pipe.text_encoder, text, device)


def _initial_latents(pipe: ICLightPipeline, call: Call, device: torch.device) -> torch.Tensor | None:
    """Latents of the light maps, where the lowres pass starts from one."""
    if not call.plan.lowres.from_image:
        return None
    maps = [item.initial_picture() for item in call.items]
    latents = encode_each(pipe.vae, maps, device, pipe.remembered)
    return latents.repeat_interleave(call.plan.number_of_images, 0)


def _enlarged(pipe: ICLightPipeline, latents: torch.Tensor, highres: PassPlan, device: torch.device) -> torch.Tensor:
    """Decode, resize with LANCZOS to the size of the highres pass, and encode again."""
    pictures = decode_latents(pipe.vae, latents, pipe.vae_scale_factor, to_uint8)
    enlarged = [resize(picture, highres.width, highres.height) for picture in pictures]
    return encode_pictures(pipe.vae, enlarged, device)
