"""Several requests in one batch: each comes out as it does alone."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from iclight_local.engines.local import LocalEngine
from iclight_local.errors import Cancelled, ICLightError, InvalidRequest
from iclight_local.pipelines.memory import SD15
from iclight_local.pipelines.offloading import CardMemory
from iclight_local.pipelines.placement import Placement
from iclight_local.plan import plan_of
from iclight_local.request import RelightRequest
from iclight_local.result import Progress, RelightResult
from tests.engines.relights import BACKGROUND, MATTE, PLAIN, SUBJECT, asked, local, pixels

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
"""The first two fit together, and the third with the fifth; the sixth is a text of another length."""


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
    # Twice as many as pictures, because guidance runs; four steps a batch, one less from a light map, fbc elsewhere.
    assert sorted(rows.found) == [2] * 4 + [4] * 11
    for request, outcome in zip(MIXED, found, strict=True):
        result, alone = done(outcome), shared.relight(request)
        assert (result.seed, len(result.images)) == (request.seed, request.number_of_images)
        assert result.record == alone.record
        for one, other in zip(result.images, alone.images, strict=True):
            assert np.abs(pixels(one).astype(int) - pixels(other)).max() <= 1


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
    assert rows.found == [4, 4, 4]


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
        ({"steps": 3}, False),
        ({"width": 128}, False),
        ({"highres_scale": 2}, False),
        ({"highres_denoise": 0.9}, False),
        ({"cfg": 1}, False),
        ({"cfg_until": 0.5}, False),
        ({"cache_interval": 2}, False),
        ({"light_source": "left"}, False),
        ({"number_of_images": 2}, False),
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


class TestMemory:
    @pytest.mark.parametrize(("vram", "scale", "most"), [("4", 1.5, 3), ("8", 1.5, 7), ("6", 3, 2)])
    def test_a_card_takes_what_needs_nothing_more(
        self, shared: LocalEngine, vram: str, scale: float, most: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("iclight_local.pipelines.offloading.needs_of", lambda pipe: SD15)
        card = CardMemory(Placement(torch.device("cuda"), torch.float16, torch.bfloat16), vram)
        plan = plan_of(RelightRequest(subject_image=SUBJECT, highres_scale=scale))
        assert card.most_together(shared.load("fc"), plan, 7) == most

    def test_the_cpu_takes_half_of_what_is_free(self, shared: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        plan, memory = plan_of(RelightRequest(subject_image=SUBJECT)), shared.memory
        for free, most in ((0, 1), (1 << 50, 7)):
            monkeypatch.setattr("psutil.virtual_memory", lambda free=free: type("Memory", (), {"available": free}))
            assert memory.most_together(shared.load("fc"), plan, 7) == most
