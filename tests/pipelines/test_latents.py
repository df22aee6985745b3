"""Between pixels and latents."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iclight_local.errors import EngineError
from iclight_local.imaging.fit import UInt8Array
from iclight_local.pipelines import latents
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.latents import decode_latents, encode_each, encode_pictures, to_uint8, to_unit
from iclight_local.pipelines.remembered import Remembered

CPU = torch.device("cpu")


def test_grey_127_is_zero_and_the_mode_is_scaled(fc: ICLightPipeline) -> None:
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None, None] * 4, (64, 72, 3))
    seen: list[torch.Tensor] = []
    hook = fc.vae.encoder.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    with torch.no_grad():
        made = encode_pictures(fc.vae, [np.full((64, 72, 3), 127, np.uint8), ramp], CPU)
        hook.remove()
        mode = fc.vae.encode(seen[0]).latent_dist.mode() * fc.vae.config.scaling_factor
    assert made.shape == (2, 4, 8, 9)
    assert (seen[0][0] == 0).all()
    assert torch.equal(seen[0][1, 0, :, 0], torch.from_numpy(ramp[:, 0, 0].astype(np.float32)) / 127.0 - 1.0)
    assert torch.allclose(made, mode, atol=1e-6)


def test_pictures_go_through_in_portions(
    fc: ICLightPipeline, foreground: UInt8Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [np.ascontiguousarray(foreground[i : i + 64, :64]) for i in (0, 50, 100, 150, 190)]
    with torch.no_grad():
        at_once = encode_pictures(fc.vae, pictures, CPU)
        decoded = decode_latents(fc.vae, at_once, 8, to_unit)
        monkeypatch.setattr(latents, "PIXELS_PER_CALL", 2 * 64 * 64)
        sizes: list[int] = []
        hooks = [
            part.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
            for part in (fc.vae.encoder, fc.vae.decoder)
        ]
        in_portions = encode_pictures(fc.vae, pictures, CPU)
        again = decode_latents(fc.vae, in_portions, 8, to_unit)
    for hook in hooks:
        hook.remove()
    assert sizes == [2, 2, 1] * 2
    assert torch.allclose(in_portions, at_once, atol=1e-5)
    assert np.allclose(decoded, again, atol=1e-4)
    assert again[0].shape == (64, 64, 3)


def test_pixels_are_clipped_and_truncated() -> None:
    pixels = np.array([-2.0, -1.0, 0.0, 0.999, 1.0, 3.0], np.float32)
    assert to_uint8(pixels).tolist() == [0, 0, 127, 254, 255, 255]
    assert to_unit(pixels).tolist() == pytest.approx([0, 0, 0.5, 0.9995, 1, 1])
    assert to_uint8(pixels).dtype == np.uint8


def test_models_that_compute_no_numbers_are_no_picture(fc: ICLightPipeline) -> None:
    latents = torch.full((1, 4, 8, 8), torch.nan)
    with pytest.raises(EngineError, match="computed no numbers"):
        decode_latents(fc.vae, latents, 8, to_uint8)


def test_what_is_remembered_is_found_by_little(fc: ICLightPipeline) -> None:
    remembered = Remembered(4)
    tall, wide = (np.arange(128 * 64 * 3, dtype=np.uint8).reshape(side, -1, 3) for side in (128, 64))
    with torch.no_grad():
        made = [encode_each(fc.vae, [picture, picture], CPU, remembered) for picture in (tall, wide, tall)]
    assert [latent.shape[2:] for latent in made] == [(16, 8), (8, 16), (16, 8)], "of the same bytes"
    assert torch.equal(made[0], made[2])
    assert sum(len(part) for key in remembered._things for part in key if isinstance(part, bytes)) <= 64  # type: ignore[attr-defined]
