"""What will be done: the two passes of a request with concrete sizes, steps and prompts.

What was asked (:class:`~iclight_local.request.Knobs`) and what will be done (:class:`RelightPlan`) are two
types, joined by :func:`make_plan` alone.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from iclight_local.errors import InvalidRequest
from iclight_local.light import Light, parse_lights
from iclight_local.request import (
    Finish,
    Knobs,
    LightSource,
    ModelName,
    NoiseDevice,
    OutputOptions,
    RelightRequest,
    check_combination,
    resolve_model,
)
from iclight_local.sentences import constraint

RANDOM_SEED_BITS = 32
"""Random seeds stay short enough to be read out and typed again."""

SHALLOW = 0.1
"""Work of a step that computes the outermost level alone, against a whole one's: SD1.5's, whose passes with
``cache_interval`` 2, 3 and 5 are 57, 42 and 28 % of the full run's operations (benchmarks/README.md)."""

SHARED_IN_A_BATCH = (
    *("model", "lowres", "highres", "guided", "cfg_until", "cache_interval", "number_of_images", "noise_device"),
)
"""Attributes of a :class:`RelightPlan` in which all pictures of a batch agree."""


@dataclass(frozen=True)
class PassPlan:
    """One sampling pass.

    Attributes:
        width, height: size in pixels, multiples of 64.
        scheduler_steps: steps the scheduler is set to.
        first_step: steps skipped at the start, because the pass begins from an image.
        from_image: whether it begins from an image with noise added, or from noise alone.
    """

    width: int
    height: int
    scheduler_steps: int
    first_step: int
    from_image: bool

    @property
    def steps(self) -> int:
        """UNet calls the pass makes."""
        return self.scheduler_steps - self.first_step


@dataclass(frozen=True)
class RelightPlan:
    """Everything that decides the pixels, besides the pictures and the weights.

    Attributes:
        model: ``fc``, ``fcon`` or ``fbc``.
        prompt, negative_prompt: the texts as encoded.
        cfg: guidance scale; guidance runs only where it is above 1.
        cfg_until: share of each pass's steps that are guided; 1 where there is no guidance that could end.
        cache_interval: steps of a pass from one whole UNet to the next.
        light_source: the ramp that is drawn, or ``none``.
        lights: the lights whose map is drawn; empty where a word, a picture or the prompt alone says the light.
        background_flip: whether the background picture is mirrored.
        lowres, highres: the two passes.
        number_of_images: images per foreground.
        seed: seed of the generator.
        noise_device: where noise is drawn.
    """

    model: ModelName
    prompt: str
    negative_prompt: str
    cfg: float
    cfg_until: float
    cache_interval: int
    light_source: LightSource
    lights: tuple[Light, ...]
    background_flip: bool
    lowres: PassPlan
    highres: PassPlan
    number_of_images: int
    seed: int
    noise_device: NoiseDevice

    @property
    def shared(self) -> dict[str, Any]:
        """What plans must agree in to be carried out in one batch, by name: whatever UNet calls are shaped by."""
        return {name: getattr(self, name) for name in SHARED_IN_A_BATCH}

    @property
    def sizes(self) -> tuple[ModelName, tuple[int, int], tuple[int, int]]:
        """What plans must agree in to share UNet calls in both passes: the model, and width and height of each pass."""
        lowres, highres = ((each.width, each.height) for each in (self.lowres, self.highres))
        return self.model, lowres, highres

    @property
    def guided(self) -> bool:
        """Whether classifier-free guidance runs."""
        return self.cfg > 1

    @property
    def steps(self) -> int:
        """UNet calls of both passes together."""
        return self.lowres.steps + self.highres.steps

    def guided_steps(self, which: PassPlan) -> int:
        """How many steps of a pass are guided, from its first on."""
        return round(self.cfg_until * which.steps) if self.guided else 0

    @property
    def work(self) -> float:
        """Pixels times rows of all UNet calls, a shallow row at :data:`SHALLOW`; comparable among plans of a model."""
        passes = (self.lowres, self.highres)
        return self.number_of_images * sum(each.width * each.height * self._rows(each) for each in passes)

    def _rows(self, which: PassPlan) -> float:
        """Rows of an image in the UNet calls of a pass."""
        guided = self.guided_steps(which)
        return sum(
            (2 if step < guided else 1) * (SHALLOW if step % self.cache_interval else 1) for step in range(which.steps)
        )


