"""Our client against our server, every dialect over real sockets: what comes back is what the local engine made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iclight_local.engines.base import Engine
from iclight_local.errors import EngineError, InvalidRequest, Unsupported
from iclight_local.imaging.files import upright_size
from iclight_local.imaging.guarded import Guard, fetch
from iclight_local.plan import plan_of
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult
from iclight_local.store.bundles import Bundle
from tests.fake_engine import FakeEngine
from tests.providers.hosting import remote, shelf
from tests.server.live import Live, serving

GOLDENS = Path(__file__).parents[1] / "goldens"
SUBJECT = GOLDENS / "inputs" / "subject_rgba.png"
SMALL: dict[str, Any] = {"width": 256, "height": 320, "highres_scale": 1, "seed": 11}
CASES: dict[str, dict[str, Any]] = {
    "segmind-ic-light": {**SMALL, "prompt": "warm light", "light_source": "left", "steps": 1, "number_of_images": 2},
    "pixeldojo": {**SMALL, "prompt": "warm light", "steps": 10, "cfg": 1},
    "segmind-relighting-v2": {"light": "left 3200K softbox 0.26", "width": 1024, "height": 1024, "highres_scale": 1},
    "photoroom": {"keep": "colour"},
}
REPEATED = ("segmind-ic-light", "pixeldojo")
"""Those whose call says all that makes a picture, its seed included."""


class Keeping:
    """An engine that keeps what it made."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.made = engine, []
        self.name = engine.name

    def relight(self, request: RelightRequest, *, progress: Any = None) -> RelightResult:
        result = self.engine.relight(request, progress=progress)
        self.made = list(result.images)
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)


class Sized(FakeEngine):
    """A fake engine whose pictures are as large as they should be, and every one of them another."""

    def relight(self, request: RelightRequest, *, progress: Any = None) -> RelightResult:
        result = super().relight(request, progress=progress)
        highres = plan_of(request).highres
        size = upright_size(request.subject_image) if request.fit == "input" else (highres.width, highres.height)
        return replace(result, images=[image.resize(size) for image in result.images])


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with shelf(SUBJECT.read_bytes()) as found:
        yield found


def served(folder: Path, engine: Any) -> Any:
    return serving(folder, engine=engine, fetch=partial(fetch, guard=Guard(allow_private=True)), body=1 << 24)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with served(tmp_path_factory.mktemp("jobs"), Keeping(Sized())) as found:
        yield found


def asked(name: str, address: str, takes_files: bool) -> RelightRequest:
    return RelightRequest(subject_image=str(SUBJECT) if takes_files else address, **CASES[name])


def pixels(images: list[Image.Image]) -> list[Any]:
    return [np.asarray(image) for image in images]


def same(one: list[Image.Image], other: list[Image.Image]) -> bool:
    pairs = list(zip(pixels(one), pixels(other), strict=True))
    return all(a.shape == b.shape and (a == b).all() for a, b in pairs)


@pytest.mark.parametrize("name", CASES)
def test_every_api(name: str, live: Live, address: str, tmp_path: Path) -> None:
    engine = remote(name, live.url, tmp_path)
    request = asked(name, address, engine.sender.uploads)
    result = engine.relight(request)
    assert same(result.images, live.engine.made) and result.warnings == ()
    if name in REPEATED:
        assert same(result.images, Sized().relight(request).images)


def test_what_a_result_tells(live: Live, address: str, tmp_path: Path) -> None:
    engine = remote("segmind-ic-light", live.url, tmp_path)
    request = asked("segmind-ic-light", address, True)
    result = engine.relight(request)
    assert len(result.images) == 2 and same(result.images, Sized().relight(request).images)
    assert (result.engine, result.seed) == ("remote:segmind-ic-light", 11)
    assert result.record["engine"] == {
        "name": "remote:segmind-ic-light", "provider": "segmind-ic-light", "model": "ic-light",
    }  # fmt: skip
    assert result.record["bill"].keys() == {"cost", "remaining", "request_id"}
    assert set(result.timings) == {"decode", "remote", "fetch"}


def test_a_seed_is_drawn_where_the_api_takes_one(live: Live, tmp_path: Path) -> None:
    request = RelightRequest(subject_image=str(SUBJECT), prompt="cat")
    result = remote("segmind-ic-light", live.url, tmp_path).relight(request)
    assert result.seed is not None and live.engine.requests[-1].seed == result.seed
    assert remote("photoroom", live.url, tmp_path).relight(RelightRequest(subject_image=str(SUBJECT))).seed is None


def test_results_come_without_loss_whatever_is_written_here(live: Live, tmp_path: Path) -> None:
    request = RelightRequest(
        subject_image=str(SUBJECT), prompt="cat", seed=3, output_format="jpeg", output_quality=5, number_of_images=1
    )
    result = remote("segmind-ic-light", live.url, tmp_path).relight(request)
    assert same(result.images, Sized().relight(request).images)


def test_an_engine_that_fails_there(address: str, tmp_path: Path) -> None:
    with served(tmp_path / "jobs", FakeEngine(error=EngineError("It broke."))) as failing:
        for name in CASES:
            engine = remote(name, failing.url, tmp_path)
            with pytest.raises(EngineError, match="It broke"):
                engine.relight(asked(name, address, engine.sender.uploads))


def test_what_an_api_takes_only_by_address_is_refused_as_a_file(live: Live, tmp_path: Path) -> None:
    before = len(live.engine.requests)
    for name in ("pixeldojo", "pixeldojo-qwen-image-edit", "segmind-relighting-v2"):
        with pytest.raises(Unsupported, match="takes a picture by its address alone"):
            remote(name, live.url, tmp_path).relight(RelightRequest(subject_image=str(SUBJECT), **CASES["pixeldojo"]))
    assert len(live.engine.requests) == before and not (tmp_path / "audit.jsonl").exists()


def test_a_model_that_only_the_vendor_has(live: Live, address: str, tmp_path: Path) -> None:
    engine = remote("pixeldojo-nano-banana-pro", live.url, tmp_path)
    with pytest.raises(InvalidRequest, match="is not available on this server"):
        engine.relight(RelightRequest(subject_image=address, prompt="dusk"))


def test_a_real_engine(tmp_path: Path, one_thread: None) -> None:
    # Torch is imported here, so that the others start without.
    from iclight_local.engines.local import LocalEngine, LocalOptions

    local = LocalEngine(LocalOptions(bundle=Bundle("bundle", GOLDENS / "bundle"), home=tmp_path, device="cpu"))
    request = RelightRequest(subject_image=str(SUBJECT), **CASES["segmind-ic-light"])
    with served(tmp_path / "jobs", local) as found:
        result = remote("segmind-ic-light", found.url, tmp_path, 60).relight(request)
    assert same(result.images, local.relight(request).images) and result.warnings == ()
