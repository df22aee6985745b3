"""Several requests at the same time: each comes out as it does alone."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from iclight_local.engines.local import LocalEngine
from iclight_local.engines.parts import prepared
from iclight_local.errors import Cancelled, ICLightError, InvalidRequest
from iclight_local.request import RelightRequest
from iclight_local.result import Progress, RelightResult
from tests.engines.at_once import AtOnce
from tests.engines.relights import BACKGROUND, MATTE, PLAIN, SUBJECT, asked, local, pixels

PATIENCE_S = 60.0
LONG = "long words " * 18
MIXED = (
    asked(prompt="toy", seed=6),
    asked(PLAIN, matte=MATTE, prompt="sunset over sea", cfg=4, seed=7, fit="pad", width=64, height=64),
    asked(light="#ff8800 left", seed=8),
    asked(background_image=BACKGROUND, seed=9),
    asked(light_source="left", seed=10, keep="detail"),
    asked(prompt=LONG, seed=11),
    asked(seed=12, number_of_images=2),
)
"""All share calls but the fourth, which is of another model, and the sixth, a text of another length."""


class Rows:
    """How many rows each UNet call had."""

    def __init__(self, engine: LocalEngine) -> None:
        self.found: list[int] = []
        engine.load("fc").unet.register_forward_pre_hook(lambda module, args: self.found.append(len(args[0])))


def together(engine: LocalEngine, *requests: RelightRequest) -> list[RelightResult | ICLightError]:
    return engine.relight_together(requests, progress=[None] * len(requests))


def done(outcome: RelightResult | ICLightError) -> RelightResult:
    assert isinstance(outcome, RelightResult), outcome
    return outcome


def test_each_is_as_it_is_alone(shared: LocalEngine) -> None:
    rows = Rows(shared)
    found = together(shared, *MIXED)
    calls = list(rows.found)
    for request, outcome in zip(MIXED, found, strict=True):
        result, alone = done(outcome), shared.relight(request)
        assert (result.seed, len(result.images)) == (request.seed, request.number_of_images)
        assert result.record == alone.record
        for one, other in zip(result.images, alone.images, strict=True):
            assert np.abs(pixels(one).astype(int) - pixels(other)).max() <= 1
    apart = rows.found[len(calls) :]
    assert sum(calls) == sum(apart)
    assert (len(calls), len(apart)) == (10, 22)
    assert max(calls) == 8


def test_a_wrong_one_does_not_stop_the_others(shared: LocalEngine, first: Any) -> None:
    damaged, empty = Image.new("RGBA", (64, 64)), SUBJECT.read_bytes()[:5000]
    found = together(shared, asked(damaged), asked(), asked(empty))
    assert isinstance(found[0], InvalidRequest) and "empty" in str(found[0])
    assert isinstance(found[2], InvalidRequest) and "damaged" in str(found[2])
    assert np.array_equal(pixels(done(found[1]).images[0]), first)


def stopping(step: int, told: list[int]) -> Callable[[Progress], None]:
    def progress(progress: Progress) -> None:
        told.append(progress.step)
        if progress.step == step:
            raise Cancelled("Enough.")

    return progress


def test_one_that_is_cancelled_leaves_the_other(shared: LocalEngine, first: Any) -> None:
    told: list[int] = []
    found = shared.relight_together([asked(seed=6), asked()], progress=[stopping(2, told), None])
    assert isinstance(found[0], Cancelled)
    assert told[-1] == 2
    assert np.abs(pixels(done(found[1]).images[0]).astype(int) - first).max() <= 1


def test_nothing_goes_on_for_nobody(shared: LocalEngine) -> None:
    rows, told = Rows(shared), list[int]()
    found = shared.relight_together([asked(), asked(seed=6)], progress=[stopping(1, told), stopping(3, told)])
    assert [type(each) for each in found] == [Cancelled, Cancelled]
    assert rows.found == [4, 2, 2]


def test_what_is_too_much_together_is_done_alone(monkeypatch: pytest.MonkeyPatch, first: Any) -> None:
    engine = local()
    unet = engine.load("fc").unet
    forward, rows = unet.forward, list[int]()

    def small(latents: Any, *args: Any, **kwargs: Any) -> Any:
        rows.append(len(latents))
        if len(latents) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        return forward(latents, *args, **kwargs)

    monkeypatch.setattr(unet, "forward", small)
    found = together(engine, asked(), asked(seed=6))
    assert rows == [4] + [2] * 8
    assert np.array_equal(pixels(done(found[0]).images[0]), first)
    assert done(found[1]).seed == 6


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"prompt": "toy", "seed": 9, "cfg": 5, "negative_prompt": "dull"}, True),
        ({"fit": "crop", "output_format": "jpeg", "exposure": 0.2}, True),
        ({"steps": 3}, True),
        ({"width": 128}, False),
        ({"highres_scale": 2}, False),
        ({"highres_denoise": 0.9}, True),
        ({"cfg": 1}, True),
        ({"cfg_until": 0.5}, True),
        ({"cache_interval": 2}, True),
        ({"light_source": "left"}, True),
        ({"number_of_images": 2}, True),
        ({"background_image": BACKGROUND}, False),
    ],
)
def test_what_fits_together(shared: LocalEngine, other: dict[str, Any], same: bool) -> None:
    assert (shared.batch_key(asked()) == shared.batch_key(asked(**other))) is same


def picture(size: tuple[int, int], orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, "jpeg", exif=exif)
    return buffer.getvalue()


def test_a_whole_picture_is_as_large_as_it_is_looked_at(shared: LocalEngine) -> None:
    tall, wide, turned = (
        shared.batch_key(RelightRequest(subject_image=data, fit="input"))
        for data in (picture((200, 300)), picture((300, 200)), picture((300, 200), orientation=6))
    )
    assert tall == turned != wide
    with pytest.raises(InvalidRequest, match="the picture given as bytes is"):
        shared.batch_key(RelightRequest(subject_image=b"nothing", fit="input"))


class TestThreads:
    def test_a_short_one_is_done_before_a_long_one(self, shared: LocalEngine, first: Any) -> None:
        began, ended = threading.Event(), list[str]()

        def relight(name: str, request: RelightRequest, progress: Any = None) -> RelightResult:
            result = shared.relight(request, progress=progress)
            ended.append(name)
            return result

        with ThreadPoolExecutor(3) as pool:
            long = [
                pool.submit(relight, "long", asked(steps=30, seed=seed), lambda told: began.set()) for seed in (6, 7)
            ]
            assert began.wait(PATIENCE_S)
            short = relight("short", asked())
            results = [each.result(PATIENCE_S) for each in long]
        assert ended == ["short", "long", "long"]
        assert np.abs(pixels(short.images[0]).astype(int) - first).max() <= 1
        alone = shared.relight(asked(steps=30, seed=7))
        assert np.abs(pixels(results[1].images[0]).astype(int) - pixels(alone.images[0])).max() <= 1
        assert set(short.timings) == set(alone.timings)

    def test_normals_do_not_wait_for_who_came_before(self, shared: LocalEngine) -> None:
        began, told = threading.Event(), list[str]()

        def follow(progress: Progress) -> None:
            began.set()
            told.append(f"relight {progress.step}")

        alone = shared.normals(asked())
        with ThreadPoolExecutor(1) as pool:
            long = pool.submit(shared.relight, asked(steps=30), progress=follow)
            assert began.wait(PATIENCE_S)
            found = shared.normals(asked())
            told.append("normals")
            long.result(PATIENCE_S)
        assert told.index("normals") < told.index("relight 60")
        assert np.abs(pixels(found.normal).astype(int) - pixels(alone.normal)).max() <= 1

    def test_two_are_prepared_at_one_moment(self, shared: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        preparing = AtOnce(prepared)
        monkeypatch.setattr("iclight_local.engines.together.prepared", preparing)
        with ThreadPoolExecutor(5) as pool:
            results = list(pool.map(lambda seed: shared.relight(asked(seed=seed)), range(5)))
        assert ([each.seed for each in results], preparing.most) == ([0, 1, 2, 3, 4], 2)
