"""Where a subject stands in the result."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from iclight_local.errors import InvalidRequest
from iclight_local.request.relight import RelightRequest
from iclight_local.sentences import shown

Scaling = Literal["fit", "fill"]
Horizontal = Literal["left", "center", "right"]
Vertical = Literal["top", "center", "bottom"]
ReferenceBox = Literal["subject", "picture"]

MOST_PIXELS = 50_000_000
"""Pixels that a result may have."""
MOST_SIDE = 30_000
"""Pixels that a result may have on a side."""
MAX_RATIO = 0.49
"""Largest margin or padding of a side, relative to the picture."""
_LENGTH = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(%|px)?", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,9})x([0-9]{1,9})")
_ACCEPTED: dict[str, Any] = {"accepts": "a ratio from 0 to 0.49, a percentage like 10%, or pixels like 100px"}


def _of(kind: str) -> dict[str, Any]:
    """What a side's own length accepts, and whose it is without one."""
    return {**_ACCEPTED, "default_text": f"as {kind}"}


def _written(value: object) -> object:
    """A number as the text of a ratio."""
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:.6f}" if plain else value


_LengthText = Annotated[str, BeforeValidator(_written)]


@dataclass(frozen=True)
class Length:
    """A margin or padding: ``amount`` pixels, or that share of a side."""

    amount: float
    unit: Literal["ratio", "px"]

    def of(self, side: int) -> int:
        """Whole pixels, where a side has ``side`` of them."""
        return round(self.amount * side) if self.unit == "ratio" else round(self.amount)


def parse_length(text: str) -> Length:
    """A length as it is written: ``0.1``, ``10%`` or ``100px``.

    Raises:
        InvalidRequest: it is written in another way, or a ratio above 0.49.
    """
    found = _LENGTH.fullmatch(text.strip())
    if found is not None:
        amount, unit = float(found[1]), found[2]
        if unit == "px" and amount <= MOST_SIDE:
            return Length(amount, "px")
        ratio = amount / 100 if unit == "%" else amount
        if unit != "px" and ratio <= MAX_RATIO:
            return Length(ratio, "ratio")
    raise InvalidRequest(f"A length is {shown(text)}, but must be {_ACCEPTED['accepts']}.")


def parse_size(text: str) -> tuple[int, int] | None:
    """Width and height of a size written like ``200x400``; None for any other text.

    Raises:
        InvalidRequest: it is empty or too large.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        return None
    width, height = int(found[1]), int(found[2])
    if not (0 < width <= MOST_SIDE and 0 < height <= MOST_SIDE and width * height <= MOST_PIXELS):
        raise InvalidRequest(
            f"output_size is {text}, but must have at least 1 and at most {MOST_SIDE} pixels on a side, "
            f"and {MOST_PIXELS / 1e6:g} megapixels."
        )
    return width, height


class Placing(RelightRequest):
    """A relight request, and where its subject stands in the result."""

    output_size: str = Field(
        "original",
        pattern=r"^(original|subject|[0-9]{1,9}x[0-9]{1,9})$",
        description="Size of the result. original: the picture's. subject: that of the subject's box. "
        "Else width and height like 1000x1000.",
        json_schema_extra={"accepts": "original, subject, or a size like 1000x1000"},
    )
    max_width: int | None = Field(
        None, ge=1, le=1_000_000, description="Shrink the finished result to this width at most."
    )
    max_height: int | None = Field(
        None, ge=1, le=1_000_000, description="Shrink the finished result to this height at most."
    )
    margin: _LengthText = Field(
        "0",
        description="Space on all sides that nothing overrides, relative to the result.",
        json_schema_extra=_ACCEPTED,
    )
    margin_top: _LengthText | None = Field(
        None, description="Margin of this side, in place of margin.", json_schema_extra=_of("margin")
    )
    margin_right: _LengthText | None = Field(
        None, description="Margin of this side, in place of margin.", json_schema_extra=_of("margin")
    )
    margin_bottom: _LengthText | None = Field(
        None, description="Margin of this side, in place of margin.", json_schema_extra=_of("margin")
    )
    margin_left: _LengthText | None = Field(
        None, description="Margin of this side, in place of margin.", json_schema_extra=_of("margin")
    )
    padding: _LengthText = Field(
        "0",
        description="Space on all sides inside of the margins, relative to what they leave; "
        "a side that cuts the subject off gets none.",
        json_schema_extra=_ACCEPTED,
    )
    padding_top: _LengthText | None = Field(
        None, description="Padding of this side, in place of padding.", json_schema_extra=_of("padding")
    )
    padding_right: _LengthText | None = Field(
        None, description="Padding of this side, in place of padding.", json_schema_extra=_of("padding")
    )
    padding_bottom: _LengthText | None = Field(
        None, description="Padding of this side, in place of padding.", json_schema_extra=_of("padding")
    )
    padding_left: _LengthText | None = Field(
        None, description="Padding of this side, in place of padding.", json_schema_extra=_of("padding")
    )
    scaling: Scaling = Field(
        "fit",
        description="fit: the subject lies within what margins and paddings leave. fill: it covers that, "
        "and what leaves the result is cut off.",
    )
    horizontal_alignment: Horizontal | None = Field(
        None,
        description="Where the subject stands from left to right.",
        json_schema_extra={"default_text": "center, or against the side that cuts it off"},
    )
    vertical_alignment: Vertical | None = Field(
        None,
        description="Where the subject stands from top to bottom.",
        json_schema_extra={"default_text": "center, or against the side that cuts it off"},
    )
    pad_cropped_sides: bool = Field(
        False, description="Treat a side on which the picture cuts the subject off like any other."
    )
    reference_box: ReferenceBox = Field(
        "subject", description="What is placed: the subject's box, or the whole picture, its subject where it was."
    )

    @field_validator(
        "margin",
        "padding",
        *(f"{kind}_{side}" for kind in ("margin", "padding") for side in ("top", "right", "bottom", "left")),
    )
    @classmethod
    def _is_length(cls, value: str | None) -> str | None:
        """Refuse what is no length; what is kept is what was written."""
        if value is not None:
            try:
                parse_length(value)
            except InvalidRequest:
                raise ValueError(value) from None
        return value

    @field_validator("output_size")
    @classmethod
    def _is_size(cls, value: str) -> str:
        """Refuse sizes that no result can have."""
        parse_size(value)
        return value

    def length(self, kind: Literal["margin", "padding"], side: Literal["top", "right", "bottom", "left"]) -> Length:
        """The margin or padding of a side."""
        own: str | None = getattr(self, f"{kind}_{side}")
        return parse_length(getattr(self, kind) if own is None else own)
