"""The synthetic scenes: light adds up, comes from where it is said to, and is as warm as its words."""

from functools import cache

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.scenes import (
    BACKDROPS,
    SIDES,
    TERMS,
    Hemisphere,
    Light,
    Sample,
    angle_error,
    describe,
    draw_background,
    draw_lighting,
    draw_scene,
    from_srgb,
    kelvin,
    light_gradient,
    lighting_for,
    neon,
    sample,
    sample_prompt,
    stream,
    terms_in,
    tone_map,
    untone,
    warmth,
)
from benchmarks.scenes.lights import Gobo
from benchmarks.scenes.prompts import recipe_for
from benchmarks.scenes.samples import Bytes
from benchmarks.scenes.textures import tile
from benchmarks.scenes.tone import luminance

SIZE = 64
QUICK_LIST = {
    "sunshine from window": "window",
    "neon light, city": "neon city",
    "sunset over sea": "sunset sea",
    "golden time": "golden hour",
    "sci-fi RGB glowing, cyberpunk": "cyberpunk",
    "natural lighting": "natural",
    "warm atmosphere, at home, bedroom": "warm home",
    "magic lit": "magic",
    "evil, gothic, Yharnam": "gothic",
    "light and shadow": "light and shadow",
    "shadow from window": "window shadow",
    "soft studio lighting": "studio",
    "home atmosphere, cozy bedroom illumination": "cozy bedroom",
    "neon, Wong Kar-wai, warm": "wong kar-wai",
}
HOSTED = {
    "direction": ("left", "right", "top", "bottom", "back"),
    "type": ("softbox", "sunlight", "spotlight", "ambient"),
    "temperature": ("warm", "cool", "neutral", "sunset"),
    "intensity": ("mood", "medium", "bright", "strong"),
}


@cache
def case(seed: int) -> Sample:
    return sample(seed, SIZE, "test")


