"""From words to lights and from lights to words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.scenes.backgrounds import Background
from benchmarks.scenes.lights import Colour, Gobo, Hemisphere, Light, Lights, describe, kelvin, mixed, neon, scaled
from benchmarks.scenes.terms import TERMS, Range, Recipe, names

ORDER = ("scene", "type", "temperature", "intensity", "direction")
"""Groups in the order in which their recipes override each other."""

UNCOLOURED = ("window", "natural", "gothic", "light and shadow", "window shadow", "studio")
"""Scenes that may be warm or cool; the others' names say a colour."""

OVERHEAD = ("window", "sunset sea", "golden hour", "natural", "sunlight")
"""Terms whose light seldom comes from below, though it may be asked for."""


@dataclass(frozen=True)
class Lighting:
    """Lights drawn for some terms.

    Attributes:
        lights: linear lights.
        terms: names of the terms they were drawn for.
        backdrop: kind of background that fits.
        level: mean luminance the exposure should aim at, 0..1.
    """

    lights: Lights
    terms: tuple[str, ...]
    backdrop: str
    level: float

    def term(self, group: str) -> str:
        """The term of a group, or ""."""
        return next((name for name in self.terms if TERMS[name].group == group), "")


@dataclass(frozen=True)
class Prompt:
    """A text and its ground truth, taken from the lights, not from the text.

    ``direction``: left, right, top, bottom, back or none. ``temperature``: warm, cool or neutral.
    ``said``: names of the terms whose words are in the text.
    """

    text: str
    direction: str
    temperature: str
    said: tuple[str, ...]


def terms_in(text: str) -> tuple[str, ...]:
    """The terms that a text says, longest phrases first, at most one of each group."""
    rest = text.lower()
    found: dict[str, str] = {}
    phrases = [(phrase.lower(), term) for term in TERMS.values() for phrase in term.phrases]
    for phrase, term in sorted(phrases, key=lambda pair: -len(pair[0])):
        trimmed = re.sub(rf"\b{re.escape(phrase)}\b", "|", rest)
        if trimmed != rest:
            found.setdefault(term.group, term.name)
            rest = trimmed
    return tuple(found[group] for group in ORDER if group in found)


def draw_terms(rng: np.random.Generator) -> tuple[str, ...]:
    """A random combination of terms: often a scene, else a type; sometimes temperature, intensity, direction."""
    chosen = []
    scene = rng.random() < 0.6
    if scene:
        chosen.append(str(rng.choice(names("scene"))))
    if rng.random() < (0.1 if scene else 0.55):
        chosen.append(str(rng.choice(names("type"))))
    warmth = 0.6 if not scene else 0.2 if chosen[0] in UNCOLOURED else 0.0
    if rng.random() < warmth:
        chosen.append(str(rng.choice(names("temperature"))))
    if rng.random() < (0.15 if scene else 0.4):
        chosen.append(str(rng.choice(names("intensity"))))
    if rng.random() < 0.6:
        side = str(rng.choice(names("direction"), p=(0.25, 0.25, 0.18, 0.18, 0.14)))
        if side != "bottom" or not chosen or chosen[0] not in OVERHEAD or rng.random() < 0.3:
            chosen.append(side)
    return tuple(chosen)


def recipe_for(terms: Iterable[str]) -> Recipe:
    """The recipe of several terms together."""
    recipe = Recipe()
    chosen = sorted((TERMS[name] for name in terms), key=lambda term: ORDER.index(term.group))
    scene = next((term for term in chosen if term.group == "scene"), None)
    for term in chosen:
        changes = dict(term.changes)
        if scene is not None and term is not scene:
            # The place stays the scene's, and so do lamps that are not of one colour temperature.
            changes.pop("backdrops", None)
        if term.group == "temperature":
            changes["hues"] = ()
        recipe = replace(recipe, **changes)
    side = next((term.name for term in chosen if term.group == "direction"), None)
    if side is not None:
        least, most = recipe.fill
        recipe = replace(recipe, directions=(side,), fill=(min(least, 0.2), min(most, 0.3)))
    return recipe


def draw_lighting(rng: np.random.Generator, terms: Sequence[str] | None = None) -> Lighting:
    """Lights for some terms, or for a random combination."""
    chosen = draw_terms(rng) if terms is None else tuple(terms)
    recipe = recipe_for(chosen)
    side = str(rng.choice(recipe.directions))
    share = rng.uniform(*recipe.fill)
    if side == "back":
        share = max(share, 0.25)
    lamps = _lamps(rng, recipe, side)
    power = sum(lamp.intensity for lamp in lamps)
    lights: list[Light | Hemisphere] = [lamp.dimmed((1 - share) / power) for lamp in lamps]
    lights.append(_surroundings(rng, recipe, share, lamps))
    level = rng.uniform(*recipe.level)
    if side == "back":
        # Against the light the subject stays dark; exposed for, the background and every rim would burn out.
        level *= 0.65
    return Lighting(tuple(lights), chosen, str(rng.choice(recipe.backdrops)), level)


