"""Words to begin with: looks, each a prompt and a light, and lights of a contact sheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from iclight_local.light import Direction

LOOKS: Mapping[str, Mapping[str, str]] = {
    "Window light": {"prompt": "soft daylight through a large window, quiet room", "light": "left 5600K softbox"},
    "Golden hour": {
        "prompt": "warm low sun, golden hour, long shadows",
        "light": "azimuth=70 elevation=15 3000K sunlight",
    },
    "Overcast": {"prompt": "overcast day, even grey sky", "light": "top 7000K softbox 0.8"},
    "Studio key light": {"prompt": "studio portrait, plain backdrop", "light": "top-left 5200K softbox"},
    "Rim light": {"prompt": "dark studio, rim light around the outline", "light": "back spotlight 1.4"},
    "Candle": {"prompt": "candlelight in a dark room", "light": "bottom-right 1900K softbox 0.7"},
    "Moonlight": {"prompt": "moonlit night, cold blue shadows", "light": "top-right 9000K 0.6"},
    "Neon": {"prompt": "neon signs at night, wet street", "light": "left #ff2f6d + right #2f7bff 0.8"},
    "Stage": {"prompt": "on stage under a spotlight, dark hall", "light": "top spotlight 1.3"},
    "Campfire": {"prompt": "sitting at a campfire in the woods at night", "light": "bottom #ff8a2a 1.1"},
    "Under trees": {"prompt": "sunlight between leaves, forest clearing", "light": "top-left sunlight #e9ffd0"},
    "Product on white": {"prompt": "clean product photograph, white backdrop", "light": "top softbox 1.2"},
}
"""By name: what they set; the prompt and the light can be changed afterwards."""

DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
SHEET_LIGHTS: tuple[Direction, ...] = ("left", "right", "top", "bottom")
"""Those that a contact sheet begins with."""
