"""The light goes over, the original's pixels stay: promises of ``transfer`` on pictures whose light is known."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.linear import luminance, to_linear, to_srgb
from iclight_local.imaging.transfer import Keep, TransferOptions, transfer

KEEPS: tuple[Keep, ...] = ("detail", "colour", "all")
SIDE = 320
Y, X = np.mgrid[:SIDE, :SIDE].astype(np.float32)


def options(keep: Keep, strength: float = 1.0, background_strength: float = 0.0, **more: float) -> TransferOptions:
    return TransferOptions(keep, strength, background_strength, **more)


def small(picture: UInt8Array, side: int = 128) -> UInt8Array:
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BOX))


def painted(seed: int = 0) -> FloatArray:
    """Blotches of saturated paint with fine grain, linear."""
    rng = np.random.default_rng(seed)
    blotches = Image.fromarray(rng.integers(20, 236, (12, 12, 3), dtype=np.uint8))
    smooth = to_linear(np.asarray(blotches.resize((SIDE, SIDE), Image.Resampling.BICUBIC)))
    return smooth * rng.uniform(0.6, 1.0, (SIDE, SIDE, 1)).astype(np.float32)


def warm_from_left(light: FloatArray) -> FloatArray:
    """Lit by a warm lamp on the left: up to four times as bright there, a quarter on the other side."""
    lamp = 4.0 ** (1 - 2 * X / SIDE)
    return (light * lamp[..., None] * np.array([1.2, 0.95, 0.6], np.float32)).astype(np.float32)


def disc(radius: float = 120.0, soft: float = 1.0) -> FloatArray:
    away = np.hypot(Y - SIDE / 2, X - SIDE / 2)
    return np.clip((radius - away) / soft + 0.5, 0, 1).astype(np.float32)


def hsv(picture: UInt8Array) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Hue in degrees, saturation and value in 0..1."""
    rgb = picture.astype(np.float64) / 255
    most, spread = rgb.max(-1), np.ptp(rgb, axis=-1)
    red, green, blue = np.moveaxis(rgb, -1, 0)
    safe = np.where(spread > 0, spread, 1)
    sector = np.select(
        [most == red, most == green], [(green - blue) / safe % 6, (blue - red) / safe + 2], (red - green) / safe + 4
    )
    return sector * 60, spread / np.maximum(most, 1e-9), most


@pytest.mark.parametrize("keep", ["colour", "all"])
def test_hue_and_saturation_stay_and_nothing_clips(keep: Keep) -> None:
    original = to_srgb(painted())
    original[:20, :20] = 255, 255, 120
    result = transfer(original, small(to_srgb(warm_from_left(painted()))), np.ones((SIDE, SIDE), np.float32),
                      options(keep))  # fmt: skip
    hue, saturation, value = hsv(original)
    hue_after, saturation_after, _ = hsv(result)
    seen = (saturation > 0.1) & (value > 0.1)
    turn = np.abs((hue_after - hue + 180) % 360 - 180)[seen]
    assert np.median(turn) < 0.5 and np.percentile(turn, 95) < 3
    assert np.median(np.abs(saturation_after - saturation)[seen]) < 0.005
    assert not np.any((result == 255) & (original != 255))
    assert luminance(to_linear(result))[:, :96].mean() > 1.5 * luminance(to_linear(original))[:, :96].mean()
    assert luminance(to_linear(result))[:, -96:].mean() < 0.5 * luminance(to_linear(original))[:, -96:].mean()


