"""Every declared knob has a field on the page, and its value comes through it and back unchanged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from iclight_local.engines.record import recorded_run
from iclight_local.errors import InvalidRequest
from iclight_local.plan import executed_knobs, plan_of
from iclight_local.request import RelightRequest
from iclight_local.sentences import constraint
from iclight_local.ui.knobs import ADVANCED, ELSEWHERE, KEEPING, KNOBS, PICTURES, SIZE, component, given, restored

MAX_SEED = 2**63 - 1
FIELDS = [*KEEPING, *SIZE, *ADVANCED]
DRAWN = ["prompt", "light", *FIELDS]
SUBJECT = {"subject_image": b""}


def test_each_knob_stands_in_one_place() -> None:
    assert sorted([*FIELDS, *ELSEWHERE]) == sorted(RelightRequest.model_fields)
    assert {"subject_image", "background_image", "matte", "light_map", "light_reference"} == set(PICTURES)


@pytest.mark.parametrize("name", FIELDS)
def test_an_untouched_field_asks_for_nothing(name: str) -> None:
    drawn = component(name)
    assert drawn.label == name.replace("_", " ") and drawn.info == KNOBS[name].description
    assert given([name], [drawn.value]) == {}


def another(name: str) -> Any:
    """A value that is not the default."""
    field, declared = KNOBS[name], RelightRequest.model_fields[name]
    if field.type is bool:
        return not declared.default
    if field.choices:
        return next(choice for choice in field.choices[::-1] if choice != declared.default)
    if field.type is str:
        return "#12ab56" if name.endswith("_colour") else "something else"
    low, high, step = (constraint(declared, key) for key in ("ge", "le", "multiple_of"))
    if name == "seed":
        return high
    found = low + (1 if step is None else step) if field.type is int else (low + high) / 2
    return found if found != declared.default else high


def asked_by(names: list[str], values: list[Any]) -> dict[str, Any]:
    """What fields ask for; numbers may be written as texts."""
    found = given(names, values)
    return {name: KNOBS[name].type(value) if KNOBS[name].type is int else value for name, value in found.items()}


@pytest.mark.parametrize("name", FIELDS)
def test_what_a_field_holds_is_asked_for(name: str) -> None:
    value = another(name)
    shown = str(value) if name == "seed" else component(name, value).value
    assert asked_by([name], [shown]) == {name: value}
    # Alone, as the page sends it, it is a value of the knob.
    try:
        asked = RelightRequest(subject_image=b"", **{name: value})
    except InvalidRequest as error:
        assert name in ("model", "background_flip"), error
    else:
        assert getattr(asked, name) == value


def test_every_value_comes_back_from_a_record_into_its_field() -> None:
    knobs = {name: another(name) for name in DRAWN} | {"light": "left + right #ff0000 0.5"}
    found = restored(DRAWN, knobs)
    assert asked_by(DRAWN, found) == knobs
    # An int of 64 bits would lose its last digits in a browser.
    assert found[DRAWN.index("seed")] == "9223372036854775807"


def test_what_a_record_does_not_name_has_its_default() -> None:
    assert given(DRAWN, restored(DRAWN, {})) == {}


def test_the_record_of_a_plain_relight_asks_for_the_same_again() -> None:
    request = RelightRequest(**SUBJECT, prompt="a", light_source="left", steps=12, seed=MAX_SEED, fit="crop")
    plan = plan_of(request)
    run = recorded_run({"kind": "relight", "seed": plan.seed, "request": executed_knobs(request, plan)})
    fields = dict(zip(DRAWN, restored(DRAWN, run.knobs), strict=True))
    assert (fields["light"], fields["prompt"], fields["seed"]) == ("left", "a", str(MAX_SEED))
    again = RelightRequest(**SUBJECT, **given(fields.keys(), fields.values()))
    # The word of the light source is that of a light, too.
    assert replace(plan_of(again), light_source="left", lights=plan.lights) == plan and again.light == "left"


@pytest.mark.parametrize(
    ("drawn", "asked"),
    [("rgba(18.4, 171, 86, 1)", "#12ab56"), ("rgba(255.6,0,0,0.5)", "#ff0000"), ("rgb(0, 0, 1)", "#000001")],
)
def test_a_colour_as_a_browser_draws_it_is_taken(drawn: str, asked: str) -> None:
    assert given(["background_colour"], [drawn]) == {"background_colour": asked}


def test_an_emptied_field_asks_for_nothing() -> None:
    assert given(["prompt", "width", "seed", "keep"], ["  ", None, "", ""]) == {}


def test_no_strange_light_comes_from_a_record() -> None:
    with pytest.raises(InvalidRequest, match="moon"):
        restored(DRAWN, {"light": "from the moon"})