def make_plan(knobs: Knobs, *, has_background: bool, has_map: bool = False) -> RelightPlan:
    """Resolve what was asked into what will be done; a random seed is drawn here if none was given.

    Args:
        knobs: what was asked.
        has_background: whether a background picture lights the subject (fbc).
        has_map: whether a picture says the light, in place of ``light_source`` and ``light``.

    Raises:
        InvalidRequest: the knobs contradict each other.
    """
    check_combination(knobs, has_background=has_background, has_map=has_map)
    model = resolve_model(knobs, has_background=has_background)
    steps = int(knobs.for_model("steps", model))
    cfg = float(knobs.for_model("cfg", model))
    lights = () if knobs.light is None else parse_lights(knobs.light)
    starts_from_map = model != "fbc" and (has_map or bool(lights) or knobs.light_source != "none")
    return RelightPlan(
        model=model,
        prompt=f"{knobs.prompt}, {knobs.appended_prompt}",
        negative_prompt=knobs.negative_prompt,
        cfg=cfg,
        cfg_until=knobs.cfg_until if cfg > 1 else 1.0,
        cache_interval=knobs.cache_interval,
        light_source=knobs.light_source,
        lights=lights,
        background_flip=knobs.background_flip,
        lowres=_pass(knobs.width, knobs.height, steps, knobs.lowres_denoise if starts_from_map else None),
        highres=_pass(
            highres_size(knobs.width, knobs.highres_scale),
            highres_size(knobs.height, knobs.highres_scale),
            steps,
            knobs.highres_denoise,
        ),
        number_of_images=knobs.number_of_images,
        seed=random_seed() if knobs.seed is None else knobs.seed,
        noise_device=knobs.noise_device,
    )


def plan_of(request: RelightRequest) -> RelightPlan:
    """The plan of a whole request; see :func:`make_plan`."""
    return make_plan(request, has_background=request.has_background, has_map=request.has_map)


SET_BY_NORMALS = (
    *("background_image", "background_flip", "light_source", "light", "light_map", "light_reference"),
    *("model", "number_of_images", *(name for name in Finish.model_fields if name not in Knobs.model_fields)),
)
"""Parameters that the four runs of a normal map set themselves, or that have no meaning for one."""


def make_normals_plan(request: RelightRequest) -> RelightPlan:
    """The plan of one of the four runs of a normal map, which differ in their light alone.

    Raises:
        InvalidRequest: the request sets something that the four runs set themselves.
    """
    for name in SET_BY_NORMALS:
        value = getattr(request, name)
        if value != RelightRequest.model_fields[name].default and (name, value) != ("model", "fbc"):
            raise InvalidRequest(f"Normals come from four runs that set {name} themselves: leave it out.")
    values = {name: getattr(request, name) for name in Knobs.model_fields}
    return make_plan(Knobs(**{**values, "model": "fbc", "light_source": "left"}), has_background=False)


def executed_knobs(knobs: Knobs, plan: RelightPlan) -> dict[str, Any]:
    """Every knob with the value that was used, those left to their defaults included: what a replay needs."""
    values: dict[str, Any] = {name: getattr(knobs, name) for name in OutputOptions.model_fields if hasattr(knobs, name)}
    steps = int(knobs.for_model("steps", plan.model))
    values |= {"model": plan.model, "steps": steps, "cfg": plan.cfg, "seed": plan.seed}
    return values | ({"keep": knobs.kept, "background_mode": knobs.behind} if isinstance(knobs, Finish) else {})


def random_seed() -> int:
    """A fresh seed from the system's randomness."""
    return secrets.randbits(RANDOM_SEED_BITS)


def highres_size(lowres: int, scale: float) -> int:
    """Pixels of the highres pass: ``round(lowres * scale / 64) * 64``, as in the original demos."""
    return round(lowres * scale / 64) * 64


FRAME_MULTIPLE = 64
"""Sizes of a pass are multiples of this many pixels."""


def framed_size(picture: tuple[int, int], budget: tuple[int, int]) -> tuple[int, int]:
    """The lowres size for a whole picture: its shape, with as many pixels as ``budget``, within the knobs' ranges.

    Args:
        picture: width and height of the picture in pixels.
        budget: width and height whose product is the number of pixels that is wanted.

    Returns:
        Width and height, multiples of 64; a very long picture's frame is less long than the picture.
    """
    low, high = (int(constraint(Knobs.model_fields["width"], name)) for name in ("ge", "le"))
    # Very thin pictures: shapes beyond 4 to 1 are letterboxed further.
    shape = min(max(picture[0] / picture[1], 1 / 4), 4.0)
    area = budget[0] * budget[1]
    width, height = (area * shape) ** 0.5, (area / shape) ** 0.5
    shrink = min(1.0, high / max(width, height))
    sides = (round(side * shrink / FRAME_MULTIPLE) * FRAME_MULTIPLE for side in (width, height))
    wide, tall = (min(max(side, low), high) for side in sides)
    return wide, tall


def _pass(width: int, height: int, steps: int, denoise: float | None) -> PassPlan:
    """A pass from noise (``denoise`` None) or from an image.

    From an image the scheduler is set to ``round(steps / denoise)`` steps, of which the last
    ``int(that * denoise)`` run, as diffusers' image-to-image does. Where that rounds to none at all
    (1 step at strength 0.9) the original crashes; here at least one step runs.
    """
    if denoise is None:
        return PassPlan(width, height, steps, 0, from_image=False)
    scheduler_steps = round(steps / denoise)
    run = max(1, min(int(scheduler_steps * denoise), scheduler_steps))
    return PassPlan(width, height, scheduler_steps, scheduler_steps - run, from_image=True)