def test_detail_takes_the_light_with_its_colour_and_keeps_the_grain() -> None:
    light = painted() * np.float32(0.25)
    truth = to_srgb(warm_from_left(light))
    result = transfer(to_srgb(light), small(truth), np.ones((SIDE, SIDE), np.float32), options("detail"))
    error = result.astype(np.float32) - truth
    enlarged = np.asarray(Image.fromarray(small(truth)).resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    assert 10 * np.log10(255**2 / np.mean(error**2)) > 38
    assert np.mean(error**2) < 0.1 * np.mean((enlarged.astype(np.float32) - truth) ** 2)


@pytest.mark.parametrize("keep", KEEPS)
def test_no_strength_gives_the_exact_original(keep: Keep) -> None:
    original = to_srgb(painted())
    relit = small(to_srgb(warm_from_left(painted(1))))
    assert np.array_equal(transfer(original, relit, disc(), options(keep, strength=0)), original)
    kept = transfer(original, relit, disc(), options(keep))
    assert np.array_equal(kept[disc() == 0], original[disc() == 0])
    assert not np.array_equal(kept, original)


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_more_strength_is_more_light_at_every_pixel(keep: Keep, factor: float) -> None:
    light = painted() * np.float32(0.3)
    original, relit = to_srgb(light), small(to_srgb(light * np.float32(factor)))
    steps = [
        transfer(original, relit, disc(), options(keep, strength, strength)).astype(int)
        for strength in (0, 0.25, 0.5, 0.75, 1)
    ]
    for weaker, stronger in pairwise(steps):
        change = stronger - weaker if factor > 1 else weaker - stronger
        assert change.min() >= 0 and change.mean() > 1


@pytest.mark.parametrize("keep", KEEPS)
def test_a_picture_relit_by_its_own_light_stays(keep: Keep) -> None:
    original = to_srgb(painted())
    result = transfer(original, small(original), disc(), options(keep, background_strength=1))
    difference = np.abs(result.astype(int) - original)
    assert difference.mean() < 0.5 and np.percentile(difference, 99.9) <= 4


@pytest.mark.parametrize("keep", ["detail", "all"])
@pytest.mark.parametrize("gain", [1 / 8, 1 / 3])
@pytest.mark.parametrize("levels", [(220, 60), (220, 120), (60, 220), (90, 20)])
def test_the_edge_looks_as_the_true_light_has_it(keep: Keep, gain: float, levels: tuple[int, int]) -> None:
    """Pixel by pixel: the gain may run evenly across an edge and still leave a bright rim there."""
    front, back = (to_linear(np.full((1, 1, 3), level, np.uint8)) for level in levels)
    matte = disc(110, 8)
    cover = matte[..., None]
    gain = min(gain, 0.9 / float(front.max()))
    original, relit, true = (
        to_srgb(front * np.float32(factor) * cover + behind * (1 - cover))
        for factor, behind in ((1, back), (gain, np.float32(0.2)), (gain, back))
    )
    result = transfer(original, small(relit), matte, options(keep))
    off = np.abs(result.astype(int) - true)[..., 1]
    edge = (matte > 0) & (matte < 1)
    assert off[edge].mean() < 7.5 and off[edge].max() <= 11


@pytest.mark.parametrize("keep", ["detail", "all"])
@pytest.mark.parametrize(("off", "most"), [(-2.0, 175), (2.0, 140)], ids=["too narrow", "too wide"])
def test_a_matte_that_is_a_little_off_draws_no_line(keep: Keep, off: float, most: int) -> None:
    front, back = (to_linear(np.full((1, 1, 3), level, np.uint8)) for level in (200, 80))
    true = disc(110, 2)[..., None]
    original, relit = (to_srgb(front * np.float32(g) * true + back * (1 - true)) for g in (1, 0.4))
    result = transfer(original, small(relit), disc(110 + off, 6), options(keep))[..., 1].astype(int)
    row = result[160, 160:300]
    # From 133 inside to 80 outside; what a matte calls background altogether stays, so a narrow one leaves some of 200.
    assert row.min() >= 72 and row.max() <= most


@pytest.mark.parametrize("keep", KEEPS)
def test_a_cut_out_is_lit_at_its_transparent_edge_too(keep: Keep) -> None:
    original = np.full((SIDE, SIDE, 3), 200, np.uint8)
    lit = np.where(disc()[..., None] > 0.5, to_linear(np.uint8(60)), np.float32(0.2))
    relit = small(to_srgb(np.repeat(lit, 3, -1)))
    matte = disc(110, 20)
    result = transfer(original, relit, matte, options(keep), straight=True)
    assert np.ptp(result[matte > 0]) <= 2 and abs(int(result[160, 160, 0]) - 60) < 12
    assert (result[matte == 0] == 200).all()


def edge_profile(
    away: FloatArray, matte: FloatArray, levels: tuple[int, int], options: TransferOptions, gains: tuple[float, float]
) -> FloatArray:
    """Mean gain at -12..12 pixels from the matte's edge (inside is below 0), noise in the place of 8-bit steps."""
    inside, outside = levels
    rng = np.random.default_rng(5)
    grain = rng.normal(1, 0.05, (SIDE, SIDE, 1)).astype(np.float32)
    subject, behind = (to_linear(np.full((1, 1, 3), level, np.uint8)) for level in (inside, outside))
    cover = matte[..., None]
    original = to_srgb((subject * cover + behind * (1 - cover)) * grain)
    lit = subject * np.float32(gains[0]) * cover + behind * np.float32(gains[1]) * (1 - cover)
    result = transfer(original, small(to_srgb(lit * grain)), matte, options)
    before, after = luminance(to_linear(original)), luminance(to_linear(result))
    rings = [np.abs(away - step) <= 0.5 for step in range(-12, 13)]
    return np.array([after[ring].sum() / before[ring].sum() for ring in rings], np.float32)


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("soft", [0.0, 8.0], ids=["hard", "soft"])
@pytest.mark.parametrize("levels", [(50, 210), (200, 40)], ids=["dark before bright", "bright before dark"])
@pytest.mark.parametrize("shape", ["straight", "curved"])
def test_there_is_no_halo_at_the_edge(keep: Keep, soft: float, levels: tuple[int, int], shape: str) -> None:
    away = X - SIDE / 2.3 if shape == "straight" else np.hypot(Y - SIDE / 2, X - SIDE / 2) - 110
    matte = np.clip(0.5 - away / max(soft, 1e-3), 0, 1).astype(np.float32)
    for gains, behind in (((2.0, 0.5), 0.0), ((0.5, 1.6), 0.0), ((2.0, 0.5), 1.0)):
        lit = tuple(
            min(gain, 0.95 / float(to_linear(np.uint8(level)))) for gain, level in zip(gains, levels, strict=True)
        )
        profile = edge_profile(away, matte, levels, options(keep, 1, behind), (lit[0], lit[1]))
        ends = profile[0], profile[-1]
        assert abs(ends[1] / (lit[1] if behind else 1) - 1) < 0.08
        assert abs(ends[0] / lit[0] - 1) < 0.08
        steps = np.diff(profile[7:18]) / profile[7:17]
        rising = ends[1] > ends[0]
        against = -steps if rising else steps
        assert against.max() < 0.02, f"{gains} {behind}: {np.round(profile, 3)}"
        assert profile.max() < max(ends) * 1.02 and profile.min() > min(ends) * 0.98


@pytest.mark.parametrize("keep", KEEPS)
def test_a_bright_wall_does_not_shine_through_a_brightened_edge(keep: Keep) -> None:
    """Mixed pixels come near to the true composite, instead of a rim of brightened wall."""
    cover = disc(soft=10)[..., None]
    subject, wall = np.float32(0.04), np.float32(0.45)
    original = to_srgb(np.repeat(subject * cover + wall * (1 - cover), 3, -1))
    truth = to_srgb(np.repeat(3 * subject * cover + wall * (1 - cover), 3, -1)).astype(int)
    relit = small(to_srgb(np.repeat(3 * subject * cover + np.float32(0.05) * (1 - cover), 3, -1)))
    result = transfer(original, relit, cover[..., 0], options(keep)).astype(int)
    mixed = (cover[..., 0] > 0) & (cover[..., 0] < 1)
    assert np.abs(result - truth)[mixed].mean() < 5
    assert result.max() <= original.max() + 4


@pytest.mark.parametrize("keep", KEEPS)
def test_inside_and_outside_never_mix(keep: Keep) -> None:
    """What stands behind the subject, before or after, has no part in the subject's light."""
    matte = disc(soft=6)
    subject = painted(2) * np.float32(0.3)
    results = []
    for behind, relit_behind in ((0.9, 0.0), (0.0, 0.9), (0.02, 0.02)):
        cover = matte[..., None]
        original = to_srgb(subject * cover + np.float32(behind) * (1 - cover))
        relit = to_srgb(warm_from_left(subject) * cover + np.float32(relit_behind) * (1 - cover))
        results.append(transfer(original, small(relit), matte, options(keep)).astype(int))
    whole = disc(radius=112) == 1
    assert max(np.abs(results[0] - other)[whole].mean() for other in results[1:]) < 1
    assert max(np.percentile(np.abs(results[0] - other)[whole], 99) for other in results[1:]) < 6


@pytest.mark.parametrize("keep", KEEPS)
def test_noise_in_deep_shadow_is_not_blown_up(keep: Keep) -> None:
    rng = np.random.default_rng(3)
    original = np.clip(rng.normal(5, 1, (SIDE, SIDE, 3)) + 0.5, 0, 255).astype(np.uint8)
    relit = np.full((128, 128, 3), 140, np.uint8)
    result = transfer(original, relit, np.ones((SIDE, SIDE), np.float32), options(keep))
    assert result.mean() > 2.2 * original.mean()
    assert result.std() < 3 * original.std()
    unlimited = transfer(original, relit, np.ones((SIDE, SIDE), np.float32),
                         options(keep, most=1000, lift=1000))  # fmt: skip
    assert unlimited.std() > 2 * result.std()


def test_a_generated_pictures_own_details_stay_behind() -> None:
    """Marks that only the relit picture has: detail and all drop them, colour follows them at its resolution."""
    light = painted(4) * np.float32(0.5)
    rng = np.random.default_rng(4)
    marks = np.exp(rng.normal(0, 0.5, (128, 128, 1))).astype(np.float32)
    relit = to_srgb(to_linear(small(to_srgb(light))) * marks)
    whole = np.ones((SIDE, SIDE), np.float32)
    found = {}
    for keep in KEEPS:
        after = luminance(to_linear(transfer(to_srgb(light), relit, whole, options(keep))))
        change = np.log((after + 0.01) / (luminance(light) + 0.01))
        blurred = np.asarray(Image.fromarray(change).resize((32, 32), Image.Resampling.BOX).resize((SIDE, SIDE)))
        found[keep] = float((change - blurred).std())
    assert max(found["detail"], found["all"]) < 0.06 and found["colour"] > 0.09


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize(
    ("size", "relit_size"),
    [((1, 300), (32, 32)), ((300, 1), (32, 32)), ((1, 1), (1, 1)), ((64, 64), (64, 64)), ((64, 48), (512, 384)),
     ((100, 151), (33, 499)), ((5, 7), (1, 1))],
)  # fmt: skip
def test_any_size_and_any_matte_will_do(keep: Keep, size: tuple[int, int], relit_size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    original = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    relit = rng.integers(0, 256, (*relit_size, 3), dtype=np.uint8)
    for matte in (np.zeros(size), np.ones(size), np.full(size, 0.5), np.full(size, 1e-5), rng.uniform(0, 1, size)):
        for behind in (0.0, 0.7):
            with np.errstate(all="raise", under="ignore"):
                result = transfer(original, relit, matte.astype(np.float32), options(keep, background_strength=behind))
            assert result.shape == original.shape and result.dtype == np.uint8
            if behind == 0 and matte.max() < 0.001:
                assert np.array_equal(result, original)


def test_a_matte_of_another_size_is_refused() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match=r"\(8, 9\)"):
        transfer(picture, picture, np.ones((8, 9), np.float32), options("all"))


@pytest.mark.parametrize("keep", KEEPS)
def test_strips_meet_without_a_seam(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    original, relit = to_srgb(painted()), small(to_srgb(warm_from_left(painted())), 100)
    half = options(keep, background_strength=0.5)
    whole = transfer(original, relit, disc(), half).astype(int)
    monkeypatch.setattr("iclight_local.imaging.strips.PIXELS", 5 * SIDE)
    assert np.abs(transfer(original, relit, disc(), half) - whole).max() <= 1


def test_memory_does_not_grow_with_float_copies_of_the_picture() -> None:
    high, wide = 2000, 3000
    original = np.full((high, wide, 3), 90, np.uint8)
    matte = np.ones((high, wide), np.float32)
    relit = np.full((512, 768, 3), 120, np.uint8)
    tracemalloc.start()
    transfer(original, relit, matte, options("detail", background_strength=1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The result itself has 18 MB; one float32 copy of the picture would have 72 MB.
    assert peak < 18e6 + 200e6
