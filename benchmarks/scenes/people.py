"""People from round cones and ellipsoids: a bust with a face, and a whole figure in a pose."""

from __future__ import annotations

import numpy as np

from benchmarks.scenes.geometry import Part
from benchmarks.scenes.primitives import Array, Cone, Ellipsoid, Point, Superquadric, rotation, vector

Recipe = tuple[list[Part], tuple[str, ...], tuple[str, ...]]
SKIN, HAIR, DRESS, DARK, LIP, LEGS, WHITE = range(7)
KINDS = ("skin", "hair", "cloth", "dark", "lip", "cloth", "white")


def _ball(centre: Point, radii: Point, turn: Array | None = None) -> Ellipsoid:
    return Ellipsoid(vector(*centre), vector(*radii), rotation() if turn is None else turn)


def _limb(start: Point, end: Point, first: float, last: float) -> Cone:
    return Cone(vector(*start), vector(*end), first, last)


def bust(rng: np.random.Generator) -> Recipe:
    """Head and shoulders; the lower edge is meant to lie outside the frame."""
    wide, heavy = rng.uniform(0.75, 1.05), rng.uniform(0.9, 1.15)
    shoulder, chest = -0.85, rng.uniform(0.3, 0.4) * heavy
    parts = [
        Part(_limb((0, -0.75, -0.08), (0, -0.2, 0), 0.2 * heavy, 0.19 * heavy), SKIN),
        Part(_limb((-wide * 0.72, shoulder - 0.18, -0.1), (0, shoulder + 0.1, -0.1), 0.24, 0.26), DRESS),
        Part(_limb((wide * 0.72, shoulder - 0.18, -0.1), (0, shoulder + 0.1, -0.1), 0.24, 0.26), DRESS, 0.1),
        Part(Superquadric(vector(0, -1.6, -0.05), vector(wide * 0.78, 0.85, chest), rotation(), 2.6, 3.2), DRESS, 0.16),
    ]
    for side in (-1, 1):
        elbow = (side * wide * rng.uniform(0.95, 1.1), -1.9, rng.uniform(-0.1, 0.15))
        parts.append(Part(_limb((side * wide * 0.8, shoulder - 0.22, -0.1), elbow, 0.22, 0.17), DRESS, 0.08))
    if rng.random() < 0.4:
        parts.append(Part(_ball((0, -0.62, 0.0), (0.33, 0.12, 0.3)), DRESS, 0.06))
    return parts + head(rng, heavy), KINDS, ("a man", "a woman", "a person", "a girl", "a portrait", "a boy")


def head(rng: np.random.Generator, heavy: float = 1.0) -> list[Part]:
    """A head around the origin, 0.9 high, that looks along z."""
    wide, nod = 0.33 * heavy**0.5, rotation(rng.normal(0, 0.2), rng.normal(0.02, 0.08), rng.normal(0, 0.07))
    parts = [
        Part(_ball((0, 0.08, -0.04), (wide, 0.42, 0.4)), SKIN),
        Part(_ball((0, -0.14, 0.08), (wide * 0.78, 0.3, 0.28)), SKIN, 0.12),
        Part(_limb((0, 0.06, 0.34), (0, -0.07, 0.43), 0.035, 0.055), SKIN, 0.06),
        Part(_ball((0, 0.13, 0.3), (0.24, 0.05, 0.07)), SKIN, 0.07),
        Part(_ball((0, -0.37, 0.28), (0.09, 0.07, 0.07)), SKIN, 0.08),
    ]
    for side in (-1, 1):
        parts += [
            Part(_ball((side * 0.14, 0.055, 0.325), (0.06, 0.032, 0.03)), WHITE, 0.01),
            Part(_ball((side * 0.14, 0.055, 0.345), (0.028, 0.03, 0.02)), DARK),
            Part(_limb((side * 0.07, 0.135, 0.36), (side * 0.22, 0.145, 0.3), 0.016, 0.012), HAIR),
            Part(_ball((side * 0.17, -0.1, 0.24), (0.09, 0.09, 0.09)), SKIN, 0.1),
            Part(_ball((side * wide, 0.02, -0.03), (0.05, 0.1, 0.07)), SKIN, 0.04),
        ]
    parts.append(Part(_limb((-0.085, -0.205, 0.335), (0.085, -0.205, 0.335), 0.024, 0.024), LIP, 0.01))
    parts.append(Part(_limb((-0.055, -0.232, 0.34), (0.055, -0.232, 0.34), 0.026, 0.026), LIP, 0.01))
    parts += _hair(rng, wide)
    still = vector(0, 0, 0)
    return [part._replace(solid=part.solid.moved(nod, 1.0, still)) for part in parts]


