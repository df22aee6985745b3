"""What a light is, and the few words that describe one or several; the form of such a text is in ``words``."""

from __future__ import annotations

from iclight_local.light.lamp import Direction, Light, PlainWord, Softness, temperature_of
from iclight_local.light.words import describe, parse_lights, plain_word

__all__ = ["Direction", "Light", "PlainWord", "Softness", "describe", "parse_lights", "plain_word", "temperature_of"]
