"""Warnings about a request: knobs that have no effect, and settings that are known to fail."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iclight_local.imaging.exposure import MAX_GAIN
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.plan import RelightPlan
from iclight_local.request import RelightRequest

HIGH_CFG = 2.5
"""Guidance above which fc is known to burn colours."""
WEAK_DENOISE = 0.5
"""Denoise strength below which the light map itself shows through."""
NEAR = 0.07
"""Share of an exposure by which a result may miss it and still be called as asked: soft edges and 8 bits cost some."""
BLACK = 8
"""Grey level below which a surrounding counts as black."""


def advice(request: RelightRequest, plan: RelightPlan) -> tuple[str, ...]:
    """Sentences about the knobs of a request."""
    return (*_idle(request, plan), *_failing(plan, request))


def black_surroundings(rgb: UInt8Array, matte: FloatArray) -> tuple[str, ...]:
    """A warning where a picture counts as subject throughout, and its border is black.

    IC-Light reads grey 127 as nothing and black as a black wall, so such pictures come out dark.
    """
    if matte.min() < 1 or min(matte.shape) < 3:
        return ()
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    if np.mean(border.max(-1) < BLACK) < 0.9:
        return ()
    return (
        "The picture's border is black and counts as subject, so the result will be dark: "
        "give --matte, or take out the alpha channel to have the subject cut out.",
    )


def missed_exposure(results: Sequence[tuple[float | None, float | None]]) -> tuple[str, ...]:
    """A warning where a subject did not come to the mean luminance that was wanted: (wanted, found) of each result."""
    pairs = [(wanted, found) for wanted, found in results if wanted is not None and found is not None]
    missed = [pair for pair in pairs if abs(pair[1] - pair[0]) > NEAR * pair[0]]
    if not missed:
        return ()
    wanted, found = max(missed, key=lambda pair: abs(pair[1] - pair[0]))
    return (
        f"exposure {wanted:.3g} was not reached: the subject's mean luminance came to {found:.3g}, because light is "
        f"made {MAX_GAIN:g} times stronger or weaker at most.",
    )


def no_ground(request: RelightRequest, matte_source: str) -> tuple[str, ...]:
    """A warning where a shadow is to be kept of a picture that shows none."""
    if not request.contact_shadow or matte_source != "alpha":
        return ()
    return ("contact_shadow has no effect here: a cut-out shows no ground that its shadow could lie on.",)


def _failing(plan: RelightPlan, request: RelightRequest) -> tuple[str, ...]:
    found = []
    if plan.model != "fbc" and plan.cfg > HIGH_CFG:
        found.append(
            f"cfg {plan.cfg:g} is high for model {plan.model}: above {HIGH_CFG:g} colours burn and skin hardens; "
            "its makers use 2."
        )
    if plan.lowres.from_image and request.lowres_denoise < WEAK_DENOISE:
        found.append(
            f"lowres_denoise {request.lowres_denoise:g} leaves much of the light map in the picture: "
            "it is made for 0.8 to 1."
        )
    return tuple(found)


def _idle(request: RelightRequest, plan: RelightPlan) -> tuple[str, ...]:
    """Knobs that were set and have no effect in this run."""
    transferred, behind = request.kept != "none", request.behind
    reasons = {
        "lowres_denoise": (plan.lowres.from_image, "it works from a light map, with model fc or fcon"),
        "light_strength": (transferred, "it works where light is transferred, with keep detail, colour or all"),
        "background_strength": (
            transferred and behind == "keep",
            "it works on a kept background, with keep detail, colour or all",
        ),
        "background_colour": (behind == "colour", "it works with background_mode colour"),
        "contact_shadow": (
            behind in ("image", "colour", "transparent"),
            "it works with background_mode image, colour or transparent",
        ),
    }
    return tuple(
        f"{name} has no effect here: {why}."
        for name, (works, why) in reasons.items()
        if name in request.model_fields_set and not works
    )
