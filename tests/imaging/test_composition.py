"""Layers on a canvas: mixed in linear light, moved without loss, scaled without fringes."""

import numpy as np
import pytest

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.composition import Layer, Layers, composed, covering, laid, parse_rgba, resampled, shrunk
from iclight_local.imaging.linear import to_linear, to_srgb


def flat(colour: tuple[int, int, int], size: tuple[int, int], alpha: float | None = None) -> Layer:
    width, height = size
    rgb = np.full((height, width, 3), colour, np.uint8)
    return Layer(rgb, None if alpha is None else np.full((height, width), alpha, np.float32))


def noise(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("transparent", (0, 0, 0, 0)),
        ("#ff8800", (255, 136, 0, 255)),
        ("#FF880080", (255, 136, 0, 128)),
    ],
)
def test_colours(text: str, colour: tuple[int, int, int, int]) -> None:
    assert parse_rgba(text) == colour


@pytest.mark.parametrize("text", ["red", "ff8800", "#ff88", "#ff88001", "#gg8800", "#ff88008000", ""])
def test_what_is_no_colour_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="A colour is"):
        parse_rgba(text)


def test_an_opaque_layer_keeps_its_very_bytes() -> None:
    rgb = noise((70, 300))
    front = Layer(rgb, np.ones((300, 70), np.float32))
    result = composed(Layers((70, 300), colour=(3, 200, 77, 255), front=front))
    assert np.array_equal(result[..., :3], rgb)
    assert (result[..., 3] == 255).all()


def test_what_nothing_covers_has_the_colour_to_the_byte() -> None:
    for level in range(256):
        result = composed(Layers((2, 2), colour=(level, 255 - level, 128, 255)))
        assert (result == (level, 255 - level, 128, 255)).all()


def test_nothing_on_nothing_is_empty() -> None:
    result = composed(Layers((3, 2), front=flat((250, 1, 2), (3, 2), 0.0)))
    assert not result.any()


def test_soft_edges_are_mixed_in_linear_light() -> None:
    """Half of black on white is 188 and not 128: half of the light is left."""
    result = composed(Layers((1, 1), colour=(255, 255, 255, 255), front=flat((0, 0, 0), (1, 1), 0.5)))
    assert result[0, 0, 0] == to_srgb(np.float32([0.5]))[0] == 188


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
def test_a_soft_layer_on_nothing_keeps_its_colour(alpha: float) -> None:
    result = composed(Layers((1, 1), front=flat((200, 100, 50), (1, 1), alpha)))
    assert np.abs(result[0, 0, :3].astype(int) - (200, 100, 50)).max() <= 1
    assert abs(result[0, 0, 3] - 255 * alpha) <= 0.51


def test_the_order_is_colour_back_shadow_outline_front() -> None:
    size = (6, 1)

    def only(*places: int) -> np.ndarray:
        alpha = np.zeros((1, 6), np.float32)
        alpha[0, list(places)] = 1
        return alpha

    layers = Layers(
        size,
        colour=(10, 20, 30, 255),
        back=Layer(flat((40, 50, 60), size).rgb, only(1, 2, 3, 4)),
        shade=only(2, 3, 4),
        outline=only(3, 4),
        line_colour=(0, 255, 0, 255),
        front=Layer(flat((255, 0, 0), size).rgb, only(4)),
    )
    found = [tuple(int(level) for level in pixel) for pixel in composed(layers)[0, :, :3]]
    assert found == [(10, 20, 30), (40, 50, 60), (0, 0, 0), (0, 255, 0), (255, 0, 0), (10, 20, 30)]


def test_a_shadow_on_nothing_is_black_of_its_opacity() -> None:
    result = composed(Layers((1, 1), shade=np.full((1, 1), 0.4, np.float32)))
    assert tuple(int(level) for level in result[0, 0]) == (0, 0, 0, 102)


def test_a_shadow_takes_its_share_of_the_light() -> None:
    result = composed(Layers((1, 1), colour=(255, 255, 255, 255), shade=np.full((1, 1), 0.4, np.float32)))
    assert abs(to_linear(result[0, 0, :1])[0] - 0.6) < 0.004


