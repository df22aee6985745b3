"""Blurs against closed forms: the error function, a disc, and a background that knows nothing of its subject."""

import numpy as np
import pytest
from scipy.special import erf

from iclight_local.imaging.blur import BlurKind, background_weight, blurred, blurred_alpha, gaussian
from iclight_local.imaging.linear import to_linear

RNG = np.random.default_rng(9)
KINDS: tuple[BlurKind, ...] = ("gaussian", "bokeh")


def step_edge(length: int, edge: float, *, across: int = 12) -> np.ndarray:
    """Rows that are 1 from ``edge`` on, that pixel shared between the two sides."""
    return np.tile(np.clip(np.arange(length) + 0.5 - edge, 0, 1).astype(np.float32), (across, 1))


def blurred_edge(length: int, edge: float, sigma: float) -> np.ndarray:
    """The same after a Gaussian blur, averaged over each pixel."""
    place = np.arange(length)[:, None] + (np.arange(64) + 0.5) / 64 - 0.5 - edge
    return (0.5 * (1 + erf(place / (sigma * np.sqrt(2))))).mean(1)


@pytest.mark.parametrize("edge", [500, 501.3, 437])
@pytest.mark.parametrize(
    ("sigma", "error"), [(1.5, 1e-2), (4.4, 2e-3), (4.5, 3e-3), (7.9, 2e-3), (20, 2e-3), (61, 2e-3), (120, 2e-3)]
)
def test_an_edge_becomes_the_error_function(edge: float, sigma: float, error: float) -> None:
    plane = step_edge(1000, edge)
    true = blurred_edge(1000, edge, sigma)
    assert np.abs(gaussian(plane, sigma) - true).max() < error
    assert np.abs(gaussian(np.ascontiguousarray(plane.T), sigma) - true[:, None]).max() < error


@pytest.mark.parametrize("sigma", [3.0, 4.5, 17, 60])
def test_beyond_the_edges_the_outermost_pixels_go_on(sigma: float) -> None:
    plane = step_edge(203, 3, across=67)
    wide = np.pad(plane, 400, mode="edge")
    assert np.abs(gaussian(plane, sigma) - gaussian(wide, sigma)[400:-400, 400:-400]).max() < 4e-3


def test_each_axis_has_its_own_blur() -> None:
    plane = np.zeros((301, 301), np.float32)
    plane[150, 150] = 1
    found = gaussian(plane, (20.0, 6.0))
    place = np.arange(301) - 150
    assert found.sum() == pytest.approx(1, rel=1e-3)
    assert np.sqrt((found.sum(1) * place**2).sum()) == pytest.approx(20, rel=0.01)
    assert np.sqrt((found.sum(0) * place**2).sum()) == pytest.approx(6, rel=0.01)


def test_a_wide_blur_stays_within_the_values_that_were_there() -> None:
    plane = RNG.choice([0.0, 1.0], (150, 150)).astype(np.float32)
    found = gaussian(plane, 5)
    assert found.min() >= 0 and found.max() <= 1
    assert (gaussian(np.full_like(plane, 0.7), 30) == np.float32(0.7)).all()


def test_no_blur_gives_back_what_came() -> None:
    plane, picture = RNG.random((5, 7), np.float32), RNG.integers(0, 256, (5, 7, 3), np.uint8)
    assert gaussian(plane, 0) is plane
    assert blurred(picture, plane, "bokeh", 0) is picture
    assert blurred_alpha(plane, "gaussian", 0) is plane


@pytest.mark.parametrize("radius", [3.0, 11.5, 23.0, 24.0, 60.0, 130.0])
def test_a_point_becomes_a_flat_disc_that_keeps_its_light(radius: float) -> None:
    side = 4 * int(radius) + 31
    margin = 1 if radius < 24 else radius / 8
    middle = side // 2
    point = np.zeros((side, side), np.float32)
    point[middle, middle] = 1
    found = blurred_alpha(point, "bokeh", radius)
    distance = np.hypot(*(np.indices(found.shape) - middle))
    flat = 1 / (np.pi * radius**2)
    assert found.sum() == pytest.approx(1, rel=0.01)
    assert np.abs(found[distance < radius - margin] / flat - 1).max() < 0.05
    assert found[distance > radius + margin].max() < 0.05 * flat
    assert np.sqrt((found > flat / 2).sum() / np.pi) == pytest.approx(radius, abs=1)
    assert abs((found * (np.arange(side) - middle)).sum()) < 1.1


