"""Fewer operations: deep features that steps share, and guidance that ends early."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from golden_pictures import SMALL, load_pipe
from peft import LoraConfig
from torch.utils.flop_counter import FlopCounterMode

from iclight_local.errors import Unsupported
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.unet_calls import UNetInput, driven, plainly

MINI = Path(__file__).parents[2] / "weights" / "mini"
KNOBS: dict[str, Any] = {**SMALL, "height": 64, "steps": 6, "highres_scale": 1.0, "cfg": 5.0}
"""Both passes take six steps."""
Calls = list[tuple[str, int]]


def tiny(**config: Any) -> UNet2DConditionModel:
    """A UNet of two or three small levels, its weights random."""
    torch.manual_seed(0)
    levels = {
        **{"block_out_channels": (16, 32, 32), "cross_attention_dim": 32, "norm_num_groups": 8},
        **{"down_block_types": ("CrossAttnDownBlock2D",) * 2 + ("DownBlock2D",), "attention_head_dim": 4},
        **{"up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 2, "layers_per_block": 2},
    }
    return UNet2DConditionModel(**{**levels, **config}).eval()


def mini_unet() -> Any:
    pipe = ICLightPipeline.from_pretrained(MINI / "base", iclight=MINI / "iclight_sd15_fc.safetensors")
    return pipe.unet


def seen_by(unet: Any, height: int = 8, width: int = 16, **options: Any) -> UNetInput:
    source = torch.Generator().manual_seed(1)
    sample = torch.randn(3, unet.conv_in.weight.shape[1], height, width, generator=source)
    texts = torch.randn(3, 9, unet.config.cross_attention_dim, generator=source)
    return UNetInput(sample, torch.tensor(400), texts, **options)


def three(unet: Any, **options: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The noise of a plain call, of one that keeps the deep features, and of a shallow one that is given them."""
    predict, channels = plainly(unet), unet.config.out_channels
    with torch.no_grad():
        plain = predict(seen_by(unet, **options))
        kept = predict(seen_by(unet, **options, with_deep=True))
        shallow = predict(seen_by(unet, **options, deep=kept[:, channels:]))
    return plain, kept[:, :channels], shallow


def told(pipe: ICLightPipeline, calls: Calls, *pictures: Any, **knobs: Any) -> list[FloatArray]:
    """A call of the pipeline; the kind and the rows of each of the UNet's are noted."""
    predict = pipe.predict

    def noting(given: UNetInput) -> torch.Tensor:
        calls.append((given.kind, len(given.sample)))
        return predict(given)

    steps = pipe.steps(*pictures, **{**KNOBS, **knobs})
    images: list[FloatArray] = driven(steps, noting).images
    return images


