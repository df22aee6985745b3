"""The house's own normal map: read as a relight is, made by the engine's four runs, by way of the runner."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iclight_local.dialects import find_dialect
from iclight_local.dialects.base import Call
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.metadata import read_record
from iclight_local.jobs.base import Job
from tests.fake_engine import picture
from tests.server.live import PICTURE, Live, serving

DIALECT = find_dialect("house_normals")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with serving(tmp_path_factory.mktemp("normals")) as found:
        yield found


def run(live: Live, **fields: Any) -> Job:
    job = live.service.runner.submit("me", "house_normals", DIALECT.read(Call(fields, {"subject_image": PICTURE})))
    deadline = time.monotonic() + 20
    while (found := live.service.store.get(job.id)) is None or not found.final:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def test_the_engine_is_asked_for_normals_and_gives_its_map(live: Live, tmp_path: Path) -> None:
    job = run(live, seed=7, steps=9, output_format="webp")
    assert (job.state, job.outputs, job.seeds) == ("done", ("image/webp",), (7,))
    asked = live.engine.requests[-1]
    # The fake engine's normals are lit from the left; its relights are not.
    assert (asked.light_source, asked.model, asked.steps, asked.subject_image) == ("left", "fbc", 9, PICTURE)
    file = live.service.store.output(job, 0)
    assert file is not None and read_record(file, offline=True)["seed"] == 7


def test_the_map_is_the_runs_own_picture(live: Live) -> None:
    from PIL import Image, ImageChops

    job = run(live, seed=11)
    file = live.service.store.output(job, 0)
    assert file is not None
    with Image.open(file) as found:
        assert ImageChops.difference(found, picture(11, 0)).getbbox() is None


def test_wrong_values_are_refused_as_for_a_relight() -> None:
    for fields in ({"steps": 0}, {"no_such_knob": 1}, {"subject_image": "no picture!"}):
        with pytest.raises(InvalidRequest):
            DIALECT.read(Call(fields, {} if "subject_image" in fields else {"subject_image": PICTURE}))


def test_it_has_a_name_of_its_own() -> None:
    """A job finds its dialect again by it, in another process, too."""
    assert DIALECT.name == "house_normals" and DIALECT.task == "normals"
    assert find_dialect("house").task == "relight"
