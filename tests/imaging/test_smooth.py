"""Means of windows and regions, and the guided filter: against the plain sums they stand for."""

import numpy as np
import pytest

from iclight_local.imaging.smooth import Region, box_mean, edge_aware, resampled, tent_mean

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("shape", [(9, 14), (1, 20), (20, 1), (1, 1)])
@pytest.mark.parametrize("radius", [0, 1, 3, 30])
def test_a_box_is_the_mean_of_its_window(shape: tuple[int, int], radius: int) -> None:
    plane = RNG.uniform(0, 1, shape).astype(np.float32)
    found = box_mean(plane, radius)
    for row in range(shape[0]):
        for column in range(shape[1]):
            window = plane[max(0, row - radius) : row + radius + 1, max(0, column - radius) : column + radius + 1]
            assert found[row, column] == pytest.approx(window.mean(), abs=1e-5)


def test_a_box_stays_exact_beside_much_brighter_pixels() -> None:
    plane = np.full((4, 4000), 1e-4, np.float32)
    plane[:, :3900] = 1e4
    assert box_mean(plane, 5)[:, -50:] == pytest.approx(1e-4, rel=1e-4)


def test_a_tent_falls_off_evenly() -> None:
    plane = np.zeros((1, 41), np.float32)
    plane[0, 20] = 1
    found = tent_mean(plane, 8)[0, 12:29]
    steps = np.diff(found)
    assert found.argmax() == 8 and found.sum() == pytest.approx(1, abs=1e-5)
    assert np.all(steps[:8] > 0) and np.all(steps[8:] < 0) and np.ptp(np.abs(steps)) < 1e-4


def test_what_has_no_weight_has_no_part_in_a_mean() -> None:
    plane = np.full((40, 60), 0.25, np.float32)
    weight = np.ones_like(plane)
    plane[:, 30:], weight[:, 30:] = 1e6, 0
    region = Region(weight)
    assert region.mean(plane, 6) == pytest.approx(0.25, rel=1e-3)
    assert region.nearby(plane, 3) == pytest.approx(0.25, rel=1e-3)


def test_nearby_continues_what_is_at_the_edge() -> None:
    plane = np.repeat(np.linspace(0, 1, 100, dtype=np.float32)[:, None], 100, 1)
    weight = np.zeros_like(plane)
    weight[:, :50] = 1
    found = Region(weight).nearby(plane, 4)
    beside = found[10:90, 56]
    assert np.abs(beside - plane[10:90, 56]).max() < 0.06
    assert np.all(np.diff(found[10:90, 70]) > 0)


def test_the_guided_filter_keeps_steps_and_drops_noise() -> None:
    noise = RNG.normal(0, 0.02, (60, 80)).astype(np.float32)
    plane = noise + (np.arange(80) >= 40).astype(np.float32)
    found = edge_aware(plane, 6, 0.02)
    assert found[:, 41:43].mean() - found[:, 37:39].mean() > 0.85
    assert found[:, 5:25].std() < 0.3 * noise[:, 5:25].std()
    assert np.abs(edge_aware(plane, 6, 1e-7) - plane).max() < 0.02


def test_resampling_keeps_the_mean_when_it_shrinks() -> None:
    plane = RNG.uniform(0, 1, (60, 90)).astype(np.float32)
    assert resampled(plane, (60, 90)) is plane
    assert resampled(plane, (20, 30)).mean() == pytest.approx(plane.mean(), abs=1e-5)
    assert resampled(plane, (20, 30))[0, 0] == pytest.approx(plane[:3, :3].mean(), abs=1e-5)
    assert resampled(plane, (120, 180)).shape == (120, 180)
