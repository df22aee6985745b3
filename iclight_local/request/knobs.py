"""What may be set about the light and the sampling."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

import PIL.Image
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from iclight_local.errors import InvalidRequest
from iclight_local.light import Light, describe, parse_lights
from iclight_local.sentences import MAX_SEED, refusal

ModelName = Literal["fc", "fcon", "fbc"]
LightSource = Literal["none", "left", "right", "top", "bottom", "ambient"]
NoiseDevice = Literal["cpu", "device"]


def _plain_bytes(value: object) -> object:
    """Other kinds of bytes as bytes: pydantic would read them as text, and so as a path."""
    return bytes(value) if isinstance(value, bytearray | memoryview) else value


ImageSource = str | os.PathLike[str] | bytes | PIL.Image.Image
"""A path, an http(s) URL, a data URI, the bytes of an image file, or a PIL image."""

Source = Annotated[ImageSource, BeforeValidator(_plain_bytes)]
"""The same, as a field declares it."""


def _light_text(value: object) -> object:
    """A :class:`~iclight_local.light.Light`, or several, as the text that describes them."""
    if isinstance(value, Light):
        return describe((value,))
    if isinstance(value, list | tuple) and value and all(isinstance(one, Light) for one in value):
        return describe(tuple(value))
    return value


_LightText = Annotated[str, BeforeValidator(_light_text)]


def _by_model(fc: float, fbc: float) -> dict[str, Any]:
    """Defaults that depend on the model; ``fcon`` is ``fc`` trained with offset noise and shares its values."""
    return {"by_model": {"fc": fc, "fcon": fc, "fbc": fbc}}


class Knobs(BaseModel):
    """What may be set about the light and the sampling, whatever the pictures are.

    Raises:
        InvalidRequest: a value out of its range, or an unknown name; one sentence with the cure.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    prompt: str = Field("", description="What the light and the scene should be; any length.")
    appended_prompt: str = Field("best quality", description="Appended to the prompt behind a comma.")
    negative_prompt: str = Field(
        "lowres, bad anatomy, bad hands, cropped, worst quality", description="What to steer away from."
    )
    light_source: LightSource = Field(
        "none",
        description="Side the light comes from. fc, fcon: a ramp as the initial latent. "
        "fbc: a ramp (or even grey: ambient) as the background.",
    )
    light: _LightText | None = Field(
        None,
        description="The light in words, in place of light_source: a side, a corner, front, back or ambient, or "
        "azimuth=DEG elevation=DEG; as wanted a colour (#RRGGBB or 3200K), softbox, sunlight or spotlight, and an "
        "intensity; several lights joined with +.",
    )
    model: ModelName | None = Field(
        None,
        description="fc: prompt and light. fcon: the same, trained with offset noise. fbc: lit by a background.",
        json_schema_extra={"default_text": "fc, or fbc with a background"},
    )
    width: int = Field(512, ge=64, le=1024, multiple_of=64, description="Width of the lowres pass in pixels.")
    height: int = Field(640, ge=64, le=1024, multiple_of=64, description="Height of the lowres pass in pixels.")
    steps: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Denoising steps of each pass.",
        json_schema_extra=_by_model(25, 20),
    )
    cfg: float | None = Field(
        None,
        ge=1,
        le=32,
        description="Guidance scale; 1 switches guidance off and halves the work.",
        json_schema_extra=_by_model(2.0, 7.0),
    )
    cfg_until: float = Field(
        1,
        ge=0,
        le=1,
        description="Share of each pass's steps that are guided; the later ones go without, for half the work.",
    )
    cache_interval: int = Field(
        1,
        ge=1,
        le=10,
        description="Every so many steps of a pass the whole UNet is computed; those between compute its outermost "
        "level alone and take the rest from the last whole step (DeepCache). 1: all of them whole.",
    )
    lowres_denoise: float = Field(
        0.9,
        ge=0.1,
        le=1,
        description="Denoise strength of the lowres pass from the light map (fc, fcon with a light of any form).",
    )
    highres_scale: float = Field(
        1.5, ge=1, le=3, description="Result size over lowres size, rounded to multiples of 64."
    )
    highres_denoise: float = Field(0.5, ge=0.1, le=1, description="Denoise strength of the highres pass.")
    number_of_images: int = Field(1, ge=1, le=12, description="Pictures made from one seed.")
    seed: int | None = Field(
        None,
        ge=0,
        le=MAX_SEED,
        description="Seed of all noise; the same seed gives the same picture.",
        json_schema_extra={"default_text": "random, reported"},
    )
    background_flip: bool = Field(False, description="Mirror the background left to right (fbc).")
    noise_device: NoiseDevice = Field(
        "cpu",
        description="Where noise is drawn. cpu: a seed gives the same picture on every device. "
        "device: on the GPU itself, as the original does.",
    )

    @field_validator("prompt", "appended_prompt", "negative_prompt")
    @classmethod
    def _is_text(cls, value: str) -> str:
        """Refuse what cannot be encoded, as bytes of a command line that are no UTF-8 come in."""
        value.encode()
        return value

    @field_validator("light")
    @classmethod
    def _is_light(cls, value: str | None) -> str | None:
        """Refuse a light that cannot be understood; what is kept is what was written."""
        if value is not None:
            parse_lights(value)
        return value

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InvalidRequest(refusal(type(self), error)) from None

    def for_model(self, name: str, model: ModelName) -> Any:
        """The value of knob ``name`` for ``model``: what was asked, else the model's default."""
        value = getattr(self, name)
        return by_model(name)[model] if value is None else value


