"""Whether the light comes from the side that was asked for.

The measure is ``light_gradient`` of the linear result over the true matte, with the true albedo divided out: the slope
of the light, not of the paint. It *points to the asked side* where it is less than 45 degrees off, so that this side is
the nearest of the four. Without the albedo, and with 90 degrees, the shares are reported beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.mini.figures import Line, linear, mean, median, outcome, share
from benchmarks.mini.relight import Ask
from benchmarks.mini.run import Run
from benchmarks.scenes import SIDES, Sample, angle_error, light_gradient
from benchmarks.scenes.samples import Bytes

POINTS = 45.0
WORDS = {
    "left": "light from the left",
    "right": "light from the right",
    "top": "light from above",
    "bottom": "light from below",
}
"""The prompts that ask for a side, without a light source."""


def measure(run: Run) -> dict[str, Any]:
    """Each scene from each side by ``light_source``, under the trial's prompt."""
    scenes = []
    for case, pictures in run.sides():
        scenes.append(figures(case, pictures))
        run.sheet.keep(case.seed, {"input": case.input, **pictures})
    asked = "light_source: gradient points to the asked side"
    return outcome(scenes, _lines(scenes, asked, 0.95, 30.0))


def measure_words(run: Run) -> dict[str, Any]:
    """Each scene from each side by the words of :data:`WORDS` alone."""
    made = run.relit(lambda case: {side: Ask(case, words) for side, words in WORDS.items()})
    scenes = [figures(case, pictures) for case, pictures in made]
    return outcome(scenes, _lines(scenes, "words alone: gradient points to the asked side", 0.85, None))


def figures(case: Sample, pictures: Mapping[str, Bytes]) -> dict[str, Any]:
    """The errors of a scene's four pictures.

    Args:
        case: the scene.
        pictures: results by the side that was asked for.

    Returns:
        ``seed``; by side ``degrees`` off (0..180), ``degrees_with_paint`` (the albedo not divided out) and the
        ``gradient`` itself.
    """
    found: dict[str, Any] = {"seed": case.seed}
    for side, picture in pictures.items():
        light = linear(picture)
        gradient = light_gradient(light, case.matte, case.albedo)
        with_paint = light_gradient(light, case.matte)
        found[side] = {
            "degrees": angle_error(gradient, side),
            "degrees_with_paint": angle_error(with_paint, side),
            "gradient": list(gradient),
        }
    return found


def _lines(scenes: list[dict[str, Any]], what: str, least: float, most: float | None) -> list[Line]:
    by_side = {side: [scene[side]["degrees"] for scene in scenes] for side in SIDES}
    errors = [error for values in by_side.values() for error in values]
    painted = [scene[side]["degrees_with_paint"] for scene in scenes for side in SIDES]
    lines = [
        Line(what, share(error < POINTS for error in errors), least, "%"),
        Line("mean angle error", mean(errors), most, "deg", most=True),
        Line("median angle error", median(errors), unit="deg"),
        Line("share below 90 degrees", share(error < 90 for error in errors), unit="%"),
        Line("points to the side, albedo not divided out", share(error < POINTS for error in painted), unit="%"),
        Line("below 90 degrees, albedo not divided out", share(error < 90 for error in painted), unit="%"),
    ]
    for side, values in by_side.items():
        lines.append(Line(f"points to the {side}", share(error < POINTS for error in values), unit="%"))
    return lines
