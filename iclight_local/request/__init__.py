"""Every parameter of a relight, declared once.

The command line, the server's schemas, batch columns, the tables in the README and the record inside a
result are all derived from these declarations (through :mod:`iclight_local.fields`). Names, defaults and
ranges are those of the original IC-Light demos and of the hosted APIs that follow them.
"""

from __future__ import annotations

from iclight_local.request.edit import EditRequest
from iclight_local.request.finish import BY_FIT, BackgroundMode, Finish, Fit, Keep, OutputFormat, OutputOptions
from iclight_local.request.knobs import (
    ImageSource,
    Knobs,
    LightSource,
    ModelName,
    NoiseDevice,
    by_model,
    check_combination,
    resolve_model,
)
from iclight_local.request.placing import MOST_PIXELS, MOST_SIDE, Length, Placing, parse_length, parse_size
from iclight_local.request.relight import RelightRequest

__all__ = [
    "BY_FIT",
    "MOST_PIXELS",
    "MOST_SIDE",
    "BackgroundMode",
    "EditRequest",
    "Finish",
    "Fit",
    "ImageSource",
    "Keep",
    "Knobs",
    "Length",
    "LightSource",
    "ModelName",
    "NoiseDevice",
    "OutputFormat",
    "OutputOptions",
    "Placing",
    "RelightRequest",
    "by_model",
    "check_combination",
    "parse_length",
    "parse_size",
    "resolve_model",
]
