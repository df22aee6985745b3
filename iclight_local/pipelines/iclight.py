"""IC-Light as a diffusers pipeline: a lowres pass, then a highres pass, for fc, fcon and fbc."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DiffusionPipeline, UNet2DConditionModel
from diffusers.loaders import StableDiffusionLoraLoaderMixin, TextualInversionLoaderMixin
from diffusers.pipelines.pipeline_utils import StableDiffusionMixin
from diffusers.schedulers import KarrasDiffusionSchedulers
from diffusers.utils import BaseOutput
from transformers import CLIPTextModel, CLIPTokenizer

from iclight_local.errors import InvalidRequest, WeightsError
from iclight_local.imaging.matte import foreground_array
from iclight_local.pipelines.items import Item, Picture, Pictures, check_one_batch, make_item, pixels_of, spread
from iclight_local.pipelines.loading import MODEL_OF_WIDTH, cast, dtype_of, loading_errors, merge_into
from iclight_local.pipelines.placement import vae_dtype
from iclight_local.pipelines.relighting import Call, finished, generators_of, relit_latents
from iclight_local.pipelines.remembered import Remembered
from iclight_local.pipelines.sampling import StepCallback, StepEnd
from iclight_local.pipelines.single_file import add_base_parts
from iclight_local.pipelines.unet_calls import Predict, UNetSteps, driven, plainly
from iclight_local.request import Knobs, ModelName


@dataclass
class ICLightPipelineOutput(BaseOutput):  # type: ignore[misc]
    """What a call returns.

    Attributes:
        images: PIL images, or float32 arrays in 0..1 (H x W x 3), or latents, by ``output_type``;
            the images of the first foreground come first.
        seeds: the seed of each foreground; one generator serves all images of a foreground.
    """

    images: list[Any]
    seeds: list[int]


class ICLightPipeline(
    DiffusionPipeline,  # type: ignore[misc]
    StableDiffusionMixin,  # type: ignore[misc]
    StableDiffusionLoraLoaderMixin,  # type: ignore[misc]
    TextualInversionLoaderMixin,  # type: ignore[misc]
):
    """Relight a foreground with IC-Light on a SD1.5 base.

    Load it with :meth:`from_pretrained`; offloading, VAE tiling and slicing, LoRA, textual inversion and
    scheduler swapping work as in any diffusers pipeline.

    Args:
        vae: autoencoder; its latent channels and its factor are read from its config.
        text_encoder: CLIP text encoder.
        tokenizer: CLIP tokenizer.
        unet: UNet with the offsets merged, 2 (fc, fcon) or 3 (fbc) times the latent channels wide.
        scheduler: a diffusers scheduler that can start from an image (that has ``add_noise``).
        model: ``fc``, ``fcon`` or ``fbc``; by default told from the UNet's width.

    Raises:
        WeightsError: the UNet is no IC-Light UNet, or one of another model.
    """

    model_cpu_offload_seq = "text_encoder->unet->vae"
    _callback_tensor_inputs = ("latents", "predicted")

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        unet: UNet2DConditionModel,
        scheduler: KarrasDiffusionSchedulers,
        model: str | None = None,
    ) -> None:
        super().__init__()
        wide = unet.config.in_channels / vae.config.latent_channels
        if wide not in (2, 3):
            raise WeightsError(
                f"This UNet has {unet.config.in_channels} input channels and no IC-Light offsets in it: "
                "load it with ICLightPipeline.from_pretrained(BASE, iclight=FILE)."
            )
        if model is not None and (model == "fbc") != (wide == 3):
            raise WeightsError(f"Model {model} was asked for, and this UNet is one of {MODEL_OF_WIDTH[int(wide)]}.")
        self.register_modules(vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler)
        self.register_to_config(model=MODEL_OF_WIDTH[int(wide)] if model is None else model)
        self.vae_scale_factor = 2 ** (len(vae.config.block_out_channels) - 1)
        self._interrupt = False
        self._num_timesteps = 0
        self.remembered = Remembered()
        self.quick: Predict | None = None
        self.computed_by: str | None = None

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        iclight: str | Path | None = None,
        model: ModelName | None = None,
        **kwargs: Any,
    ) -> ICLightPipeline:
        """Load a base and add IC-Light's offsets, or load a pipeline that :meth:`save_pretrained` wrote.

        Args:
            pretrained_model_name_or_path: a diffusers folder of SD1.5, a single safetensors file with UNet, VAE and
                text encoder, a repository on the hub, or (without ``iclight``) a folder of a saved ICLightPipeline.
            iclight: file of offsets, like ``iclight_sd15_fc.safetensors``, or of a merged UNet, in the keys of
                diffusers, ldm or refiners.
            model: the model that is wanted; a file of another one is refused.
            **kwargs: as in ``DiffusionPipeline.from_pretrained``. ``torch_dtype=torch.float16`` leaves the
                autoencoder in bfloat16, because SD1.5's overflows in float16; None and ``auto`` are float32.
                Components that are given are taken as they are. Unless ``scheduler`` is given, a base gets
                DPM++ 2M SDE Karras, of its own scheduler's config with nothing but the ``prediction_type``.

        Raises:
            WeightsError: the files are missing, damaged, or do not belong together.
        """
        base = str(pretrained_model_name_or_path)
        dtype = kwargs.pop("torch_dtype", kwargs.pop("dtype", None))
        to_cast = [name for name in ("text_encoder", "unet", "vae") if name not in kwargs]
        dtypes = {name: dtype_of(name, dtype) for name in to_cast}
        with loading_errors(base):
            if iclight is not None:
                merge_into(kwargs, base, Path(iclight), model, dtypes)
            if Path(base).is_file():
                own = inspect.signature(cls.__init__).parameters
                add_base_parts(Path(base), kwargs, dtypes)
                pipe = cls(**{name: value for name, value in kwargs.items() if name in own})
            else:
                pipe = super().from_pretrained(base, dtype={"default": torch.float32, **dtypes}, **kwargs)
        if model not in (None, pipe.config.model):
            raise WeightsError(f"{base} holds a pipeline of model {pipe.config.model}, and {model} was asked for.")
        for name, wanted in dtypes.items():
            cast(getattr(pipe, name), wanted)
        return pipe

    @classmethod
    def load_config(cls, *args: Any, **kwargs: Any) -> Any:
        """Read ``model_index.json``; of a base's entries only those that this pipeline has are kept."""
        config = super().load_config(*args, **kwargs)
        if isinstance(config, dict) and config.get("_class_name") != cls.__name__:
            own = inspect.signature(cls.__init__).parameters
            config = {key: value for key, value in config.items() if key in own or key.startswith("_")}
        return config

    def to(self, *args: Any, **kwargs: Any) -> ICLightPipeline:
        """Move or cast the models, as in diffusers; the autoencoder is never left in float16."""
        super().to(*args, **kwargs)
        half = self.unet.dtype == torch.float16 or self.vae.dtype == torch.float16
        # Offloaded models only wait on the CPU, so a bfloat16 autoencoder stays what it is.
        waits = self.vae.dtype == torch.bfloat16 and self.vae.device.type == "cpu"
        if half and self.vae.dtype != torch.float32 and not waits:
            cast(self.vae, vae_dtype(torch.float16, self.device))
        return self

    @property
    def interrupt(self) -> bool:
        """Whether a callback asked to stop (``pipe._interrupt = True``)."""
        return self._interrupt

    @property
    def predict(self) -> Predict:
        """One call of the UNet, in the fastest form that was set up."""
        return plainly(self.unet) if self.quick is None else self.quick

    @property
    def num_timesteps(self) -> int:
        """UNet calls of the running call, both passes together."""
        return self._num_timesteps

    @torch.no_grad()
    def __call__(
        self,
        foreground: Picture | list[Picture],
        background: Picture | list[Picture] | None = None,
        *,
        generator: torch.Generator | list[torch.Generator] | None = None,
        output_type: str = "pil",
        callback_on_step_end: StepCallback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        **knobs: Any,
    ) -> ICLightPipelineOutput:
        """Relight one foreground, or several in one batch.

        Args:
            foreground: an RGB picture on grey 127, or one with alpha, which is put there; PIL or uint8 array.
                A list relights several in one batch; then any knob may be a list with a value for each.
            background: the picture that lights the subject (fbc).
            generator: noise source in place of ``seed``; one for each foreground, or one for each image.
            output_type: ``pil``, ``np`` (float32 in 0..1, not rounded) or ``latent``.
            callback_on_step_end: called as ``f(pipe, step, timestep, {"latents": ...})`` after each step of
                either pass; what it returns under ``latents`` is taken over. Setting ``pipe._interrupt``
                ends the call with the latents of that moment, without a further pass.
            callback_on_step_end_tensor_inputs: tensors the callback is given: ``latents``, and ``predicted`` for the
                finished latents as the scheduler sees them now (the latents themselves where it does not say).
            **knobs: every parameter of :class:`~iclight_local.request.Knobs` by its name;
                ``light_map``, a picture or a list of them in place of ``light_source`` and ``light``, bright where the
                light comes from (``fc`` and ``fcon`` start from it, ``fbc`` has it as its background); and
                ``cross_attention_kwargs`` for the UNet's attention (LoRA scale).

        Raises:
            InvalidRequest: a bad knob or picture.
        """
        steps = self.steps(
            foreground,
            background,
            scheduler=self.scheduler,
            generator=generator,
            output_type=output_type,
            callback_on_step_end=callback_on_step_end,
            callback_on_step_end_tensor_inputs=callback_on_step_end_tensor_inputs,
            **knobs,
        )
        self._interrupt = False
        try:
            output = driven(steps, self.predict)
        finally:
            # It was this call that was to end, and none that comes after it.
            self._interrupt = False
        self.maybe_free_model_hooks()
        return output

    def steps(
        self,
        foreground: Picture | list[Picture],
        background: Picture | list[Picture] | None = None,
        *,
        scheduler: Any = None,
        **options: Any,
    ) -> UNetSteps[ICLightPipelineOutput]:
        """The same as calling the pipeline, with the UNet left to whoever drives it.

        Several of them can be under way at once, each at its own step, and share calls of the UNet
        (:mod:`iclight_local.pipelines.unet_calls`).

        Args:
            foreground: as for calling.
            background: as for calling.
            scheduler: keeps the state of the steps; None: a copy of the pipeline's.
            **options: as for calling.

        Returns:
            A generator of what the UNet is to see, to which the predicted noise is sent; it returns the output.

        Raises:
            InvalidRequest: a bad knob or picture; raised here, before the first step.
        """
        output_type = options.pop("output_type", "pil")
        if output_type not in ("pil", "np", "latent"):
            raise InvalidRequest(f"output_type is {output_type!r}, but must be one of pil, np, latent.")
        callback = options.pop("callback_on_step_end", None)
        asked = options.pop("callback_on_step_end_tensor_inputs", ("latents",))
        asked = getattr(callback, "tensor_inputs", asked)
        strange = set(asked) - set(self._callback_tensor_inputs)
        if strange:
            known = " and ".join(self._callback_tensor_inputs)
            raise InvalidRequest(f"A callback can be given {known}, and {', '.join(sorted(strange))} was asked for.")
        generator, attention = options.pop("generator", None), options.pop("cross_attention_kwargs", None)
        items = self._items(foreground, background, options)
        call = Call(
            items=items,
            generator=generators_of(items, generator, self._execution_device),
            scheduler=copy.deepcopy(self.scheduler) if scheduler is None else scheduler,
            attention=attention,
            after=StepEnd(callback, asked),
        )
        return self._relit(call, output_type)

    @torch.no_grad()
    def _relit(self, call: Call, output_type: str) -> UNetSteps[ICLightPipelineOutput]:
        self._num_timesteps = call.plan.steps
        latents = yield from relit_latents(self, call)
        return ICLightPipelineOutput(images=finished(self, latents, output_type), seeds=call.seeds)

    def _items(self, foreground: Any, background: Any, knobs: dict[str, Any]) -> list[Item]:
        foregrounds = foreground if isinstance(foreground, list) else [foreground]
        lighting = {"background": background, "light_map": knobs.pop("light_map", None)}
        each = {
            name: given if isinstance(given, list) else [given] * len(foregrounds) for name, given in lighting.items()
        }
        for name, pictures in each.items():
            if not foregrounds or len(pictures) != len(foregrounds):
                raise InvalidRequest(
                    f"{len(foregrounds)} foregrounds and {len(pictures)} {name.replace('_', ' ')}s were given: "
                    "give one each."
                )
        own: ModelName = self.config.model
        shown = {id(given): given for given in (*foregrounds, *each["background"]) if given is not None}
        arrays = {name: pixels_of(given) for name, given in shown.items()}
        items = []
        for picture, behind, light, values in zip(
            foregrounds, *each.values(), spread(knobs, len(foregrounds)), strict=True
        ):
            asked = Knobs(**{**values, "model": own})
            if values.get("model") not in (None, own):
                raise WeightsError(f"Model {values['model']} was asked for, and these weights are {own}.")
            drawn = None if light is None else foreground_array(light)
            seen = Pictures(arrays[id(picture)], arrays.get(id(behind)), drawn)
            items.append(make_item(seen, asked))
        check_one_batch(items)
        return items