def lighting_for(text: str, rng: np.random.Generator) -> Lighting:
    """Lights that a prompt asks for: one draw from the distribution of the terms found in it."""
    return draw_lighting(rng, terms_in(text))


def sample_prompt(rng: np.random.Generator, lighting: Lighting, background: Background, subject: str = "") -> Prompt:
    """A prompt that is true of the lights and the background; ``subject`` may be named in it."""
    truth = describe(lighting.lights)
    said: list[str] = []
    if background.scene:
        said.append(background.scene)
    said += [name for group in ("type", "intensity") if (name := lighting.term(group)) and rng.random() < 0.85]
    if truth.direction != "none" and rng.random() < 0.65:
        said.append(truth.direction)
    said += _warmth(rng, lighting, truth.temperature)
    pieces = [str(rng.choice(TERMS[name].phrases)) for name in said]
    if background.scene and rng.random() < 0.25:
        pieces[0] = TERMS[background.scene].phrases[0]
    rng.shuffle(pieces)
    if subject and (not pieces or rng.random() < 0.55):
        pieces.insert(0, subject)
    if rng.random() < 0.25:
        pieces.append("best quality")
    text = ", ".join(pieces) if pieces else "natural lighting"
    return Prompt(text, truth.direction, truth.temperature, tuple(said))


def _warmth(rng: np.random.Generator, lighting: Lighting, temperature: str) -> list[str]:
    """The temperature's word: the one asked for, else now and then the one that is true anyway."""
    asked = lighting.term("temperature")
    if asked:
        return [asked] if rng.random() < 0.9 else []
    colours = [light.colour for light in lighting.lights if isinstance(light, Light)]
    coloured = any(max(colour) > 4 * min(colour) and temperature == "neutral" for colour in colours)
    return [temperature] if not coloured and rng.random() < 0.2 else []


def _lamps(rng: np.random.Generator, recipe: Recipe, side: str) -> list[Light]:
    azimuth, elevation = _aim(rng, side, recipe.elevation)
    softness, away = rng.uniform(*recipe.softness), rng.uniform(*recipe.distance)
    if side in ("top", "bottom"):
        away *= 0.85
    if not recipe.hues:
        gobo = _gobo(rng, recipe.gobos)
        return [Light(azimuth, elevation, _temperate(rng, recipe.kelvins), 1.0, softness, gobo, away)]
    lamps = [Light(azimuth, elevation, _tube(rng, recipe.hues[0]), 1.0, softness, distance=away)]
    for hue in recipe.hues[1:]:
        # The other lamps stand opposite and are weaker, so that the key decides the side.
        across = azimuth + 180 + rng.uniform(-60, 60) if side != "none" else rng.choice([-1, 1]) * rng.uniform(40, 100)
        bright = rng.uniform(0.15, 0.35) if side != "none" else rng.uniform(0.3, 0.8)
        lamps.append(Light(float(across), -elevation * 0.5, _tube(rng, hue), bright, softness, distance=away))
    return lamps


def _aim(rng: np.random.Generator, side: str, elevation: Range) -> tuple[float, float]:
    """Azimuth and elevation in degrees of a key light from a side."""
    if side in ("left", "right"):
        turn = rng.uniform(70, 108)
        return (-turn if side == "left" else turn), min(rng.uniform(*elevation), 38)
    if side == "top":
        return rng.uniform(-40, 40), rng.uniform(45, 78)
    if side == "bottom":
        return rng.uniform(-40, 40), rng.uniform(-72, -42)
    if side == "back":
        return 180 + rng.uniform(-38, 38), rng.uniform(10, 50)
    return rng.uniform(-20, 20), rng.uniform(0, 20)


def _gobo(rng: np.random.Generator, kinds: Sequence[str]) -> Gobo | None:
    if not kinds:
        return None
    phase = float(rng.uniform(0, 1)), float(rng.uniform(0, 1))
    return Gobo(str(rng.choice(kinds)), rng.uniform(1.1, 2.2), phase, rng.uniform(0.04, 0.12))


def _temperate(rng: np.random.Generator, kelvins: Range) -> Colour:
    """A colour temperature (even in mireds), with the partial adaptation that a camera's white balance does."""
    mireds = rng.uniform(1e6 / kelvins[1], 1e6 / kelvins[0])
    return mixed(kelvin(1e6 / mireds), (1.0, 1.0, 1.0), rng.uniform(0.1, 0.4))


def _tube(rng: np.random.Generator, hue: Range) -> Colour:
    return neon(rng.uniform(*hue) % 1, rng.uniform(0.7, 0.95))


def _surroundings(rng: np.random.Generator, recipe: Recipe, share: float, lamps: Sequence[Light]) -> Hemisphere:
    """What walls and sky send back: their own colour with some of the key's in it, less from below."""
    own = _temperate(rng, recipe.fill_kelvins)
    colour = mixed(own, lamps[0].colour, rng.uniform(0.05, 0.3))
    tilt = rng.uniform(0.0, 0.35)
    return Hemisphere(scaled(colour, share * (1 + tilt)), scaled(mixed(colour, own, 0.5), share * (1 - tilt)))
