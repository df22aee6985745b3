"""Previews of the running picture, where their autoencoder is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, DDIMScheduler, DPMSolverMultistepScheduler, LCMScheduler

from iclight_local.pipelines.previews import Previewer
from iclight_local.pipelines.sampling import predicted_latents
from iclight_local.result import Progress
from tests.engines.relights import asked, local, pixels


def write_taesd(home: Path, channels: int = 4) -> Path:
    """Something like TAESD, of random numbers."""
    torch.manual_seed(0)
    narrow = {"encoder_block_out_channels": (8,) * 4, "decoder_block_out_channels": (8,) * 4}
    blocks = {"num_encoder_blocks": (1, 1, 1, 1), "num_decoder_blocks": (1, 1, 1, 1)}
    folder = home / "weights" / "taesd"
    AutoencoderTiny(**narrow, **blocks, latent_channels=channels).save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The autoencoder of the goldens' bundle counts as a large one, as SD1.5's is."""
    if request.node.name != "test_a_small_autoencoder_makes_its_own":
        monkeypatch.setattr("iclight_local.pipelines.previews.SMALL", 0)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_taesd(tmp_path)
    return tmp_path


def told(engine: Any, request: Any) -> tuple[list[Progress], Any]:
    """What a relight told, and its result."""
    found: list[Progress] = []
    result = engine.relight(request, progress=found.append)
    return found, result


def test_every_few_steps(home: Path, first: Any) -> None:
    progress, result = told(local(home=home, preview_every=2), asked(steps=3, highres_scale=2))
    previews = {each.step: each.preview.size for each in progress if each.preview is not None}
    assert previews == {2: (64, 64), 4: (128, 128), 6: (128, 128)}
    assert all(each.preview.mode == "RGB" for each in progress if each.preview is not None)
    assert result.warnings == ()
    assert "preview_every" not in result.record["request"]


def test_they_change_no_picture(home: Path, first: Any) -> None:
    _, result = told(local(home=home, preview_every=1), asked())
    assert np.array_equal(pixels(result.images[0]), first)


def test_only_where_somebody_looks(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Previewer, "picture", lambda *args: pytest.fail("a preview was made"))
    local(home=home, preview_every=1).relight(asked(steps=1))
    told(local(home=home), asked(steps=1))


def test_without_the_file_one_notice(tmp_path: Path) -> None:
    engine = local(home=tmp_path, preview_every=1)
    progress, result = told(engine, asked(steps=1))
    assert all(each.preview is None for each in progress)
    assert len(result.warnings) == 1
    assert "fetch it once with `iclight weights pull taesd`." in result.warnings[0]
    assert told(engine, asked(steps=1))[1].warnings == ()


def test_a_small_autoencoder_makes_its_own(tmp_path: Path, first: Any) -> None:
    progress, result = told(local(home=tmp_path, preview_every=1), asked())
    previews = [each.preview for each in progress if each.preview is not None]
    assert result.warnings == ()
    # The last one shows the finished latents, which the result is decoded from.
    assert np.abs(pixels(previews[-1]).astype(int) - pixels(result.images[0])).max() <= 1
    assert np.array_equal(pixels(result.images[0]), first)


def test_latents_of_another_kind(tmp_path: Path) -> None:
    write_taesd(tmp_path, channels=16)
    progress, result = told(local(home=tmp_path, preview_every=1), asked(steps=1))
    assert all(each.preview is None for each in progress)
    assert "taesd is for latents of 16 channels, and these weights have 4." in result.warnings[0]


def test_a_damaged_file_is_no_hindrance(home: Path) -> None:
    (home / "weights" / "taesd" / "diffusion_pytorch_model.safetensors").write_bytes(b"nothing")
    _, result = told(local(home=home, preview_every=1), asked(steps=1))
    assert "holds no readable TAESD" in result.warnings[0]


def test_normals_have_them(home: Path) -> None:
    found: list[Progress] = []
    local(home=home, preview_every=1).normals(asked(steps=1), progress=found.append)
    assert [each.step for each in found if each.preview is not None] == [1, 2]


class TestPrediction:
    """Finished latents from a step, where the noise is known exactly."""

    @pytest.mark.parametrize("kind", [DPMSolverMultistepScheduler, DDIMScheduler, LCMScheduler])
    def test_it_is_the_finished_picture(self, kind: Any) -> None:
        options = {"algorithm_type": "sde-dpmsolver++"} if kind is DPMSolverMultistepScheduler else {}
        options = {"clip_sample": False} if kind is DDIMScheduler else options
        scheduler = kind(**options)
        scheduler.set_timesteps(6)
        generator = torch.Generator().manual_seed(0)
        clean, noise = torch.randn(2, 1, 4, 8, 8, generator=generator).unbind()
        timestep = scheduler.timesteps[1:2]
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(1)
        noisy = scheduler.add_noise(clean, noise, timestep)
        stepped = scheduler.step(noise, timestep[0], noisy, return_dict=False)
        found = predicted_latents(scheduler, stepped)
        # LCM mixes a little of the noisy latents in, as its consistency function demands.
        assert (found - clean).abs().max() < 0.01
        assert (stepped[0] - clean).abs().max() > 0.5

    def test_where_a_scheduler_does_not_say(self) -> None:
        class Silent:
            config: dict[str, Any] = {}  # noqa: RUF012

        latents = torch.zeros(1, 4, 2, 2)
        assert predicted_latents(Silent(), (latents,)) is latents
