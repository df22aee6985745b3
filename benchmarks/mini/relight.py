"""Who makes the pictures that are judged: a bundle's pipelines, or the renderer, which shows what can be reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from benchmarks.scenes import (
    SIDES,
    Sample,
    draw_lighting,
    expose,
    lighting_for,
    over,
    stream,
    terms_in,
    to_bytes,
    tone_map,
)
from benchmarks.scenes.samples import Bytes

if TYPE_CHECKING:
    from benchmarks.mini.trial import Trial
    from iclight_local import ICLightPipeline


@dataclass(frozen=True)
class Ask:
    """One picture that is wanted: a subject, and what its light should be.

    With a background the model is ``fbc``, else ``fc``. The noise has the scene's seed, whatever the light.
    """

    case: Sample
    prompt: str = ""
    light_source: str = "none"
    background: Bytes | None = None


class Relighter(Protocol):
    """Makes the pictures."""

    def relight(self, asks: Sequence[Ask]) -> list[Bytes]:
        """One picture ``[S, S, 3]`` for each; either all of them have a background and no light source, or none."""
        ...

    def normals(self, case: Sample) -> Bytes:
        """The normal map that four lights give, ``[S, S, 3]``; ``x * 127.5 + 127.5``, x right, y up, z to the viewer.

        Outside of the matte it faces the viewer.
        """
        ...

    def recode(self, pictures: Sequence[Bytes]) -> list[Bytes]:
        """Pictures through the autoencoder and back."""
        ...


class BundleRelighter:
    """The pipelines of a bundle; each is loaded when it is first needed.

    The subject is cut out with its true matte, so that a segmenter's faults are not counted here.
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._pipes: dict[str, ICLightPipeline] = {}

    def relight(self, asks: Sequence[Ask]) -> list[Bytes]:
        """As in :class:`Relighter`."""
        lit_by_background = asks[0].background is not None
        made = self._pipe("fbc" if lit_by_background else "fc")(
            [ask.case.foreground for ask in asks],
            [ask.background for ask in asks] if lit_by_background else None,
            prompt=[ask.prompt for ask in asks],
            light_source=[ask.light_source for ask in asks],
            seed=[ask.case.seed for ask in asks],
            cfg=self._trial.fbc_cfg if lit_by_background else self._trial.cfg,
            **self._knobs(),
        )
        return [np.asarray(image) for image in made.images]

    def normals(self, case: Sample) -> Bytes:
        """As in :class:`Relighter`."""
        from iclight_local.pipelines.normals import estimate_normals

        pipe, knobs = self._pipe("fbc"), self._knobs()
        return estimate_normals(
            pipe, case.input, case.matte, prompt="", seed=case.seed, cfg=self._trial.fbc_cfg, **knobs
        ).normal

    def recode(self, pictures: Sequence[Bytes]) -> list[Bytes]:
        """As in :class:`Relighter`."""
        import torch

        from iclight_local.pipelines.latents import decode_latents, encode_pictures, to_uint8

        pipe = self._pipe("fc")
        with torch.no_grad():
            latents = encode_pictures(pipe.vae, pictures, pipe.device)
            return decode_latents(pipe.vae, latents, pipe.vae_scale_factor, to_uint8)

    def _knobs(self) -> dict[str, Any]:
        trial = self._trial
        return {
            "width": trial.size,
            "height": trial.size,
            "steps": trial.steps,
            "highres_scale": trial.highres_scale,
        }

    def _pipe(self, model: str) -> ICLightPipeline:
        if model not in self._pipes:
            import torch

            from iclight_local import ICLightPipeline

            bundle = Path(str(self._trial.bundle))
            pipe = ICLightPipeline.from_pretrained(
                bundle / "base",
                iclight=bundle / f"iclight_sd15_{model}.safetensors",
                torch_dtype=getattr(torch, self._trial.dtype),
            ).to(self._trial.device)
            pipe.set_progress_bar_config(disable=True)
            self._pipes[model] = pipe
        return self._pipes[model]


class TrueRelighter:
    """The renderer in a bundle's place: a fresh draw of the lights that the words and the side ask for.

    What it reaches is what a perfect model could, for the measures themselves are not always right.
    """

    def relight(self, asks: Sequence[Ask]) -> list[Bytes]:
        """As in :class:`Relighter`; with a background it is the true target."""
        return [ask.case.target if ask.background is not None else self._draw(ask) for ask in asks]

    def normals(self, case: Sample) -> Bytes:
        """As in :class:`Relighter`: the four-light method on true renders."""
        from iclight_local.pipelines.normals import normals_of

        sides = {side: self._draw(Ask(case, light_source=side)) / np.float32(255) for side in SIDES}
        ambient = sum(sides.values()) / np.float32(len(sides))
        ratios = {side: (lit + np.float32(1e-5)) / (ambient + np.float32(1e-5)) - 1 for side, lit in sides.items()}
        return as_levels(normals_of(ratios, case.matte))

    def recode(self, pictures: Sequence[Bytes]) -> list[Bytes]:
        """As in :class:`Relighter`: nothing is lost."""
        return list(pictures)

    @staticmethod
    def _draw(ask: Ask) -> Bytes:
        case, rng = ask.case, stream(ask.case.seed, ask.case.split)
        if ask.light_source == "none":
            lighting = lighting_for(ask.prompt, rng)
        else:
            lighting = draw_lighting(rng, (*terms_in(ask.prompt), ask.light_source))
        front = case.scene.relight(lighting.lights)
        exposure = expose(front, case.scene, lighting.level)
        return to_bytes(tone_map(over(front, case.matte, case.backdrop.radiance), exposure))


def as_levels(normal: np.ndarray[Any, Any]) -> Bytes:
    """Unit vectors as a normal map, as ``iclight_local`` writes them."""
    return (normal * 127.5 + 127.5).clip(0, 255).astype(np.uint8)
