"""Synthetic scenes with known geometry, paint and light: training data, and the truth for tests and benchmarks."""

from benchmarks.scenes.backgrounds import BACKDROPS, Background, draw_background
from benchmarks.scenes.lights import SIDES, Gobo, Hemisphere, Light, Lights, Truth, describe, kelvin, neon
from benchmarks.scenes.measure import angle_error, light_gradient, warmth
from benchmarks.scenes.prompts import Lighting, Prompt, draw_lighting, lighting_for, sample_prompt, terms_in
from benchmarks.scenes.render import Scene, draw_scene, over
from benchmarks.scenes.samples import Sample, expose, lit_again, on_grey, sample, stream
from benchmarks.scenes.terms import TERMS, Recipe, Term
from benchmarks.scenes.tone import from_srgb, to_bytes, to_srgb, tone_map, untone

__all__ = [
    "BACKDROPS",
    "SIDES",
    "TERMS",
    "Background",
    "Gobo",
    "Hemisphere",
    "Light",
    "Lighting",
    "Lights",
    "Prompt",
    "Recipe",
    "Sample",
    "Scene",
    "Term",
    "Truth",
    "angle_error",
    "describe",
    "draw_background",
    "draw_lighting",
    "draw_scene",
    "expose",
    "from_srgb",
    "kelvin",
    "light_gradient",
    "lighting_for",
    "lit_again",
    "neon",
    "on_grey",
    "over",
    "sample",
    "sample_prompt",
    "stream",
    "terms_in",
    "to_bytes",
    "to_srgb",
    "tone_map",
    "untone",
    "warmth",
]
