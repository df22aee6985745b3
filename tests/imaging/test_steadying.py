"""Flicker goes, light that really changes stays: promises of ``steadied`` on sequences whose light is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from iclight_local.imaging.flicker import flicker
from iclight_local.imaging.linear import luminance, to_linear, to_srgb
from iclight_local.imaging.steadying import Neighbour, Window, steadied
from tests.imaging.sequences import (
    SIDE,
    Frame,
    around,
    brightness,
    disc,
    error,
    farthest,
    flickering,
    made_steady,
    moving,
    painted,
    still,
)

ONES = np.ones(16, np.float32)


def test_flicker_goes_and_the_mean_brightness_stays() -> None:
    frames = still(flickering(16))
    steady = made_steady(frames)
    for outside in (False, True):
        before, after = (flicker([frame.light for frame in each], outside=outside) for each in (frames, steady))
        assert before is not None and after is not None
        assert 0.1 < before < 0.3 and after < before / 8
    assert abs(brightness(steady).mean() / brightness(frames).mean() - 1) < 0.004
    assert np.abs(np.diff(brightness(steady))).mean() < np.abs(np.diff(brightness(frames))).mean() / 4


def test_the_tint_of_a_frame_goes_as_its_brightness_does() -> None:
    factors = np.ones((12, 3), np.float32)
    factors[1::2] = 1.1, 1.0, 0.85
    frames = still(factors)

    def warmth(frame: Frame) -> float:
        red, _, blue = to_linear(frame.made).mean((0, 1))
        return float(red / blue)

    before, after = (np.ptp([warmth(frame) for frame in each[2:-2]]) for each in (frames, made_steady(frames)))
    assert before > 0.2 and after < before / 8


def test_detail_stays() -> None:
    frames = still(flickering(9))
    for frame, steady in zip(frames, made_steady(frames), strict=True):
        fine = []
        for picture in (frame.made, steady.made):
            level = np.log(luminance(to_linear(picture)) + np.float32(1e-3))
            fine.append((level - ndimage.gaussian_filter(level, 4))[8:-8, 8:-8].ravel())
        assert np.corrcoef(*fine)[0, 1] > 0.995
        assert np.std(fine[1]) == pytest.approx(np.std(fine[0]), rel=0.02)


def test_a_moving_subject_leaves_no_light_behind() -> None:
    frames, truth = moving(flickering(16)), moving(ONES)
    steady = made_steady(frames)
    assert error(steady, truth).mean() < 4 and error(steady, truth).mean() < 0.6 * error(frames, truth).mean()
    assert farthest([replace(each, made=each.made * (each.matte == 0)[..., None]) for each in steady],
                    [replace(each, made=each.made * (each.matte == 0)[..., None]) for each in truth]) <= 1  # fmt: skip
    # The light stands where the lamp puts it, not where the subject was: nothing but flicker has gone.
    assert farthest(made_steady(truth), truth) <= 1


def test_a_subject_that_jumps_farther_than_its_width_keeps_its_own_light() -> None:
    frames = moving(flickering(3), pace=30)
    for frame, steady in zip(frames, made_steady(frames, Window(radius=1)), strict=True):
        assert np.array_equal(steady.made[frame.matte > 0.5], frame.made[frame.matte > 0.5])


@pytest.mark.parametrize("light", [np.linspace(1, 0.5, 20), np.logspace(-0.6, 0, 12)])
def test_a_fade_stays_a_fade(light: np.ndarray) -> None:
    frames = still(light.astype(np.float32))
    assert np.abs(brightness(made_steady(frames)) / brightness(frames) - 1).max() < 0.01


def test_flicker_at_the_ends_is_no_fade() -> None:
    factors = np.ones(12, np.float32)
    factors[0] = 1.3
    frames = still(factors)
    steady = brightness(made_steady(frames)) / brightness(still(ONES[:12]))
    assert steady[0] < 1.2 and np.abs(steady[3:] - 1).max() < 0.03


def test_nothing_is_carried_over_a_cut() -> None:
    other = painted(5)[::-1] * np.float32(1.4)
    first, second = still(ONES[:5]), still(ONES[:5] * np.float32(0.5), other)
    joined = made_steady([*first, *second])
    assert farthest(joined, [*first, *second]) <= 1
    flickers = still(flickering(5))
    assert [each.made.tobytes() for each in made_steady([*flickers, *second])[:5]] == [
        each.made.tobytes() for each in made_steady(flickers)
    ]


def test_a_background_that_is_cut_leaves_the_subject_related() -> None:
    frames = moving(flickering(10), pace=0)
    dark = [replace(f, seen=np.where(f.matte[..., None] > 0, f.seen, 10).astype(np.uint8)) for f in frames[5:]]
    cut, whole = made_steady([*frames[:5], *dark]), made_steady(frames)
    subject = disc(14, 17) > 0
    for one, other in zip(cut, whole, strict=True):
        assert np.abs(one.made[subject].astype(int) - other.made[subject]).max() <= 1


def test_a_steady_sequence_stays_to_a_grey_level() -> None:
    frames = still(ONES[:10])
    assert farthest(made_steady(frames), frames) <= 1
    rng = np.random.default_rng(3)
    noisy = [
        replace(each, made=np.clip(each.made + rng.normal(0, 2, each.made.shape), 0, 255).astype(np.uint8))
        for each in frames
    ]
    assert farthest(made_steady(noisy), noisy) <= 1


def test_highlights_do_not_clip_anew_and_black_stays_black() -> None:
    paint = painted() * np.float32(1.2)
    paint[30:40, 30:40] = 0
    frames = still(np.array([1.0, 0.6] * 5, np.float32) * 0.8, paint)
    frames[5].made[50, 20], frames[5].made[50, 40], frames[5].made[50, 60] = 200, 225, 252
    steady = made_steady(frames)
    for each in steady:
        assert not (each.made == 255).any() and not each.made[30:40, 30:40].any()
    # Brighter highlights stay apart from each other.
    grey, bright, white = (int(steady[5].made[50, column].min()) for column in (20, 40, 60))
    assert 205 < grey < bright - 4 < white - 8


def test_inside_and_outside_meet_without_a_halo() -> None:
    paint = np.full((SIDE, SIDE, 3), 0.3, np.float32)
    subject = disc()[..., None]
    frames = [
        Frame(to_srgb(paint), to_srgb(paint * (subject * each + (1 - subject) / each)), disc())
        for each in np.array([0.8, 1.25] * 6, np.float32)
    ]
    row = luminance(to_linear(made_steady(frames)[6].made))[SIDE // 2]
    assert np.ptp(row) / row.mean() < 0.06


def test_frames_depend_on_those_within_the_radius_alone_and_on_no_order() -> None:
    frames = still(flickering(10))
    whole = made_steady(frames, Window(radius=3))
    assert np.array_equal(made_steady(frames[3:10], Window(radius=3))[3].made, whole[6].made)
    lights = [frame.light for frame in frames]
    turned = steadied(frames[6].made, frames[6].matte, lights[6], around(lights, 6)[::-1], Window(radius=3))
    assert turned.tobytes() == whole[6].made.tobytes()


def test_a_gap_shifts_nothing() -> None:
    light = np.linspace(1, 0.6, 12).astype(np.float32)
    frames = still(light)
    lights = [frame.light for frame in frames]
    near = [each for each in around(lights, 6) if each.offset not in (1, 2)]
    result = Frame(frames[6].seen, steadied(frames[6].made, frames[6].matte, lights[6], near, Window()), disc())
    assert abs(brightness([result])[0] / brightness([frames[6]])[0] - 1) < 0.01


@pytest.mark.parametrize("count", [1, 2])
def test_one_frame_and_two_stay_as_they_are(count: int) -> None:
    frames = still(flickering(count))
    assert farthest(made_steady(frames), frames) <= 1


@pytest.mark.parametrize("matte", [np.zeros((SIDE, SIDE), np.float32), np.ones((SIDE, SIDE), np.float32)])
def test_an_empty_matte_and_a_full_one(matte: np.ndarray) -> None:
    frames = [replace(frame, matte=matte) for frame in still(flickering(9))]
    before, after = (np.abs(np.diff(brightness(each))).mean() for each in (frames, made_steady(frames)))
    assert after < before / 4


def test_black_frames_and_frames_of_another_shape_are_left_out() -> None:
    frames = still(flickering(7))
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    dark = [Frame(black, black, disc())] * 3
    steady = made_steady([*frames, *dark])
    assert not any(each.made.any() for each in steady[7:])
    assert np.array_equal(steady[6].made, made_steady(frames)[6].made)
    other = Frame(black[:40], black[:40] + np.uint8(9), disc()[:40])
    assert np.array_equal(
        steadied(frames[0].made, disc(), frames[0].light, [Neighbour(1, other.light)], Window()), frames[0].made
    )


def test_a_frame_that_came_out_black_darkens_no_other() -> None:
    frames = still(flickering(7))
    failed = [*frames[:3], replace(frames[3], made=np.zeros_like(frames[3].made)), *frames[4:]]
    lights = [frame.light for frame in frames]
    near = [each for each in around(lights, 2) if each.offset != 1]
    without = steadied(frames[2].made, frames[2].matte, lights[2], near, Window())
    assert np.array_equal(made_steady(failed)[2].made, without)


def test_a_matte_of_another_size_is_refused() -> None:
    frame = still(ONES[:1])[0]
    with pytest.raises(ValueError, match="does not fit a frame"):
        steadied(frame.made, frame.matte[1:], frame.light, [], Window())


def test_the_light_is_smooth_between_the_cells() -> None:
    """A flicker that is itself a slope over the picture goes everywhere, without steps of the grid."""
    paint = np.full((16, 480, 3), 0.4, np.float32)
    slope = 2 ** np.linspace(-0.8, 0.8, 480, dtype=np.float32)[:, None]
    full = np.ones((16, 480), np.float32)
    frames = [Frame(to_srgb(paint), to_srgb(paint * slope**side), full) for side in (1, -1) * 5]
    steady = to_linear(made_steady(frames)[4].made)[0, 60:-60, 1]
    assert np.abs(steady / np.median(steady) - 1).max() < 0.015
