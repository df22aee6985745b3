"""An edit: its record, its warnings, and whose failure is whose."""

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from iclight_local.engines.edit_ways import CutOut
from iclight_local.engines.editing import edit
from iclight_local.errors import InvalidRequest
from iclight_local.request import EditRequest
from iclight_local.result import RelightResult
from tests.engines.at_once import AtOnce
from tests.engines.editing_cases import edited, photo, result_of
from tests.fake_engine import FramedFake


def test_metadata_and_density_go_with_the_result() -> None:
    exif = Image.Exif()
    exif[0x8298] = "Ada"
    buffer = io.BytesIO()
    photo().save(buffer, "jpeg", exif=exif)
    assert b"Ada" in (result_of(subject_image=buffer.getvalue()).exif or b"")
    result = result_of(subject_image=buffer.getvalue(), metadata="none", dpi=300)
    assert (result.exif, result.xmp, result.density) == (None, None, 300)


def test_the_record_says_what_was_edited() -> None:
    result = result_of(subject_image=photo(), padding="10%", shadow="soft", background_colour="#ffffff")
    assert result.record["kind"] == "edit"
    assert result.record["edit"] == {
        "background_colour": "#ffffff",
        "background_mode": "colour",
        "padding": "10%",
        "shadow": "soft",
    }
    assert (result.record["subject"]["width"], result.record["subject"]["height"]) == (80, 40)


def test_uncertainty_is_told_of_a_network_s_matte_alone() -> None:
    assert result_of(subject_image=photo()).record["uncertainty"] == 0
    assert "uncertainty" not in result_of(subject_image=photo(), background_mode="keep").record


def test_a_light_s_knobs_without_a_light_are_told() -> None:
    told = result_of(subject_image=photo(), number_of_images=3, steps=9, background_flip=False).warnings
    assert told == (
        "No light was asked for, so nothing is done with steps, number_of_images: add --light or --prompt.",
    )
    assert result_of(subject_image=photo(), steps=9, light="left").warnings == ()


def test_what_an_edit_did_not_do_is_told() -> None:
    [told] = result_of(subject_image=photo(), background_blur="bokeh").warnings
    assert told.startswith("Nothing stands behind the subject that could be blurred")
    # The fake's subject is cut off at the left, the top and the bottom.
    [told] = result_of(subject_image=photo(), padding="10%", padding_top="0").warnings
    assert told.startswith("The picture cuts its subject off (left, bottom), so there is no padding there")
    assert result_of(subject_image=photo(), padding="10%", pad_cropped_sides=True).warnings == ()


def test_the_record_of_an_edit_without_light_tells_of_none() -> None:
    unlit, lit = result_of(subject_image=photo()), result_of(subject_image=photo(), light="left", seed=3)
    assert not {"request", "passes", "seed"} & unlit.record.keys()
    assert (lit.record["seed"], lit.record["request"]["light"]) == (3, "left")


def test_an_offline_engine_s_edit_reaches_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("the network was asked"))
    for knobs in ({"subject_image": "http://example.org/a.png"}, {"background_image": "http://example.org/b.png"}):
        with pytest.raises(InvalidRequest, match="offline"):
            edited(FramedFake(offline=True), **knobs)


def test_a_source_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer, read = io.BytesIO(), []
    photo().save(buffer, "png")

    def fetched(source: Any, **_: Any) -> tuple[bytes, str]:
        read.append(source)
        return buffer.getvalue(), "a.png"

    monkeypatch.setattr("iclight_local.engines.editing.read_source", fetched)
    kept = {"background_mode": "keep", "outline_colour": "#ffffff", "light": "left"}
    result = result_of(subject_image="http://example.org/a.png", **kept)
    assert read == ["http://example.org/a.png"]
    assert result.record["subject"]["name"] == "a.png"


def test_the_record_tells_who_found_the_subject() -> None:
    back = Image.new("RGB", (10, 10))
    for knobs in ({"background_mode": "keep", "outline_colour": "#ffffff"}, {"background_mode": "generate"}):
        result = result_of(subject_image=photo(), prompt="beach", **knobs)
        assert result.record["subject"]["matte"] == "fake"
    assert len(result_of(subject_image=photo(), background_image=back).record["background"]["sha256"]) == 64


def test_uncertainty_is_the_same_with_a_light_and_without() -> None:
    unlit, lit = result_of(subject_image=photo()), result_of(subject_image=photo(), light="left")
    assert unlit.record["uncertainty"] == lit.record["uncertainty"] == 0


def test_large_pictures_are_composed_two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    composing = AtOnce(CutOut.placed)
    monkeypatch.setattr(CutOut, "placed", lambda *given: composing(*given))
    with ThreadPoolExecutor(5) as pool:
        asked = [EditRequest(subject_image=photo(), light="left", seed=seed) for seed in range(5)]
        outcomes = list(pool.map(lambda one: edit(FramedFake(), one), asked))
    assert ([each.seed for each in outcomes], composing.most) == ([0, 1, 2, 3, 4], 2)


def test_a_provider_s_light_tells_of_no_weights() -> None:
    """The subject was cut out here, by a network whose file is known, and lit elsewhere."""

    class Elsewhere(FramedFake):
        def cut_out(self, request: Any, *, progress: Any = None) -> RelightResult:
            found = super().cut_out(request, progress=progress)
            return replace(found, record={**found.record, "weights": {"sha256": {"segmenter": "ab12"}}})

    result = result_of(Elsewhere(), subject_image=photo(), prompt="beach", background_mode="generate")
    assert result.record["weights"] == {"sha256": {"segmenter": "ab12"}}
