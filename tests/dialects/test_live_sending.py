"""Senders against the server on a real socket: what is asked arrives, and what is answered is understood."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sending_cases import PNG, request, sender

from iclight_local.dialects.base import Link
from iclight_local.dialects.hearing import meant
from iclight_local.dialects.sending import Outcome, Pending, Pictures, Received, Refused, Sent, Subject
from iclight_local.dialects.understanding import media_type_of
from iclight_local.errors import EngineError
from tests.fake_engine import FakeEngine
from tests.server.live import Live, Reply, serving

DATA_URI = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
CASES: list[tuple[str, dict[str, Any], int]] = [
    ("ic-light", {"prompt": "cat", "light_source": "left", "steps": 12, "seed": 7, "output_format": "png"}, 1),
    ("ic-light", {"prompt": "é", "number_of_images": 3, "output_format": "webp"}, 3),
    ("segmind-relighting-v2", {"light": "left 3200K softbox 0.26", "background_mode": "transparent"}, 1),
    ("magic-lighting", {"prompt": "dusk", "number_of_images": 2, "seed": 3, "width": 256, "height": 384}, 2),
    ("edit", {"keep": "colour", "output_format": "jpeg"}, 1),
]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with serving(tmp_path_factory.mktemp("jobs")) as found:
        yield found


def post(live: Live, sent: Sent) -> Reply:
    if sent.json is not None:
        return live.json(sent.path, sent.json)
    if sent.files:
        return live.form(sent.path, {**sent.form, **{name: each.data for name, each in sent.files.items()}})
    return live.call(sent.method, sent.path)


def ended(live: Live, model: str, sent: Sent) -> Outcome:
    """What a call comes to in the end."""
    for _ in range(500):
        reply = post(live, sent)
        found = sender(model).understand(Received(reply.status, reply.headers, reply.data), sent)
        if not isinstance(found, Pending):
            return found
        sent = found.poll
        time.sleep(0.01)
    raise AssertionError("the job does not end")


@pytest.mark.parametrize(("model", "knobs", "number"), CASES)
def test_a_request_comes_through(live: Live, model: str, knobs: dict[str, Any], number: int) -> None:
    asked = request(**knobs)
    found = ended(live, model, sender(model).encode(asked, Subject(PNG, DATA_URI)))
    assert isinstance(found, Pictures) and len(found.images) == number
    assert all(live.get(each.url).status == 200 for each in found.images if isinstance(each, Link))
    if model == "edit":
        assert isinstance(found.images[0], bytes) and media_type_of(found.images[0]) == "image/jpeg"
    heard, said = meant(live.engine.requests[-1]), meant(asked)
    # Photoroom's format is its answer's alone.
    told = set(knobs) - ({"output_format"} if model == "edit" else set())
    assert {name: heard[name] for name in told} == {name: said[name] for name in told}
    assert "seed" not in knobs or found.used_seed == knobs["seed"]


@pytest.mark.parametrize("model", ["ic-light", "magic-lighting", "edit"])
def test_an_engine_that_fails(model: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path_factory.mktemp("jobs"), engine=FakeEngine(error=EngineError("It broke."))) as failing:
        knobs = {"prompt": "cat"} if model == "ic-light" else {}
        found = ended(failing, model, sender(model).encode(request(**knobs), Subject(PNG, DATA_URI)))
    assert isinstance(found, Refused) and isinstance(found.error, EngineError)
    assert "It broke" in str(found.error) and not found.may_retry
