"""Specks of a segmenter: gone where they are small and apart, and nothing else with them."""

import numpy as np
import pytest

from iclight_local.imaging.placing import subject_box
from iclight_local.imaging.specks import without_specks


def matte(size: tuple[int, int] = (200, 300)) -> np.ndarray:
    """A subject of 100 x 80 with a soft edge."""
    drawn = np.zeros(size, np.float32)
    drawn[50:150, 60:140] = 1
    drawn[49, 60:140] = drawn[150, 60:140] = 0.3
    return drawn


def test_a_speck_goes_with_what_is_faint_around_it() -> None:
    clean, drawn = matte(), matte()
    drawn[20:24, 280:284] = 0.8
    drawn[19, 280:284] = 0.01
    found = without_specks(drawn)
    assert np.array_equal(found, clean)
    assert subject_box(found) == (60, 49, 140, 151)


def test_a_veil_over_everything_is_no_part() -> None:
    drawn = np.full((1024, 1024), 0.019, np.float32)
    drawn[500:512, 500:512] = drawn[600:608, 600:608] = 1
    assert without_specks(drawn) is drawn


def test_a_second_part_stays() -> None:
    """A pair of shoes is two parts; 1 % of the subject's 8000 is the bound."""
    drawn = matte()
    drawn[20:30, 280:290] = 1
    assert without_specks(drawn) is drawn
    drawn = matte()
    drawn[20:28, 280:290] = 0.9
    assert without_specks(drawn)[20:28, 280:290].max() == 0


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_nothing_and_all_stay(value: float) -> None:
    drawn = np.full((30, 40), value, np.float32)
    assert without_specks(drawn) is drawn


def test_a_thread_holds_a_part_of_it() -> None:
    drawn = matte()
    drawn[100, 140:285] = 0.1
    drawn[98:103, 285:290] = 1
    assert without_specks(drawn) is drawn


@pytest.mark.parametrize("size", [(3000, 4001), (2500, 2051), (1025, 1030)])
def test_large_mattes_are_looked_at_small(size: tuple[int, int]) -> None:
    drawn = np.zeros(size, np.float32)
    drawn[300:900, 200:900] = 1
    # A thread of one pixel holds the first, nothing the others.
    drawn[899:, 600] = 1
    drawn[-3:, 600:640] = 1
    clean = drawn.copy()
    drawn[100:104, 950:960] = 1
    drawn[-2:, -2:] = 1
    assert np.array_equal(without_specks(drawn), clean)
