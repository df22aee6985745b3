"""How a result is finished and written."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from iclight_local.request.knobs import Knobs

OutputFormat = Literal["png", "jpeg", "webp"]
Fit = Literal["crop", "pad", "input"]
Keep = Literal["none", "detail", "colour", "all"]
BackgroundMode = Literal["generate", "keep", "image", "colour", "transparent"]


BY_FIT: dict[Fit, tuple[Keep, BackgroundMode]] = {
    "crop": ("none", "generate"),
    "pad": ("none", "generate"),
    "input": ("detail", "keep"),
}
"""What is kept, and what stands behind the subject, where a request leaves it to the fit."""


class Finish(Knobs):
    """What is kept of the picture, and what stands behind the subject."""

    fit: Fit = Field(
        "crop",
        description="crop: the picture's middle, as the original does. pad: the whole picture at the model's size. "
        "input: the whole picture at its own size, lit by transfer.",
    )
    keep: Keep | None = Field(
        None,
        description="What the subject keeps of the picture. none: the model's own result. detail: the fine detail. "
        "colour: hue and saturation. all: both; the light alone is new.",
        json_schema_extra={"default_text": "none, or detail with fit input"},
    )
    light_strength: float = Field(
        1, ge=0, le=1, description="How much of the new light the subject takes (keep detail, colour, all)."
    )
    background_mode: BackgroundMode | None = Field(
        None,
        description="What stands behind the subject. generate: what the model makes. keep: the picture's own "
        "background. image: background_image as it is. colour: background_colour. transparent: nothing.",
        json_schema_extra={"default_text": "generate; with fit input keep, or image where one is given"},
    )
    background_strength: float = Field(
        0, ge=0, le=1, description="How much of the new light a kept background takes (keep detail, colour, all)."
    )
    background_colour: str = Field(
        "#ffffff",
        pattern=r"^#[0-9a-fA-F]{6}$",
        description="Colour behind the subject (background_mode colour).",
        json_schema_extra={"accepts": "a colour like #ff8800"},
    )
    contact_shadow: bool = Field(
        False,
        description="Keep the shadow that the subject casts (background_mode image, colour, transparent).",
    )
    exposure: float | None = Field(
        None,
        ge=0.01,
        le=0.9,
        description="Mean luminance of the subject in the result, in linear light; middle grey is 0.18.",
        json_schema_extra={"default_text": "as it comes"},
    )
    exposure_compensation: float | None = Field(
        None,
        ge=-3,
        le=3,
        description="Mean luminance of the subject in the result against the picture's, in EV: 0 is as bright as it "
        "was, 1 twice that (in place of exposure).",
        json_schema_extra={"default_text": "as it comes"},
    )

    @property
    def kept(self) -> Keep:
        """What the subject keeps, the default resolved."""
        return BY_FIT[self.fit][0] if self.keep is None else self.keep

    @property
    def behind(self) -> BackgroundMode:
        """What stands behind the subject, the default resolved."""
        return BY_FIT[self.fit][1] if self.background_mode is None else self.background_mode


class OutputOptions(Finish):
    """How results are written."""

    output_format: OutputFormat | None = Field(
        None,
        description="File format of the results.",
        json_schema_extra={"default_text": "by the output's suffix, else png"},
    )
    output_quality: int = Field(95, ge=0, le=100, description="Quality of jpeg and webp.")
