"""How a bench was measured, in plain words, for the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iclight_local.bench.quality import AGREES, INSIDE, LONGEST
from iclight_local.bench.table import TIMES

_FIGURES = (
    (
        "Time",
        "On the clock from the request to the decoded pictures; for a contestant behind a network its network"
        " is included. Cold start: for this machine a fresh process from its start to its first picture; for "
        "others the first call. p50 and p95: half and 95 % of the warm answers were faster. Pictures an hour:"
        " one request after the other, nothing in parallel.",
    ),
    (
        "Cost",
        "For 1,000 pictures, in dollars: what a provider charges, or what this machine costs in the time that"
        " they take. What is counted is said for each contestant under the table; nothing is guessed where it is not "
        "known.",
    ),
    (
        "Memory",
        "The highest that the contestant told of this machine: on a graphics card of the device, else of the "
        "process, libraries included. What others use elsewhere is not known.",
    ),
    (
        "Comparing pictures",
        "The first image of the first measured answer is judged. A result may show the middle of the picture "
        f"alone; the picture is cropped to its shape, brought to {LONGEST} pixels along the longer side at "
        "most, and the result is scaled to that. The subject is where the matte says; a scene's own true "
        "matte, the picture's transparency, or a segmenter's, and the same for all.",
    ),
    (
        "Light from the asked side",
        "The slope of brightness over the subject, as a direction. It comes from the asked side where it is "
        f"less than {AGREES:.0f} degrees off. Where the scene's paint is known it is divided out; else dark "
        "hair over a white shirt counts like light from below. Only where the request names a side. In "
        "the dials beside the names the ring is the side that was asked for, the hand where the light comes from.",
    ),
    (
        "Detail, place, colour",
        "Detail kept: structural likeness of the fine structure whatever the light on it, 0 to 1. "
        "Misalignment: how far the subject moved, in percent of the longer side. ΔE: median CIEDE2000 "
        "difference to the picture, inside the matte, where new light is meant to change it, and outside of "
        "it.",
    ),
    (
        "Error to the true render",
        "Where the scene is synthetic: root mean square difference in grey levels (0 to 255) over the subject"
        f" (matte above {INSIDE}) to a render of the same scene under the asked light; and the same after the "
        "one gain in linear light (within three stops) that suits it best, since the exposure is not part of "
        "the question.",
    ),
)
"""What holds for every bench: a heading and a text each."""


def paragraphs(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was done and what the figures mean: a heading and a text each."""
    experiment = result["experiment"]
    runs, warmup, first = experiment["runs"], experiment["warmup"], next(iter(result["contestants"]), "")
    return [
        (
            "The same work for everybody",
            f"Every contestant gets the same requests. They take turns, {runs} measured answers to each picture "
            f"(first {first}, then the next, and again), so that a busy machine hurts all alike. Before that each "
            f"has its cold start and {_times(warmup)} to warm up. What a contestant refuses or fails at is listed "
            "and stops nobody else.",
        ),
        *_FIGURES,
        (
            "Over all pictures",
            "Figures of quality are medians over the pictures that a contestant answered. "
            f"A figure with {TIMES} is that figure over {first}'s.",
        ),
    ]


def _times(number: int) -> str:
    return "no answer" if number == 0 else "one answer" if number == 1 else f"{number} answers"
