"""The families of Stable Diffusion, told apart by the width of the texts that their UNets read."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Family(NamedTuple):
    """A family that is not SD1.5.

    Attributes:
        kind: what a file of it is, as `iclight_local.layouts.identify` says it.
        name: its name, for "a LoRA for SDXL".
        model: a model of it, for "this is an SDXL model".
    """

    kind: Literal["sd2", "sdxl"]
    name: str
    model: str


SD15_TEXTS = 768
"""The width of the texts that SD1.5's UNet reads. A family is never told by this: a miniature's may have any other."""
OTHERS_BY_TEXTS = {
    1024: Family("sd2", "SD2", "an SD2 model"),
    1280: Family("sdxl", "SDXL's refiner", "an SDXL refiner"),
    2048: Family("sdxl", "SDXL", "an SDXL model"),
}
"""The other families, by the width of the texts that their UNets read."""