def _hair(rng: np.random.Generator, wide: float) -> list[Part]:
    style = rng.random()
    if style < 0.08:
        return []
    back = Part(_ball((0, 0.2, -0.12), (wide + 0.06, 0.4, 0.42)), HAIR)
    fringe = Part(_ball((rng.uniform(-0.1, 0.1), 0.4, 0.08), (wide * 0.9, 0.16, 0.28)), HAIR, 0.06)
    parts = [back, fringe]
    if style < 0.55:
        length = rng.uniform(-0.9, -0.2)
        for side in (-1, 1):
            root, tip = (side * wide * 0.95, 0.2, -0.08), (side * wide * 1.15, length, -0.12)
            parts.append(Part(_limb(root, tip, 0.15, 0.12), HAIR, 0.08))
    elif style < 0.65:
        parts.append(Part(_ball((0, 0.62, -0.15), (0.19, 0.18, 0.19)), HAIR, 0.05))
    elif style < 0.75:
        brim = Superquadric(vector(0, 0.36, 0.05), vector(wide + 0.28, 0.03, 0.62), rotation(), 2, 4)
        parts = [back, Part(brim, DRESS), Part(_ball((0, 0.42, -0.05), (wide + 0.05, 0.3, 0.4)), DRESS, 0.04)]
    return parts


def figure(rng: np.random.Generator) -> Recipe:
    """A whole person, head to foot, in a random pose."""
    hip, chest, heavy = rng.uniform(0.26, 0.36), rng.uniform(0.32, 0.42), rng.uniform(0.85, 1.2)
    sway = rng.normal(0, 0.06)
    parts: list[Part] = [
        Part(_limb((sway, 1.0, 0), (0, 1.75, 0), 0.3 * heavy, chest), DRESS),
        Part(_limb((-chest, 1.95, 0), (chest, 1.95, 0), 0.16, 0.16), DRESS, 0.12),
        Part(_limb((0, 2.0, 0), (0, 2.3, 0), 0.12, 0.11), SKIN, 0.04),
        Part(_ball((sway, 0.9, 0), (hip + 0.06, 0.25, 0.28 * heavy)), LEGS, 0.08),
    ]
    for side in (-1, 1):
        parts += _arm(rng, side, chest) + _leg(rng, side, hip)
    if rng.random() < 0.3:
        wide = rng.uniform(0.45, 0.75)
        parts.append(Part(_limb((sway, 1.0, 0), (sway, rng.uniform(-0.2, 0.5), 0), 0.32, wide), DRESS, 0.05))
    still = rotation(rng.normal(0, 0.3))
    parts += [part._replace(solid=part.solid.moved(still, 0.8, vector(0, 2.52, 0))) for part in head(rng)]
    return parts, KINDS, ("a man standing", "a woman standing", "a dancer", "a person", "a full body portrait")


def _arm(rng: np.random.Generator, side: int, chest: float) -> list[Part]:
    raised, bend = rng.uniform(-1.45, -0.7) if rng.random() < 0.75 else rng.uniform(0.3, 1.3), rng.uniform(0, 1.4)
    shoulder = np.array([side * (chest + 0.02), 1.95, 0])
    elbow = shoulder + 0.55 * np.array([side * np.cos(raised), np.sin(raised), rng.uniform(-0.2, 0.4)])
    hand = elbow + 0.52 * np.array([side * np.cos(raised + bend), np.sin(raised + bend), rng.uniform(0, 0.5)])
    sleeve = DRESS if rng.random() < 0.6 else SKIN
    return [
        Part(_limb(shoulder, elbow, 0.15, 0.11), DRESS, 0.08),
        Part(_limb(elbow, hand, 0.11, 0.075), sleeve, 0.06),
        Part(_ball(hand, (0.095, 0.095, 0.095)), SKIN, 0.03),
    ]


def _leg(rng: np.random.Generator, side: int, hip: float) -> list[Part]:
    spread, ahead = rng.uniform(0, 0.35), rng.normal(0, 0.25)
    top = np.array([side * hip * 0.55, 0.8, 0])
    knee = top + np.array([side * spread * 0.5, -0.8, ahead + 0.1])
    foot = knee + np.array([side * spread * 0.4, -0.8, -ahead * 0.5])
    return [
        Part(_limb(top, knee, 0.21, 0.15), LEGS, 0.08),
        Part(_limb(knee, foot, 0.14, 0.1), LEGS, 0.06),
        Part(_limb(foot, foot + vector(side * 0.05, -0.06, 0.22), 0.11, 0.09), DARK, 0.02),
    ]
