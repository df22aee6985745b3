"""Things to light: people, animals, vessels, plants, toys and furniture, made of simple solids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from benchmarks.scenes.geometry import Part, fit
from benchmarks.scenes.materials import Material, draw_material
from benchmarks.scenes.people import bust, figure
from benchmarks.scenes.primitives import Array, Cone, Ellipsoid, Lathe, Point, Solid, Superquadric, rotation, vector

Random = np.random.Generator


class Subject(NamedTuple):
    """Parts in the frame, their materials, words that name the thing, and whether it stands on a floor."""

    parts: list[Part]
    materials: list[Material]
    words: str
    stands: bool


class Plan(NamedTuple):
    """A subject in its own units: parts, the kinds of material they index, words, and the turns it may take."""

    parts: list[Part]
    kinds: tuple[str, ...]
    words: tuple[str, ...]
    yaw: float = 0.7
    pitch: float = 0.25
    bust: bool = False


def draw_subject(rng: Random) -> Subject:
    """A random subject, posed and placed in the frame."""
    makers, weights = zip(*MAKERS, strict=True)
    maker: Callable[[Random], Plan] = makers[int(rng.choice(len(makers), p=np.array(weights) / sum(weights)))]
    plan = maker(rng)
    yaw, pitch, roll = rng.uniform(-plan.yaw, plan.yaw), rng.uniform(0, plan.pitch), rng.normal(0, 0.04)
    # The thing turns on its floor, then the camera looks down at it.
    turn = rotation(0, pitch, roll) @ rotation(yaw)
    if plan.bust:
        half, top = rng.uniform(0.75, 1.15), rng.uniform(0.6, 0.95)
        box = (-half, half, -rng.uniform(1.2, 2.2), top)
        middle = rng.normal(0, 0.08)
    else:
        half = rng.uniform(0.75, 1.0)
        box, middle = (-half, half, -rng.uniform(0.75, 0.98), rng.uniform(0.65, 0.98)), rng.normal(0, 0.08)
    box = (box[0] + middle, box[1] + middle, box[2], box[3])
    parts = fit(plan.parts, turn, box)
    return Subject(parts, [draw_material(rng, kind) for kind in plan.kinds], str(rng.choice(plan.words)), not plan.bust)


def _round(centre: Point, radii: Point, turn: Array | None = None) -> Ellipsoid:
    return Ellipsoid(vector(*centre), vector(*radii), rotation() if turn is None else turn)


def _block(centre: Point, radii: Point, turn: Array | None = None, m: float = 8.0) -> Superquadric:
    return Superquadric(vector(*centre), vector(*radii), rotation() if turn is None else turn, m, m)


def _rod(start: Point, end: Point, first: float, last: float | None = None) -> Cone:
    return Cone(vector(*start), vector(*end), first, first if last is None else last)


def _profile(rng: Random, knots: Sequence[tuple[float, float, float]], lid: bool = True) -> Array:
    """A smooth profile of 48 radii through ``(height 0..1, least, most)``, closed below and, with a lid, above."""
    places, radii = [knot[0] for knot in knots], [rng.uniform(knot[1], knot[2]) for knot in knots]
    fine = np.linspace(0, 1, 48)
    line = np.interp(fine, places, radii)
    smooth = np.convolve(np.pad(line, 4, mode="edge"), np.hanning(11)[1:-1] / np.hanning(11).sum(), "valid")
    smooth[0] = 0.02
    if lid:
        smooth[-1] = 0.02
    return smooth.astype(np.float32)


def _vessel(rng: Random) -> Plan:
    shapes = {
        "a vase": [(0, 0.2, 0.4), (0.35, 0.4, 0.75), (0.75, 0.12, 0.3), (1, 0.2, 0.45)],
        "a bottle": [(0, 0.28, 0.4), (0.55, 0.28, 0.42), (0.75, 0.09, 0.14), (1, 0.1, 0.14)],
        "a jug": [(0, 0.35, 0.5), (0.4, 0.5, 0.7), (0.8, 0.3, 0.4), (1, 0.35, 0.5)],
        "a chess piece": [(0, 0.4, 0.5), (0.15, 0.35, 0.45), (0.3, 0.14, 0.2), (0.65, 0.14, 0.22), (0.8, 0.3, 0.36),
                          (1, 0.08, 0.2)],
        "a goblet": [(0, 0.35, 0.45), (0.08, 0.3, 0.4), (0.2, 0.05, 0.09), (0.5, 0.06, 0.12), (0.7, 0.35, 0.5),
                     (1, 0.35, 0.5)],
        "a table lamp": [(0, 0.3, 0.4), (0.1, 0.1, 0.15), (0.55, 0.04, 0.06), (0.58, 0.55, 0.65), (1, 0.25, 0.4)],
    }  # fmt: skip
    words = str(rng.choice(list(shapes)))
    wall = rng.uniform(0.07, 0.1) if words in ("a vase", "a jug") else 0.0
    body = Lathe(vector(0, 0, 0), rotation(), _profile(rng, shapes[words], wall == 0), 1.0, wall)
    parts = [Part(body, 0)]
    if words == "a jug" or (words == "a vase" and rng.random() < 0.3):
        parts += [Part(rod, 0, 0.05) for rod in _handle(0.45, 0.5, 0.07)]
    if words == "a vase" and rng.random() < 0.5:
        parts += _stems(rng, (0, 0.9, 0), 1)
    kind = str(rng.choice(["ceramic", "metal", "stone", "wood", "plastic"], p=[0.45, 0.15, 0.15, 0.15, 0.1]))
    return Plan(parts, (kind, "leaf", "plastic"), (words,), pitch=0.4)


def _handle(x: float, half: float, thick: float) -> list[Cone]:
    bends = [(x + half * 0.8 * np.cos(a), half * np.sin(a), 0.0) for a in np.linspace(-1.45, 1.45, 6)]
    return [_rod(a, b, thick) for a, b in pairwise(bends)]


def _mug(rng: Random) -> Plan:
    profile = _profile(rng, [(0, 0.55, 0.65), (0.5, 0.6, 0.75), (1, 0.6, 0.75)], lid=False)
    body = Lathe(vector(0, 0, 0), rotation(), profile, rng.uniform(0.6, 0.85), 0.09)
    parts = [Part(body, 0), *(Part(rod, 0, 0.04) for rod in _handle(0.62, 0.4, 0.08))]
    return Plan(parts, ("ceramic",), ("a mug", "a cup"), yaw=1.2, pitch=0.5)


def _stems(rng: Random, root: tuple[float, float, float], material: int) -> list[Part]:
    parts: list[Part] = []
    for _ in range(int(rng.integers(4, 8))):
        lean, spin, long = rng.uniform(0.1, 0.9), rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.3)
        way = np.array([np.sin(lean) * np.cos(spin), np.cos(lean), np.sin(lean) * np.sin(spin)])
        tip = np.array(root) + way * long
        parts.append(Part(_rod(root, tip, 0.03, 0.02), material))
        if rng.random() < 0.35:
            parts.append(Part(_round(tip, (0.17, 0.14, 0.17)), material + 1, 0.03))
            parts.append(Part(_round(tip + vector(0, 0.03, 0.1), (0.07, 0.07, 0.07)), material, 0.02))
        for place in (0.45, 0.75, 1.0):
            turn = rotation(rng.uniform(0, 6.3), rng.uniform(0.5, 1.3), 0)
            at = np.array(root) + way * long * place + turn @ np.array([0, 0.25, 0])
            parts.append(Part(_round(at, (rng.uniform(0.08, 0.16), 0.3, 0.025), turn), material))
    return parts


def _plant(rng: Random) -> Plan:
    profile = _profile(rng, [(0, 0.3, 0.4), (0.8, 0.4, 0.55), (1, 0.45, 0.6)], lid=False)
    pot = Lathe(vector(0, -0.4, 0), rotation(), profile, 0.45, 0.08)
    return Plan([Part(pot, 0), *_stems(rng, (0, 0, 0), 1)], (str(rng.choice(["ceramic", "stone"])), "leaf", "plastic"),
                ("a plant in a pot", "a house plant", "flowers in a pot"))  # fmt: skip


def _animal(rng: Random) -> Plan:
    """Four legs, a body, a head with snout and ears, a tail."""
    long, fat, leg = rng.uniform(0.5, 0.8), rng.uniform(0.26, 0.4), rng.uniform(0.3, 0.65)
    head, neck = rng.uniform(0.2, 0.3), rng.uniform(0.05, 0.4)
    at = np.array([long + 0.15, fat * 0.6 + neck, 0])
    parts = [Part(_round((0, 0, 0), (long, fat, fat * 0.85)), 0)]
    parts += [Part(_rod((long * 0.7, fat * 0.2, 0), at, fat * 0.6, head * 0.7), 0, 0.15)]
    for x in (-0.65, 0.65):
        for z in (-0.5, 0.5):
            foot = (long * x + rng.normal(0, 0.08), -fat * 0.6 - leg, fat * z)
            parts.append(Part(_rod((long * x, -fat * 0.4, fat * z), foot, 0.13, 0.08), 0, 0.1))
    parts += [Part(_round(at, (head * 1.05, head, head * 0.9)), 0, 0.08)]
    snout = at + vector(head * rng.uniform(0.9, 1.3), -head * 0.25, 0)
    parts += [Part(_rod(at, snout, head * 0.6, head * 0.4), 0, 0.08)]
    parts += [Part(_round(snout + vector(head * 0.35, head * 0.1, 0), (0.06, 0.05, 0.06)), 1)]
    ear = rng.uniform(0.8, 1.6)
    for side in (-1, 1):
        root = at + vector(-0.05, head * 0.7, side * head * 0.5)
        tip = at + vector(-0.1, head * ear, side * head * 0.8)
        parts.append(Part(_rod(root, tip, 0.09, 0.03), 0, 0.04))
        parts.append(Part(_round(at + vector(head * 0.75, head * 0.3, side * head * 0.45), (0.05, 0.05, 0.05)), 1))
    parts.append(
        Part(_rod((-long * 0.9, fat * 0.3, 0), (-long - 0.35, rng.uniform(-0.2, 0.6), 0), 0.09, 0.05), 0, 0.06)
    )
    return Plan(parts, ("fur", "dark"), ("a dog", "a cat", "an animal", "a horse"), yaw=1.3)


def _car(rng: Random) -> Plan:
    long, high = rng.uniform(0.9, 1.1), rng.uniform(0.2, 0.3)
    parts = [Part(_block((0, 0, 0), (long, high, 0.45), m=5), 0)]
    parts += [Part(_block((rng.uniform(-0.25, 0.1), high + 0.16, 0), (rng.uniform(0.45, 0.6), 0.25, 0.38), m=4), 1)]
    parts += [Part(_block((rng.uniform(-0.2, 0.05), high + 0.38, 0), (0.42, 0.05, 0.36), m=4), 0)]
    for x in (-0.6, 0.6):
        for z in (-0.42, 0.42):
            wheel = Superquadric(vector(x * long, -high, z), vector(0.22, 0.09, 0.22), rotation(0, np.pi / 2), 2, 6)
            hub = Superquadric(vector(x * long, -high, z * 1.06), vector(0.1, 0.09, 0.1), rotation(0, np.pi / 2), 2, 6)
            parts += [Part(wheel, 1), Part(hub, 2)]
    return Plan(parts, ("plastic", "dark", "metal"), ("a toy car", "a car"), yaw=0.9, pitch=0.4)


def _boxes(rng: Random) -> Plan:
    parts, floor = [], 0.0
    for index in range(int(rng.integers(1, 4))):
        half = rng.uniform(0.15, 0.55)
        turn = rotation(rng.uniform(-0.8, 0.8))
        centre, radii = (
            (rng.normal(0, 0.1), floor + half, rng.normal(0, 0.1)),
            (rng.uniform(0.4, 0.8), half, rng.uniform(0.3, 0.7)),
        )
        parts.append(Part(_block(centre, radii, turn, rng.uniform(8, 16)), index))
        floor += 2 * half
    return Plan(parts, ("print", "wood", "print"), ("a box", "stacked boxes", "a product", "books"), pitch=0.5)


def _fruit(rng: Random) -> Plan:
    parts: list[Part] = []
    for index in range(int(rng.integers(1, 5))):
        radius, spin = rng.uniform(0.28, 0.5), index * 1.7 + rng.uniform(0, 0.6)
        centre = (0.5 * np.cos(spin), radius, 0.45 * np.sin(spin))
        turn = rotation(0, rng.normal(0, 0.4), rng.normal(0, 0.4))
        parts.append(Part(_round(centre, (radius, radius * rng.uniform(0.85, 1.3), radius), turn), index % 3))
        top = np.array(centre) + turn @ np.array([0, radius * 0.9, 0])
        parts.append(Part(_rod(top, top + turn @ np.array([0.03, 0.22, 0]), 0.03, 0.02), 3))
    return Plan(parts, ("plastic", "leaf", "plastic", "wood"), ("fruit", "a still life", "apples"), yaw=3, pitch=0.4)


def _chair(rng: Random) -> Plan:
    parts = [
        Part(_block((0, 0, 0), (0.55, 0.08, 0.5)), 0),
        Part(_block((0, 0.65, -0.45), (0.52, rng.uniform(0.3, 0.5), 0.06)), 0),
    ]
    for x in (-0.45, 0.45):
        for z in (-0.42, 0.42):
            parts.append(Part(_rod((x, 0, z), (x * 1.1, -0.8, z * 1.1), 0.06, 0.045), 1))
    parts.append(Part(_block((0, 0.14, 0.02), (0.48, 0.08, 0.42), m=4), 2))
    return Plan(parts, ("wood", "wood", "cloth"), ("a chair", "furniture"), yaw=1.0, pitch=0.4)


def _toy(rng: Random) -> Plan:
    """Anything: a cluster of random solids that melt into each other."""
    parts: list[Part] = []
    for _ in range(int(rng.integers(2, 7))):
        centre, turn = rng.normal(0, 0.3, 3), rotation(*rng.uniform(0, 3, 3))
        radii, shape = rng.uniform(0.3, 0.65, 3), rng.random()
        solid: Solid = _round(centre, radii, turn)
        if shape < 0.35:
            solid = Superquadric(vector(*centre), vector(*radii), turn, rng.uniform(2, 10), rng.uniform(2.5, 10))
        elif shape < 0.6:
            solid = _rod(centre, centre + rng.normal(0, 0.5, 3), rng.uniform(0.1, 0.35), rng.uniform(0.08, 0.3))
        parts.append(Part(solid, int(rng.integers(3)), rng.choice([0, 0.15])))
    kinds = tuple(
        str(kind) for kind in rng.choice(["plastic", "metal", "stone", "cloth", "wood", "print", "ceramic"], 3)
    )
    return Plan(parts, kinds, ("a sculpture", "a toy", "an object"), yaw=3)


def _bust(rng: Random) -> Plan:
    return Plan(*bust(rng), yaw=0.75, pitch=0.15, bust=True)


def _figure(rng: Random) -> Plan:
    return Plan(*figure(rng), yaw=0.9, pitch=0.12)


MAKERS: tuple[tuple[Callable[[Random], Plan], float], ...] = (
    (_bust, 0.26), (_figure, 0.14), (_vessel, 0.12), (_mug, 0.05), (_plant, 0.07), (_animal, 0.1),
    (_car, 0.04), (_boxes, 0.07), (_fruit, 0.05), (_chair, 0.03), (_toy, 0.07),
)  # fmt: skip
"""Every maker and how often it is drawn."""