def by_model(name: str) -> dict[ModelName, Any]:
    """The default of knob ``name`` for each model (``steps`` and ``cfg`` only)."""
    extra = Knobs.model_fields[name].json_schema_extra
    if not isinstance(extra, dict) or not isinstance(extra.get("by_model"), dict):
        raise KeyError(name)
    return extra["by_model"]  # type: ignore[return-value]


def resolve_model(knobs: Knobs, *, has_background: bool) -> ModelName:
    """The model that runs: the one asked for, else ``fbc`` with a background and ``fc`` without."""
    if knobs.model is not None:
        return knobs.model
    return "fbc" if has_background else "fc"


def check_combination(knobs: Knobs, *, has_background: bool, has_map: bool = False) -> None:
    """Refuse knobs that contradict each other.

    Args:
        knobs: what is asked.
        has_background: whether a background picture lights the subject.
        has_map: whether the light is given as a picture.

    Raises:
        InvalidRequest: one sentence that names the two knobs and the way out.
    """
    model = resolve_model(knobs, has_background=has_background)
    lights = _lights(knobs, has_map=has_map)
    if len(lights) > 1:
        raise InvalidRequest(
            f"{lights[0]} and {lights[1]} were both given, and there is one light: leave one of them out."
        )
    if model != "fbc":
        if has_background:
            raise InvalidRequest(
                f"A background was given with model {model}, which takes none: "
                "use --model fbc, or leave the background out."
            )
        if knobs.light_source == "ambient":
            raise InvalidRequest(
                f"light_source ambient is a background of model fbc, and the model here is {model}: "
                "use --model fbc, or light_source none, left, right, top or bottom."
            )
    elif has_background and lights:
        raise InvalidRequest(
            f"A background and {lights[0]} were both given, and with model fbc each one is the background: leave one "
            "of them out, or add --background-mode image --model fc, and the picture only stands behind the subject."
        )
    elif not has_background and not lights:
        raise InvalidRequest(
            "Model fbc needs a background and none was given: add --background-image FILE, "
            "or --light-source left, right, top, bottom or ambient."
        )
    if knobs.background_flip and not has_background:
        raise InvalidRequest(
            "background_flip mirrors the background picture that lights the subject, and there is none: "
            "add --background-image FILE --model fbc."
        )


def _lights(knobs: Knobs, *, has_map: bool) -> list[str]:
    """The lights that were asked for, as a sentence names them."""
    lights = [] if knobs.light_source == "none" else [f"light_source {knobs.light_source}"]
    if knobs.light is not None:
        lights.append(f"light {knobs.light!r}")
    pictures = [f"a {name}" for name in ("light_map", "light_reference") if getattr(knobs, name, None) is not None]
    return lights + (pictures if pictures else ["a light map"] if has_map else [])
