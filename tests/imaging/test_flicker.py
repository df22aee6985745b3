"""The light of a frame is measured, kept and compared; flicker is told in stops."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from iclight_local.imaging.flicker import flicker
from iclight_local.imaging.light_ratio import LightRatio, light_ratio, likeness
from iclight_local.imaging.linear import to_srgb
from tests.imaging.sequences import SIDE, Frame, disc, flickering, moving, painted, still


def lights(frames: list[Frame]) -> list[LightRatio]:
    return [frame.light for frame in frames]


def test_the_ratio_is_that_of_each_region() -> None:
    paint, cover = painted(), disc()[..., None]
    made = paint * (cover * np.array([2.0, 1.0, 0.5], np.float32) + (1 - cover) * np.float32(0.5))
    light = light_ratio(to_srgb(paint), to_srgb(made), disc())
    middle, corner = light.ratio[0, :, 16, 16], light.ratio[1, :, 1, 1]
    assert middle == pytest.approx(np.log([2, 1, 0.5]), abs=0.02)
    assert corner == pytest.approx(np.log([0.5] * 3), abs=0.02)
    assert light.weight[0, 1, 1] == 0 and light.weight[1, 16, 16] == 0


def test_a_ratio_comes_back_from_its_bytes() -> None:
    light = still(flickering(1))[0].light
    again = LightRatio.from_bytes(light.to_bytes())
    for name in ("ratio", "scene", "weight"):
        assert np.array_equal(getattr(again, name), getattr(light, name))
    assert again.to_bytes() == light.to_bytes() and len(light.to_bytes()) < 30_000


@pytest.mark.parametrize("spoil", [lambda kept: kept[:-1], lambda kept: b"", lambda kept: b"PNG" + kept])
def test_other_bytes_are_refused(spoil: object) -> None:
    kept = still(flickering(1))[0].light.to_bytes()
    with pytest.raises(ValueError, match="measure the frame again"):
        LightRatio.from_bytes(spoil(kept))  # type: ignore[operator]


def test_a_result_of_another_size_has_the_same_light() -> None:
    frame = still(flickering(1))[0]
    larger = np.asarray(Image.fromarray(frame.made).resize((SIDE * 3, SIDE * 3), Image.Resampling.BICUBIC))
    other = light_ratio(frame.seen, larger, frame.matte)
    known = (frame.light.weight > 0.1)[:, None].repeat(3, 1)
    assert np.abs(other.ratio[known].astype(float) - frame.light.ratio[known]).max() < 0.1
    assert np.abs(other.ratio[known].astype(float) - frame.light.ratio[known]).mean() < 0.02


def test_flicker_is_the_standard_deviation_of_a_light_that_changes_by_chance() -> None:
    one = np.ones((2, 3, 1, 1), np.float16)
    stops = np.random.default_rng(0).normal(0, 0.2, 500)
    found = flicker([LightRatio((one * s * np.log(2)).astype(np.float16), one / 4, one[:, 0]) for s in stops])
    assert found == pytest.approx(0.2, rel=0.05)


def test_a_light_that_changes_steadily_does_not_flicker() -> None:
    fade = flicker(lights(still((2 ** np.linspace(0.3, -1.2, 12)).astype(np.float32))))
    assert fade is not None and fade < 0.004


def test_subject_and_surroundings_flicker_apart() -> None:
    frames = lights(moving(flickering(12)))
    subject, around = flicker(frames), flicker(frames, outside=True)
    assert subject is not None and around is not None
    assert subject > 0.1 and around < 0.005


def test_a_subject_that_moves_does_not_flicker_by_that() -> None:
    found = flicker(lights(moving(np.ones(12, np.float32))))
    assert found is not None and found < 0.02


def test_a_cut_is_no_flicker() -> None:
    first, second = still(np.ones(5, np.float32)), still(np.full(5, 0.4, np.float32), painted(5)[::-1])
    found = flicker(lights([*first, *second]))
    assert found is not None and found < 0.004


def test_without_three_frames_of_a_region_there_is_no_figure() -> None:
    frames = lights(still(flickering(2)))
    assert flicker(frames) is None and flicker([]) is None
    bare = [light_ratio(f.seen, f.made, np.zeros_like(f.matte)) for f in still(flickering(4))]
    assert flicker(bare) is None and flicker(bare, outside=True) is not None


def test_likeness_falls_as_a_subject_moves_and_is_nothing_for_another_scene() -> None:
    frames = lights(moving(np.ones(16, np.float32)))
    shares = [float(likeness(frames[0], frames[step])[0]) for step in (0, 2, 5, 9, 15)]
    assert shares[0] == 1 and shares[-1] == 0
    assert all(later <= earlier for earlier, later in pairwise(shares))
    assert likeness(*lights([still(np.ones(1))[0], still(np.ones(1), painted(5)[::-1])[0]])).max() < 0.1