@pytest.mark.parametrize("sigma", [3.0, 30.0])
def test_a_picture_is_blurred_in_linear_light(sigma: float) -> None:
    picture = np.repeat((255 * step_edge(400, 200.5, across=30)).astype(np.uint8)[..., None], 3, 2)
    found = to_linear(blurred(picture, np.ones((30, 400), np.float32), "gaussian", sigma))
    # Normalised at the edges; far from them that is the plain blur.
    middle = slice(100, 300)
    assert np.abs(found[:, middle, 1] - blurred_edge(400, 200.5, sigma)[middle]).max() < 8e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("radius", [0.6, 5.0, 18.0, 47.0])
def test_nothing_of_the_subject_is_in_its_background(kind: BlurKind, radius: float) -> None:
    across, down = np.meshgrid(np.arange(431), np.arange(357))
    matte = np.clip(90.3 - np.hypot(across - 300, down - 170), 0, 1).astype(np.float32)
    red, grey = np.array([255, 0, 0]), np.array([97, 97, 97])
    hard = np.where((matte > 0)[..., None], red, grey).astype(np.uint8)
    assert (blurred(hard, (matte == 0).astype(np.float32), kind, radius) == 97).all()
    soft = np.rint(matte[..., None] * red + (1 - matte[..., None]) * grey).astype(np.uint8)
    assert (blurred(soft, background_weight(matte), kind, radius) == 97).all()


@pytest.mark.parametrize("kind", KINDS)
def test_inside_of_the_subject_the_nearest_background_goes_on(kind: BlurKind) -> None:
    picture = np.full((300, 300, 3), 40, np.uint8)
    picture[:, 150:] = 200
    matte = np.zeros((300, 300), np.float32)
    matte[20:280, 60:240] = 1
    found = blurred(picture, 1 - matte, kind, 4)[150, :, 0].astype(int)
    assert found[75] < 60 and found[225] > 185 and np.all(np.diff(found[70:230]) >= -1)


@pytest.mark.parametrize("kind", KINDS)
def test_beyond_the_picture_nothing_counts_and_strips_leave_no_seam(kind: BlurKind) -> None:
    picture = np.full((1000, 50, 3), 181, np.uint8)
    for radius in (2.0, 30.0):
        assert (blurred(picture, np.ones((1000, 50), np.float32), kind, radius) == 181).all()
    ramp = np.repeat(np.linspace(0, 1, 1000, dtype=np.float32)[:, None], 50, 1)
    for radius in (2.0, 23.0, 27.0):
        middle = slice(150, 850)
        assert np.abs(blurred_alpha(ramp, kind, radius) - ramp)[middle].max() < 1e-3


def test_colours_count_by_their_own_transparency() -> None:
    picture = np.zeros((60, 200, 3), np.uint8)
    picture[:, :100, 0], picture[:, 100:, 2] = 255, 255
    alpha = np.repeat(np.where(np.arange(200) < 100, 0.25, 0.75)[None], 60, 0).astype(np.float32)
    middle = to_linear(blurred(picture, alpha, "gaussian", 6))[30, 99:101].mean(0)
    assert middle == pytest.approx([0.25, 0, 0.75], abs=0.02)
    assert blurred_alpha(alpha, "gaussian", 6)[30, 99:101].mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (90, 1), (7, 11)])
@pytest.mark.parametrize("kind", KINDS)
def test_pictures_smaller_than_the_blur_keep_their_size(shape: tuple[int, int], kind: BlurKind) -> None:
    picture = np.full((*shape, 3), 77, np.uint8)
    for radius in (0.3, 9.0, 70.0):
        assert (blurred(picture, np.zeros(shape, np.float32), kind, radius) == 77).all()
        assert blurred_alpha(np.ones(shape, np.float32), kind, radius) == pytest.approx(1)
        assert gaussian(np.ones(shape, np.float32), radius) == pytest.approx(1)
