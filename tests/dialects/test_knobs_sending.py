"""Every knob of a request, sent to every hosted model: it is said, or it is what the call means anyway, or refused."""

from __future__ import annotations

import ast
from functools import cache
from typing import Any

import pytest
from sending_cases import BOTH, LEAST, PNG, SENDERS, call_of, read_back, request

from iclight_local.dialects.hearing import KNOBS, PICTURES, meant
from iclight_local.dialects.sending import Sender, Sent
from iclight_local.errors import Unsupported
from iclight_local.request import RelightRequest

VALUES: dict[str, list[Any]] = {
    "prompt": ["sunset"],
    "appended_prompt": ["sharp", ""],
    "negative_prompt": ["hands", ""],
    "light_source": ["left", "bottom", "ambient"],
    "light": ["left", "back 3200K spotlight 1.0", "top-left 0.3"],
    "model": ["fc", "fcon", "fbc"],
    "width": [64, 768, 1024],
    "height": [64, 768, 1024],
    "steps": [1, 12, 25, 30, 100],
    "cfg": [1, 2, 5.5],
    "cfg_until": [0, 0.5],
    "cache_interval": [2, 10],
    "lowres_denoise": [0.3, 0.85],
    "highres_scale": [1, 1.1, 3],
    "highres_denoise": [0.1, 0.45],
    "number_of_images": [2, 12],
    "seed": [0, 2**63 - 1],
    "background_flip": [True],
    "noise_device": ["device"],
    "fit": ["pad", "input"],
    "keep": ["none", "detail", "colour", "all"],
    "light_strength": [0, 0.6],
    "background_mode": ["generate", "keep", "image", "colour", "transparent"],
    "background_strength": [0.7, 1],
    "background_colour": ["#ff8800"],
    "contact_shadow": [True],
    "exposure": [0.18, 0.55],
    "exposure_compensation": [-3, 1],
    "output_format": ["png", "jpeg", "webp"],
    "output_quality": [0, 50, 80],
    "background_image": [PNG],
    "matte": [PNG],
    "light_map": [PNG],
    "light_reference": [PNG],
}
BESIDE: dict[str, dict[str, Any]] = {
    "background_flip": {"background_image": PNG},
    "background_colour": {"background_mode": "colour"},
}
"""What a knob means nothing without."""
WITH: dict[tuple[str, Any], dict[str, Any]] = {
    ("light_source", "ambient"): {"model": "fbc"},
    ("model", "fbc"): {"light_source": "left"},
    ("background_mode", "image"): {"background_image": PNG, "model": "fc"},
}
CASES = [(name, value) for name, values in VALUES.items() for value in values]
SAID = [("edit", "output_quality")]
"""Knobs that any value of is honoured without a word: a PNG has no quality."""


def beside(each: Sender, name: str, value: Any) -> dict[str, Any]:
    """The other knobs of a case; there is one light at most."""
    others = {**LEAST.get(each.model, {}), **BESIDE.get(name, {}), **WITH.get((name, value), {})}
    alone = {"light_source", "light_map", "light_reference", "background_image"} & {name, *others}
    return {other: kept for other, kept in others.items() if other != name and not (alone and other == "light")}


@cache
def plain(each: Sender, others: str) -> Sent | None:
    """The call without the knob of a case; None where there is none."""
    try:
        return each.encode(request(**ast.literal_eval(others)), BOTH)
    except Unsupported:
        return None


def test_no_knob_is_forgotten() -> None:
    assert set(VALUES) == set(RelightRequest.model_fields) - {"subject_image"}
    assert set(VALUES) == {*KNOBS, *PICTURES}


@pytest.mark.parametrize(("name", "value"), CASES, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("each", SENDERS, ids=lambda each: each.model)
def test_a_knob_is_said_or_refused(each: Sender, name: str, value: Any) -> None:
    others = beside(each, name, value)
    asked = request(**others, **{name: value})
    try:
        sent = each.encode(asked, BOTH)
    except Unsupported as refused:
        assert each.provider in str(refused)
        assert any(word in str(refused) for word in (name, *others))
        assert "\n" not in str(refused)
        return
    before = plain(each, repr(others))
    if before is None or call_of(sent) != call_of(before) or (each.model, name) in SAID:
        return
    fields = call_of(sent).fields
    assert value in (fields.get(name), fields.get("export.format")) or meant(read_back(each, sent))[name] == value


@pytest.mark.parametrize("each", SENDERS, ids=lambda each: each.model)
def test_defaults_that_are_spelt_out_are_no_wish(each: Sender) -> None:
    defaults = {name: RelightRequest.model_fields[name].default for name in VALUES}
    spelt = request(**{**defaults, **LEAST.get(each.model, {})})
    assert spelt.model_fields_set >= set(VALUES)
    assert each.encode(spelt, BOTH) == each.encode(request(**LEAST.get(each.model, {})), BOTH)