def test_an_outline_s_own_opacity_counts() -> None:
    full = np.ones((1, 1), np.float32)
    result = composed(Layers((1, 1), outline=full, line_colour=(255, 0, 0, 51)))
    assert tuple(int(level) for level in result[0, 0]) == (255, 0, 0, 51)


@pytest.mark.parametrize("offset", [(0, 0), (3, 2), (-4, -1), (9, 5)])
def test_a_layer_that_is_not_scaled_is_moved_byte_by_byte(offset: tuple[int, int]) -> None:
    rgb, (x, y) = noise((12, 8)), offset
    there = laid(Layer(rgb), (0, 0, 12, 8), (x, y, x + 12, y + 8), (12, 8))
    assert there is not None
    expected = np.zeros((8, 12, 3), np.uint8)
    expected[max(y, 0) : 8 + min(y, 0), max(x, 0) : 12 + min(x, 0)] = rgb[
        max(-y, 0) : 8 - max(y, 0), max(-x, 0) : 12 - max(x, 0)
    ]
    assert np.array_equal(there.rgb, expected)


def test_a_layer_beside_the_canvas_is_not_there() -> None:
    assert laid(Layer(noise((4, 4))), (0, 0, 4, 4), (10, 0, 14, 4), (10, 4)) is None


def test_only_what_is_on_the_canvas_is_scaled() -> None:
    """A sliver that is to fill the canvas would be a million pixels high."""
    there = laid(flat((9, 9, 9), (1000, 1), 1.0), (0, 0, 1000, 1), (0, -500_000, 1_000_000, 500_000), (100, 100))
    assert there is not None
    assert there.size == (100, 100)
    assert (there.rgb == 9).all()


def test_shrinking_averages_light_and_not_levels() -> None:
    """A fine checkerboard of black and white is as bright as half of the light."""
    board = np.indices((64, 64)).sum(0) % 2 * 255
    small = resampled(Layer(np.repeat(board[..., None], 3, 2).astype(np.uint8)), (8, 8), (0, 0, 64, 64))
    assert np.abs(small.rgb[2:-2, 2:-2].astype(int) - 188).max() <= 2


def test_scaling_draws_no_fringe_of_hidden_colours() -> None:
    """What is transparent may hold any colour, and none of it may come out at an edge."""
    rgb = np.zeros((40, 40, 3), np.uint8)
    rgb[:, :20] = (200, 100, 50)
    rgb[:, 20:] = (0, 255, 255)
    alpha = np.zeros((40, 40), np.float32)
    alpha[:, :20] = 1
    for size in ((13, 13), (97, 97)):
        there = resampled(Layer(rgb, alpha), size, (0, 0, 40, 40))
        assert there.alpha is not None
        seen = there.alpha > 0.02
        assert np.abs(there.rgb[seen].astype(int) - (200, 100, 50)).max() <= 2


def test_a_box_between_pixels() -> None:
    ramp = np.repeat(np.arange(0, 250, 5, dtype=np.uint8)[None, :, None], 3, 2).repeat(4, 0)
    there = resampled(Layer(ramp), (20, 4), (10.5, 0, 30.5, 4))
    assert np.abs(there.rgb[1, :, 0].astype(int) - (np.arange(20) * 5 + 52.5)).max() <= 2


@pytest.mark.parametrize(
    ("size", "canvas", "whole", "box"),
    [
        ((100, 100), (200, 100), False, (0, -50, 200, 150)),
        ((100, 100), (200, 100), True, (50, 0, 150, 100)),
        ((400, 100), (100, 100), False, (-150, 0, 250, 100)),
        ((400, 100), (100, 100), True, (0, 37, 100, 62)),
        ((3000, 1), (10, 10), True, (0, 4, 10, 5)),
    ],
)
def test_where_a_background_lies(
    size: tuple[int, int], canvas: tuple[int, int], whole: bool, box: tuple[int, int, int, int]
) -> None:
    assert covering(size, canvas, whole=whole) == box


def test_a_result_is_shrunk_with_its_opacity() -> None:
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[:, :10] = (200, 100, 50, 255)
    small = shrunk(pixels, (10, 10))
    assert small.shape == (10, 10, 4)
    assert (small[:, :4] == (200, 100, 50, 255)).all()
    assert (small[:, 6:, 3] == 0).all()
    assert shrunk(pixels, (20, 20)) is pixels
