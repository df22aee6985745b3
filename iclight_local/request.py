"""Every parameter of a relight, declared once.

The command line, the server's schemas, batch columns, the tables in the README and the record inside a
result are all derived from these declarations (through :mod:`iclight_local.fields`). Names, defaults and
ranges are those of the original IC-Light demos and of the hosted APIs that follow them.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import PIL.Image
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

from iclight_local.errors import InvalidRequest

ModelName = Literal["fc", "fcon", "fbc"]
LightSource = Literal["none", "left", "right", "top", "bottom", "ambient"]
NoiseDevice = Literal["cpu", "device"]
OutputFormat = Literal["png", "jpeg", "webp"]


def _plain_bytes(value: object) -> object:
    """Other kinds of bytes as bytes: pydantic would read them as text, and so as a path."""
    return bytes(value) if isinstance(value, bytearray | memoryview) else value


ImageSource = str | os.PathLike[str] | bytes | PIL.Image.Image
"""A path, an http(s) URL, a data URI, the bytes of an image file, or a PIL image."""

_Source = Annotated[ImageSource, BeforeValidator(_plain_bytes)]

MAX_SEED = 2**63 - 1
"""Largest seed; ``torch.Generator.manual_seed`` takes signed 64-bit numbers."""


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
    lowres_denoise: float = Field(
        0.9,
        ge=0.1,
        le=1,
        description="Denoise strength of the lowres pass from the light ramp (fc, fcon with a light source).",
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

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InvalidRequest(_sentence(type(self), error)) from None

    def for_model(self, name: str, model: ModelName) -> Any:
        """The value of knob ``name`` for ``model``: what was asked, else the model's default."""
        value = getattr(self, name)
        return by_model(name)[model] if value is None else value


class OutputOptions(Knobs):
    """How results are written."""

    output_format: OutputFormat | None = Field(
        None,
        description="File format of the results.",
        json_schema_extra={"default_text": "by the output's suffix, else png"},
    )
    output_quality: int = Field(95, ge=0, le=100, description="Quality of jpeg and webp.")


class RelightRequest(OutputOptions):
    """A picture, the light that is wanted for it, and how the result should be written.

    Raises:
        InvalidRequest: a bad value, or values that contradict each other; one sentence with the cure.
    """

    subject_image: _Source = Field(description="The picture whose subject is relit.")
    background_image: _Source | None = Field(
        None, description="A picture that lights the subject and stands behind it (model fbc)."
    )
    matte: _Source | None = Field(
        None,
        description="Grey picture of the subject's size: white is subject, black is not.",
        json_schema_extra={"default_text": "the picture's own transparency, else segmentation"},
    )

    @model_validator(mode="after")
    def _combination(self) -> RelightRequest:
        check_combination(self, has_background=self.background_image is not None)
        return self

    @property
    def has_background(self) -> bool:
        """Whether a background picture was given."""
        return self.background_image is not None


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


def check_combination(knobs: Knobs, *, has_background: bool) -> None:
    """Refuse knobs that contradict each other.

    Raises:
        InvalidRequest: one sentence that names the two knobs and the way out.
    """
    model = resolve_model(knobs, has_background=has_background)
    light = knobs.light_source
    if model != "fbc":
        if has_background:
            raise InvalidRequest(
                f"A background was given with model {model}, which takes none: "
                "use --model fbc, or leave the background out."
            )
        if light == "ambient":
            raise InvalidRequest(
                f"light_source ambient is a background of model fbc, and the model here is {model}: "
                "use --model fbc, or light_source none, left, right, top or bottom."
            )
    elif has_background and light != "none":
        raise InvalidRequest(
            f"A background and light_source {light} were both given, and with model fbc each one is the "
            "background: leave one of them out."
        )
    elif not has_background and light == "none":
        raise InvalidRequest(
            "Model fbc needs a background and none was given: add --background-image FILE, "
            "or --light-source left, right, top, bottom or ambient."
        )
    if knobs.background_flip and not has_background:
        raise InvalidRequest(
            "background_flip mirrors the background picture, and none was given: add --background-image FILE."
        )


def _sentence(cls: type[BaseModel], error: ValidationError) -> str:
    """All faults of a request as sentences in the house's words."""
    for fault in error.errors():
        cause = fault.get("ctx", {}).get("error")
        if isinstance(cause, InvalidRequest):
            return str(cause)
    faults: dict[str, Mapping[str, Any]] = {}
    for fault in error.errors():
        faults.setdefault(str(fault["loc"][0]) if fault["loc"] else "", fault)
    return " ".join(_fault(cls, name, fault) for name, fault in faults.items())


def _fault(cls: type[BaseModel], name: str, fault: Mapping[str, Any]) -> str:
    if fault["type"] == "extra_forbidden":
        close = difflib.get_close_matches(name, cls.model_fields, n=1)
        hint = f"did you mean {close[0]}?" if close else f"the names are {', '.join(cls.model_fields)}."
        return f"There is no parameter {name}: {hint}"
    field = cls.model_fields[name]
    if fault["type"] == "missing":
        return f"{name} is missing: {_lower_first(field.description)}"
    return f"{name} is {_shown(fault['input'])}, but must be {expectation(field)}."


def _shown(value: object) -> str:
    text = "empty" if isinstance(value, str) and not value else str(value).splitlines()[0]
    return text if len(text) <= 60 else text[:57] + "..."


def _lower_first(text: str | None) -> str:
    return "" if text is None else text[0].lower() + text[1:]


def constraint(field: FieldInfo, name: str) -> Any:
    """The bound ``name`` (``ge``, ``le``, ``multiple_of``) that a field declares, or None."""
    for part in field.metadata:
        value = getattr(part, name, None)
        if value is not None:
            return value
    return None


def kind(field: FieldInfo) -> tuple[type, tuple[str, ...]]:
    """A field's plain type (str, int, float, bool, or object for a picture) and its choices, if any."""
    text = str(field.annotation)
    choices = _literals(field.annotation)
    if choices:
        return str, choices
    for plain in (bool, int, float, str):
        if field.annotation in (plain, plain | None):
            return plain, ()
    return (object, ()) if "PIL" in text else (str, ())


def _literals(annotation: Any) -> tuple[str, ...]:
    args = getattr(annotation, "__args__", ())
    if getattr(annotation, "__origin__", None) is Literal:
        return tuple(args)
    for arg in args:
        found = _literals(arg)
        if found:
            return found
    return ()


def expectation(field: FieldInfo) -> str:
    """What a field accepts, in words: ``a number from 1 to 32``."""
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "accepts" in extra:
        return str(extra["accepts"])
    plain, choices = kind(field)
    if choices:
        return f"one of {', '.join(choices)}"
    if plain is object:
        return "a path, a URL, a data URI, the bytes of an image file or a PIL image"
    if plain is bool:
        return "true or false"
    if plain is str:
        return "text"
    low, high, step = (constraint(field, key) for key in ("ge", "le", "multiple_of"))
    if step is not None:
        return f"a multiple of {step} from {low} to {high}, like {field.default}"
    what = "a whole number" if plain is int else "a number"
    return f"{what} from {low:g} to {high:g}" if high < MAX_SEED else f"{what} from 0 to 2^63-1"