class TestCalls:
    @pytest.mark.parametrize(
        "make",
        [
            lambda: load_pipe("fc").unet,
            mini_unet,
            tiny,
            lambda: tiny(time_embedding_act_fn="silu", mid_block_type=None),
            lambda: tiny(down_block_types=("DownBlock2D",) * 3, up_block_types=("UpBlock2D",) * 3),
        ],
        ids=["golden", "mini", "two layers", "no middle", "no attention"],
    )
    @pytest.mark.parametrize("size", [(8, 16), (9, 13)])
    def test_they_agree_where_nothing_has_changed(self, make: Callable[[], Any], size: tuple[int, int]) -> None:
        plain, kept, shallow = three(make(), height=size[0], width=size[1])
        assert torch.equal(kept, plain)
        assert torch.allclose(shallow, plain, atol=1e-6)
        assert plain.std() > 0.01

    def test_a_shallow_call_sees_this_step_and_the_features_it_is_given(self) -> None:
        unet = tiny()
        predict, channels = plainly(unet), unet.config.out_channels
        with torch.no_grad():
            given = seen_by(unet)
            deep = predict(seen_by(unet, with_deep=True))[:, channels:]
            shallow = predict(seen_by(unet, deep=deep))
            others = (
                UNetInput(given.sample + 1, given.timestep, given.embeddings, deep=deep),
                UNetInput(given.sample, given.timestep - 300, given.embeddings, deep=deep),
                UNetInput(given.sample, given.timestep, given.embeddings + 1, deep=deep),
                UNetInput(given.sample, given.timestep, given.embeddings, deep=deep + 1),
            )
            assert all((predict(other) - shallow).abs().max() > 1e-4 for other in others)

    def test_rows_share_calls_of_their_kind(self) -> None:
        unet = tiny()
        predict, channels = plainly(unet), unet.config.out_channels
        with torch.no_grad():
            given, kept = seen_by(unet), predict(seen_by(unet, with_deep=True))
            one = UNetInput(given.sample[1:2], given.timestep, given.embeddings[1:2], with_deep=True)
            assert torch.allclose(predict(one), kept[1:2], atol=1e-5)
            shallow = predict(seen_by(unet, deep=kept[:, channels:]))
            one = UNetInput(given.sample[1:2], given.timestep, given.embeddings[1:2], deep=kept[1:2, channels:])
            assert torch.allclose(predict(one), shallow[1:2], atol=1e-5)

    def test_the_scale_of_a_lora(self) -> None:
        unet = tiny()
        bare = three(unet)[0]
        unet.add_adapter(LoraConfig(r=4, lora_alpha=16, target_modules=["to_q", "to_v"], init_lora_weights=False))
        found = {scale: three(unet, attention={"scale": scale}) for scale in (0.0, 0.5, 1.0)}
        for plain, kept, shallow in found.values():
            assert torch.equal(kept, plain)
            assert torch.allclose(shallow, plain, atol=1e-6)
        assert torch.allclose(found[0.0][0], bare, atol=1e-6)
        assert (found[0.5][0] - found[1.0][0]).abs().max() > 1e-4

    def test_half_precision_keeps_the_features_as_they_are(self) -> None:
        unet = tiny().to(torch.bfloat16)
        given = seen_by(unet)
        half = (given.sample.bfloat16(), given.timestep, given.embeddings.bfloat16())
        predict, channels = plainly(unet), unet.config.out_channels
        with torch.no_grad():
            plain, kept = predict(UNetInput(*half)), predict(UNetInput(*half, with_deep=True))
            shallow = predict(UNetInput(*half, deep=kept[:, channels:]))
        assert kept.dtype == shallow.dtype == torch.float32
        assert torch.equal(kept[:, :channels], plain) and torch.equal(shallow, plain)

    def test_fewer_operations_are_done(self) -> None:
        unet = tiny(block_out_channels=(16, 64, 64))
        deep = plainly(unet)(seen_by(unet, with_deep=True))[:, unet.config.out_channels :]
        done = {}
        for name, options in {"plain": {}, "keeping": {"with_deep": True}, "shallow": {"deep": deep}}.items():
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                plainly(unet)(seen_by(unet, **options))
            done[name] = counter.get_total_flops()
        assert done["keeping"] == done["plain"]
        assert 0 < done["shallow"] < 0.2 * done["plain"]