def halves(picture: np.ndarray, side: str) -> tuple[float, float]:
    """Mean luminance of the half of a linear picture on a side, and of the other."""
    bright = luminance(picture)
    axis, half = (1, bright.shape[1] // 2) if side in ("left", "right") else (0, bright.shape[0] // 2)
    first, second = (float(part.mean()) for part in np.split(bright, [half], axis))
    return (first, second) if side in ("left", "top") else (second, first)


@pytest.mark.parametrize("seed", range(4))
def test_light_adds_up(seed: int) -> None:
    scene = case(seed).scene
    first = [Light(-70, 20, kelvin(3000), 1.0, 0.1, Gobo("panes")), Hemisphere((0.3, 0.3, 0.4), (0.1, 0.1, 0.1))]
    second = [Light(80, -30, neon(0.6), 0.7, 0.8, distance=2.5), Light(180, 30, neon(0.9), 0.5, 0.0)]
    whole = scene.relight([*first, *second])
    assert np.abs(whole - scene.relight(first) - scene.relight(second)).max() < 1e-5
    assert np.abs(whole - scene.light_stack([*first, *second]).sum(0)).max() < 1e-5
    dimmed = scene.relight([light.dimmed(0.25) for light in first])
    assert np.abs(dimmed - 0.25 * scene.relight(first)).max() < 1e-5


@pytest.mark.parametrize("seed", range(12))
def test_geometry_is_sound(seed: int) -> None:
    one = case(seed)
    inside = one.matte > 0
    assert one.matte.min() >= 0
    assert 0.9 < one.matte.max() <= 1
    assert 0.03 < one.matte.mean() < 0.9
    assert ((one.matte > 0.02) & (one.matte < 0.98)).any(), "the edge is soft"
    np.testing.assert_allclose(np.linalg.norm(one.normal[inside], axis=-1), 1, atol=1e-4)
    assert not one.normal[~inside].any()
    assert (one.normal[one.matte > 0.99][:, 2] > -0.3).mean() > 0.99, "what is seen faces the viewer"
    assert 0 <= one.albedo.min() <= one.albedo.max() < 1
    np.testing.assert_allclose(one.scene.surface.shares.sum(0)[inside], 1, atol=1e-4)


@pytest.mark.parametrize("side", SIDES)
def test_the_lit_side_is_brighter(side: str) -> None:
    errors = []
    for seed in range(40):
        scene = case(seed).scene
        lights = draw_lighting(stream(seed, "test"), (side, "neutral")).lights
        assert describe(lights).direction == side
        errors.append(angle_error(light_gradient(scene.relight(lights), scene.matte, scene.albedo), side))
    assert np.mean(np.array(errors) < 90) >= 0.95
    assert np.mean(errors) < 30


@pytest.mark.parametrize(
    "words", [("warm light", "cool light"), ("sunset over sea", "moonlight"), ("golden time", "cool")]
)
def test_warm_prompts_make_warm_pictures(words: tuple[str, str]) -> None:
    for seed in range(12):
        scene = case(seed).scene
        warm, cool = (scene.relight(lighting_for(text, stream(seed, "test")).lights) for text in words)
        assert warmth(warm, scene.matte) > warmth(cool, scene.matte) + 0.2


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", BACKDROPS)
def test_backgrounds_are_brighter_on_the_lit_side(kind: str, side: str) -> None:
    for seed in range(2):
        rng = stream(seed, "test")
        lights = draw_lighting(rng, (side,)).lights
        background = draw_background(kind, rng, lights, SIZE, split="test")
        lit, dark = halves(background.radiance, side)
        assert lit > dark
        assert background.lights is lights
        assert np.isfinite(background.radiance).all()


def test_a_seed_is_one_sample() -> None:
    first, second = sample(5, SIZE, "test"), sample(5, SIZE, "test")
    for name in ("input", "foreground", "target", "background", "matte", "albedo", "normal"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.prompt == second.prompt
    assert first.lights == second.lights


def test_splits_share_nothing() -> None:
    streams = {
        split: {tuple(stream(seed, split).integers(0, 2**63, 2)) for seed in range(300)} for split in ("train", "test")
    }
    assert len(streams["train"]) == len(streams["test"]) == 300
    assert not streams["train"] & streams["test"]
    assert not np.array_equal(tile("leaves", "train", 0), tile("leaves", "test", 0))
    assert not np.array_equal(sample(0, SIZE, "train").target, case(0).target)
    for seed, split in ((-1, "train"), (0, "validation")):
        with pytest.raises(ValueError, match="split"):
            stream(seed, split)


@pytest.mark.parametrize("seed", range(6))
def test_pictures_are_what_they_say(seed: int) -> None:
    one = case(seed)
    pictures: list[Bytes] = [one.input, one.foreground, one.target, one.background]
    assert all(picture.shape == (SIZE, SIZE, 3) and picture.dtype == np.uint8 for picture in pictures)
    outside = one.matte == 0
    assert (one.foreground[outside] == 127).all()
    np.testing.assert_array_equal(one.foreground[one.matte == 1], one.input[one.matte == 1])
    mine = tone_map(one.scene.relight(one.lights), one.exposure)[one.matte == 1] * 255
    assert np.abs(mine - one.target[one.matte == 1]).max() < 1
    back = untone(one.target / np.float32(255), one.exposure)
    assert np.median(np.abs(back - one.scene.relight(one.lights))[one.matte == 1]) < 0.01
    assert one.ramp in (*SIDES, "none")
    assert one.prompt.direction == describe(one.lights).direction


def test_prompts_tell_the_truth() -> None:
    for seed in range(150):
        rng = stream(seed, "test")
        lighting = draw_lighting(rng)
        background = draw_background("gradient", rng, lighting.lights, 8, lighting.term("scene"))
        prompt = sample_prompt(rng, lighting, background, "a vase")
        truth = describe(lighting.lights)
        assert prompt.text
        said = {TERMS[name].group: name for name in prompt.said}
        assert said.get("direction", truth.direction) == truth.direction == prompt.direction
        if said.get("temperature") in ("warm", "sunset"):
            assert truth.temperature == "warm"
        if said.get("temperature") == "cool":
            assert truth.temperature == "cool"


@pytest.mark.parametrize("text", QUICK_LIST)
def test_the_quick_list_is_known(text: str) -> None:
    assert terms_in(text)[0] == QUICK_LIST[text]
    assert set(recipe_for(terms_in(text)).backdrops) <= set(BACKDROPS)


def test_the_hosted_words_are_known() -> None:
    for group, words in HOSTED.items():
        for word in words:
            assert terms_in(f"portrait, {word}") == (word,)
            assert TERMS[word].group == group
    assert terms_in("Light from the left, sunset over sea") == ("sunset sea", "left")
    assert terms_in("a brightly leftover spotless box") == ()


def test_a_mirrored_light_mirrors_the_picture() -> None:
    from benchmarks.scenes.geometry import Part, rasterise
    from benchmarks.scenes.materials import Appearance
    from benchmarks.scenes.primitives import Ellipsoid, rotation, vector
    from benchmarks.scenes.render import Scene

    surface = rasterise([Part(Ellipsoid(vector(0, 0, 0), vector(0.7, 0.7, 0.7), rotation()), 0)], 32)
    white, flat = np.ones((32, 32, 3), np.float32), np.ones((32, 32), np.float32)
    ball = Scene(surface, Appearance(white * np.float32(0.8), flat, 0 * flat), surface.normal)
    left, right = (ball.relight([Light(angle, 0, softness=0)]) for angle in (-60, 60))
    np.testing.assert_allclose(left, right[:, ::-1], atol=1e-4)
    front = ball.relight([Light(0, 0, softness=0)])[16, 16]
    assert 0.75 < float(front[0]) < 0.9, "a matt surface of albedo 0.8 that faces the light"


def test_two_balls_cast_a_shadow() -> None:
    from benchmarks.scenes.geometry import Part, rasterise
    from benchmarks.scenes.materials import Appearance
    from benchmarks.scenes.primitives import Ellipsoid, rotation, vector
    from benchmarks.scenes.shading import Shader

    wall = Ellipsoid(vector(0, 0, -1), vector(5, 5, 0.8), rotation())
    ball = Ellipsoid(vector(0, 0, 0.2), vector(0.3, 0.3, 0.3), rotation())
    surface = rasterise([Part(wall, 0), Part(ball, 0)], SIZE)
    plain = np.ones((SIZE, SIZE), np.float32)
    shader = Shader(surface, Appearance(plain[..., None] * plain[..., None], plain, plain), surface.normal)
    clear = shader.unshadowed(Light(-60, 0, softness=0))
    row = SIZE // 2
    assert clear[row, : SIZE // 4].min() > 0.8
    assert clear[row, int(SIZE * 0.68) : int(SIZE * 0.8)].max() < 0.4


def test_random_scenes_differ() -> None:
    words = {draw_scene(stream(seed, "train"), 16).words for seed in range(60)}
    assert len(words) > 15


def test_the_sheet_is_written(tmp_path) -> None:
    out = tmp_path / "sheet.png"
    assert main(["scenes", "--out", str(out), "--count", "2", "--size", "32"]) == 0
    assert out.stat().st_size > 1000


def test_pictures_are_neither_black_nor_blown() -> None:
    for seed in range(40):
        one = case(seed)
        bright = luminance(from_srgb(one.target / np.float32(255)))
        subject = float((bright * one.matte).sum() / one.matte.sum())
        assert 0.02 < subject < 0.6
        assert (bright > 0.97).mean() < 0.35