class TestCaching:
    def test_every_so_many_steps_are_whole(self, fc: ICLightPipeline, foreground: UInt8Array) -> None:
        calls: Calls = []
        picture = told(fc, calls, foreground, cache_interval=3)[0]
        assert [kind for kind, _ in calls] == ["keeping", "shallow", "shallow"] * 4
        assert {rows for _, rows in calls} == {2}
        assert np.array_equal(picture, fc(foreground, **KNOBS, cache_interval=3).images[0])
        full = fc(foreground, **KNOBS).images[0]
        assert 0 < np.abs(picture - full).mean() < 0.05

    def test_at_1_all_calls_are_plain(self, fc: ICLightPipeline, foreground: UInt8Array) -> None:
        calls: Calls = []
        picture = told(fc, calls, foreground, cache_interval=1, cfg_until=1)[0]
        assert calls == [("plain", 2)] * 12
        assert np.array_equal(picture, fc(foreground, **KNOBS).images[0])

    def test_each_pass_begins_whole(self, fc: ICLightPipeline, foreground: UInt8Array) -> None:
        calls: Calls = []
        told(fc, calls, foreground, cache_interval=10, highres_scale=2.0)
        assert [kind for kind, _ in calls] == (["keeping"] + ["shallow"] * 5) * 2

    def test_a_loop_keeps_nothing_of_its_neighbours(self, foreground: UInt8Array) -> None:
        pipe = load_pipe("fc", torch_dtype=torch.bfloat16)
        steps = pipe.steps(foreground, **KNOBS, cache_interval=2)
        with torch.no_grad():
            shared = torch.cat([pipe.predict(next(steps))] * 4)
        given = steps.send(shared[:2])
        assert given.deep is not None and given.deep.dtype == given.sample.dtype == torch.bfloat16
        assert given.deep.untyped_storage().nbytes() == given.deep.numel() * 2
        assert torch.equal(given.deep.float(), shared[:2, 4:])
        steps.close()

    def test_a_scheduler_of_second_order_computes_whole_steps(
        self, fc: ICLightPipeline, foreground: UInt8Array
    ) -> None:
        scheduler = diffusers.HeunDiscreteScheduler.from_config(fc.scheduler.config)
        calls: Calls = []
        told(ICLightPipeline(**{**fc.components, "scheduler": scheduler}), calls, foreground, cache_interval=2)
        whole, between = [("keeping", 2)] * 2, [("shallow", 2)] * 2
        assert calls == [*whole, *between, *whole, *between, *whole, ("shallow", 2)] * 2

    def test_backgrounds(self, fbc: ICLightPipeline, foreground: UInt8Array, background: UInt8Array) -> None:
        calls: Calls = []
        picture = told(fbc, calls, foreground, background, cache_interval=2, cfg_until=0.5)[0]
        both = [("keeping", 2), ("shallow", 2), ("keeping", 2), ("shallow", 1), ("keeping", 1), ("shallow", 1)]
        assert calls[:6] == both
        assert np.isfinite(picture).all() and picture.std() > 0.01

    def test_a_batch_is_its_items_one_by_one(
        self, fc: ICLightPipeline, foreground: UInt8Array, background: UInt8Array
    ) -> None:
        knobs = {**KNOBS, "number_of_images": 2, "cache_interval": 2, "cfg_until": 0.5}
        together = fc([foreground, background], **{**knobs, "seed": [5, 6], "cfg": [2.0, 5.0]}).images
        for index, (picture, seed, cfg) in enumerate(((foreground, 5, 2.0), (background, 6, 5.0))):
            alone = fc(picture, **{**knobs, "seed": seed, "cfg": cfg}).images
            assert np.abs(np.stack(together[2 * index : 2 * index + 2]) - np.stack(alone)).max() * 255 <= 1

    def test_offload_and_slices_are_the_same_picture(self, fc: ICLightPipeline, foreground: UInt8Array) -> None:
        expected = fc(foreground, **KNOBS, cache_interval=2).images[0]
        pipe, brought = load_pipe("fc"), Counter[str]()
        pipe.enable_model_cpu_offload(device="cpu")
        hook = pipe.unet._hf_hook
        before = hook.pre_forward

        def noted(module: Any, *args: Any, **kwargs: Any) -> Any:
            brought["unet"] += 1
            return before(module, *args, **kwargs)

        hook.pre_forward = noted
        assert np.array_equal(pipe(foreground, **KNOBS, cache_interval=2).images[0], expected)
        assert brought["unet"] == 12, "another model may have been brought in since the last call"
        pipe.remove_all_hooks()
        pipe.enable_attention_slicing("max")
        assert np.abs(pipe(foreground, **KNOBS, cache_interval=2).images[0] - expected).max() * 255 <= 2

    @pytest.mark.parametrize(
        "config",
        [
            {"down_block_types": ("AttnDownBlock2D",) * 3},
            {"block_out_channels": (16,), "down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)},
            {"num_class_embeds": 4},
        ],
    )
    def test_another_unet_is_refused_in_a_sentence(
        self, config: dict[str, Any], fc: ICLightPipeline, foreground: UInt8Array
    ) -> None:
        pipe = ICLightPipeline(**{**fc.components, "unet": tiny(in_channels=8, **config)})
        with pytest.raises(Unsupported, match=r"needs a UNet built like .*leave cache_interval at 1\.$"):
            pipe(foreground, **KNOBS, cache_interval=2)

    def test_freeu_is_refused(self, foreground: UInt8Array) -> None:
        pipe = load_pipe("fc")
        pipe.enable_freeu(0.9, 0.2, 1.2, 1.4)
        with pytest.raises(Unsupported, match="without FreeU"):
            pipe(foreground, **KNOBS, cache_interval=2)
        pipe.disable_freeu()
        pipe(foreground, **KNOBS, cache_interval=2)


class TestGuidance:
    @pytest.mark.parametrize(("until", "guided"), [(0, 0), (0.5, 3), (0.9, 5), (1, 6)])
    def test_it_ends_where_it_is_asked_to(
        self, until: float, guided: int, fc: ICLightPipeline, foreground: UInt8Array
    ) -> None:
        calls: Calls = []
        told(fc, calls, foreground, cfg_until=until)
        assert calls == ([("plain", 2)] * guided + [("plain", 1)] * (6 - guided)) * 2

    def test_without_any_the_picture_is_that_of_cfg_1(self, fc: ICLightPipeline, foreground: UInt8Array) -> None:
        never, unguided = (fc(foreground, **{**KNOBS, **knobs}).images[0] for knobs in ({"cfg_until": 0}, {"cfg": 1}))
        assert np.abs(never - unguided).max() * 255 <= 1
        full = fc(foreground, **KNOBS).images[0]
        half = fc(foreground, **KNOBS, cfg_until=0.5).images[0]
        assert 0 < np.abs(half - full).mean() < np.abs(never - full).mean()

    def test_it_is_nothing_without_guidance(self, fc: ICLightPipeline, foreground: UInt8Array) -> None:
        plain = fc([foreground] * 2, **{**KNOBS, "cfg": 1}).images
        found = fc([foreground] * 2, **{**KNOBS, "cfg": 1}, cfg_until=[0.5, 0.2]).images
        assert all(np.array_equal(one, other) for one, other in zip(plain, found, strict=True))
