"""The faster ways on the CPU are the plain ones but for rounding, in a model as alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.utils import convert_state_dict_to_diffusers
from golden_pictures import CASES, SMALL, composite, load_pipe, read
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from iclight_local.pipelines import lossless, packed, winograd
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.placement import Placement
from iclight_local.pipelines.winograd import WinogradConv2d, fits, put_in

CPU = Placement(torch.device("cpu"), torch.float32, torch.float32)
NEAR = 3e-5
"""Of the largest value: the rounding of float32, ten times and more enlarged by the transforms."""


@pytest.fixture
def every_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundle of the goldens is narrow: let it in."""
    monkeypatch.setattr(winograd, "FEWEST_CHANNELS", 1)


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def quickened(*models: Any) -> str | None:
    """Models that took all faster ways, and these."""
    for model in models:
        lossless.quicken(model, CPU, 2**40)
    return lossless.ways_of(models)


def conv_of(inputs: int, outputs: int, **options: Any) -> torch.nn.Conv2d:
    torch.manual_seed(inputs + outputs)
    return torch.nn.Conv2d(inputs, outputs, 3, **{"padding": 1, **options})


def distance(made: torch.Tensor, expected: torch.Tensor) -> float:
    assert made.shape == expected.shape
    return float((made - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (2, 17, 9), (3, 4, 31), (1, 1, 1), (2, 5, 2), (1, 6, 6), (1, 64, 80)], ids=str
)
def test_it_is_the_plain_convolution(shape: tuple[int, int, int], threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        conv, picture = conv_of(37, 33), torch.randn(shape[0], 37, *shape[1:])
        assert distance(WinogradConv2d(conv)(picture), conv(picture)) < NEAR
    finally:
        torch.set_num_threads(before)


def test_without_a_bias_and_for_any_layout_of_the_picture() -> None:
    conv, picture = conv_of(32, 40, bias=False), torch.randn(2, 32, 13, 10)
    made = WinogradConv2d(conv)(picture)
    assert distance(made, conv(picture)) < NEAR
    assert torch.equal(made, WinogradConv2d(conv)(picture.contiguous(memory_format=torch.channels_last)))
    wide = torch.randn(2, 32, 13, 20)[..., ::2]
    assert distance(WinogradConv2d(conv)(wide), conv(wide)) < NEAR


def test_a_large_picture_goes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    conv, picture = conv_of(32, 48), torch.randn(2, 32, 42, 39)
    whole = WinogradConv2d(conv)(picture)
    monkeypatch.setattr(winograd, "FEWEST_TILES", 7)
    monkeypatch.setattr(winograd, "FLOATS_AT_ONCE", 1)
    assert distance(WinogradConv2d(conv)(picture), whole) < 1e-6


def test_two_threads_at_once_do_not_disturb_each_other() -> None:
    conv, pictures = conv_of(32, 32), [torch.randn(1, 32, 40, 40 + each) for each in range(12)]
    stand_in = WinogradConv2d(conv)
    alone = [stand_in(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(stand_in, pictures))
    assert all(torch.equal(one, other) for one, other in zip(made, alone, strict=True))


def test_nobody_writes_any_more_when_a_part_has_failed() -> None:
    began, ended, may_end = threading.Event(), threading.Event(), threading.Event()

    def work(first: int, last: int) -> None:
        if first == 0:
            assert began.wait(10)
            threading.Timer(0.2, may_end.set).start()
            raise MemoryError
        began.set()
        assert may_end.wait(10)
        ended.set()

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(MemoryError):
            winograd.in_parts(0, 8, work)
        assert ended.is_set()
    finally:
        torch.set_num_threads(before)


def test_memory_is_used_again() -> None:
    stand_in, picture = WinogradConv2d(conv_of(32, 32)), torch.randn(1, 32, 40, 40)
    stand_in(picture)
    before = [each.data_ptr() for each in winograd._SCRATCH._free]
    stand_in(picture)
    assert [each.data_ptr() for each in winograd._SCRATCH._free] == before


@pytest.mark.parametrize(
    "other",
    [
        conv_of(64, 64, stride=2),
        conv_of(64, 64, dilation=2, padding=2),
        conv_of(64, 64, padding=0),
        conv_of(64, 64, groups=2),
        conv_of(64, 64, padding_mode="reflect"),
        conv_of(4, 64),
        conv_of(64, 4),
        conv_of(64, 64).to(torch.bfloat16),
        torch.nn.Conv2d(64, 64, 1, padding=1),
    ],
    ids=str,
)
def test_other_convolutions_are_left_alone(other: torch.nn.Module) -> None:
    assert not fits(other)


@pytest.mark.usefixtures("every_width")
def test_the_budget_goes_to_what_sees_the_most_pixels() -> None:
    unet = load_pipe("fc").unet
    smallest = min(each.weight.numel() for each in unet.modules() if fits(each))
    assert put_in(unet, 3 * 4 * smallest - 1) == 0
    put_in(unet, sum(3 * 4 * each.weight.numel() for each in unet.modules() if fits(each)) // 3)
    pixels: dict[bool, list[int]] = {True: [], False: []}

    def note(module: Any, args: Any, made: torch.Tensor) -> None:
        pixels[isinstance(module, WinogradConv2d)].append(made.shape[-1])

    for module in unet.modules():
        if isinstance(module, WinogradConv2d) or fits(module):
            module.register_forward_hook(note)
    unet(torch.randn(1, 8, 32, 32), torch.tensor(500), torch.randn(1, 77, unet.config.cross_attention_dim))
    assert min(pixels[True]) >= max(pixels[False])


@pytest.mark.usefixtures("every_width", "two_threads")
@pytest.mark.parametrize("name", ["fc_left", "fc_long_prompt", "fbc_image", "fcon_left"])
def test_pictures_still_equal_the_originals(name: str) -> None:
    case = next(each for each in CASES if each["name"] == name)
    pipe = load_pipe(case["model"])
    assert quickened(pipe.vae, pipe.unet) == "winograd, packed"
    knobs = dict(case["params"])
    light, behind = knobs.pop("light", None), knobs.pop("background", None)
    if light is not None:
        knobs["light_source"] = light
    made = pipe(composite(), None if behind is None else read("inputs/background.png"), **knobs).images
    off = np.abs(np.asarray(made[0]).astype(int) - read(f"expected/{case['files'][0]}").astype(int))
    assert off.max() <= 2
    assert off.mean() <= 0.025, "a long prompt has 0.022, where the plain ways have 0.010"


@pytest.mark.usefixtures("every_width")
def test_only_float32_on_the_cpu_is_quickened() -> None:
    pipe = load_pipe("fc")
    for other in (
        Placement(torch.device("cpu"), torch.bfloat16, torch.bfloat16),
        Placement(torch.device("cuda"), torch.float32, torch.float32),
    ):
        lossless.quicken(pipe.unet, other, 2**40)
    assert lossless.ways_of([pipe.unet]) is None


def like(parameters: int, wide: int = 8) -> Any:
    """A model of so many parameters and a first layer, that takes no memory."""
    with torch.device("meta"):
        model = torch.nn.Module()
        model.conv_in = torch.nn.Conv2d(wide, 320, 3)
        model.rest = torch.nn.Parameter(torch.empty(parameters))
    return model


SD15, VAE = 859_520_964, 83_653_863
"""Parameters of SD1.5's UNet and autoencoder."""


@pytest.mark.parametrize("models", [1, 2, 3])
@pytest.mark.parametrize("gib", [2, 4, 8, 12, 16, 24, 32, 64])
def test_all_that_may_be_loaded_leaves_a_third_of_the_memory(
    gib: int, models: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = gib * 2**30
    monkeypatch.setattr(lossless, "own_memory", lambda: memory)
    room = lossless.room_for(like(SD15), like(VAE, 3), models)
    assert min(room.unet, room.vae) >= 0
    grown = models * room.unet + room.vae
    assert grown == 0 or 4 * (models * SD15 + VAE) + grown <= memory * 2 / 3 + 1
    assert models * room.unet <= memory // 6 and room.vae <= memory // 6
    assert lossless.room_for(like(SD15, 12), like(VAE, 3), models) == room, "all models find the same"


def test_one_model_has_a_sixth_of_24_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lossless, "own_memory", lambda: 24 * 2**30)
    room = lossless.room_for(like(SD15), like(VAE, 3), 1)
    assert (room.unet, room.vae) == (4 * 2**30, 4 * 2**30)
    assert 3 * lossless.room_for(like(SD15), like(VAE, 3), 3).unet <= 4 * 2**30


@pytest.mark.usefixtures("every_width")
def test_a_lora_on_a_convolution_stays(tmp_path: Path) -> None:
    plain, quick = load_pipe("fc").unet, load_pipe("fc").unet
    for unet in (plain, quick):
        torch.manual_seed(0)
        unet.add_adapter(LoraConfig(r=4, lora_alpha=16, target_modules=["conv1"], init_lora_weights=False))
    assert put_in(quick, 2**30) > 20
    given = torch.randn(2, 8, 12, 16), torch.tensor(500), torch.randn(2, 77, plain.config.cross_attention_dim)
    assert distance(quick(*given).sample, plain(*given).sample) < 1e-4
    plain.disable_adapters()
    assert distance(quick(*given).sample, plain(*given).sample) > 1e-2


@pytest.mark.usefixtures("every_width")
@pytest.mark.parametrize("dora", [False, True], ids=["lora", "dora"])
def test_a_lora_of_a_high_rank_stays(dora: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As LCM-LoRA's of rank 64; a DoRA computes with the weights of the layers below it."""
    monkeypatch.setattr(packed, "FEWEST", 8)
    layers = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.2", "conv1"]
    source = load_pipe("fc").unet
    torch.manual_seed(0)
    source.add_adapter(LoraConfig(r=64, lora_alpha=16, use_dora=dora, target_modules=layers, init_lora_weights=False))
    tensors = convert_state_dict_to_diffusers(get_peft_model_state_dict(source))
    ICLightPipeline.save_lora_weights(tmp_path, unet_lora_layers=tensors)
    plain, quick, bare = (load_pipe("fc") for _ in range(3))
    for pipe in (plain, quick):
        pipe.load_lora_weights(tmp_path)
    assert quickened(quick.vae, quick.unet) == "winograd, packed"
    matrices = [each for name, each in quick.unet.named_modules() if ".lora_" in name]
    assert not any(isinstance(each, WinogradConv2d | packed.PackedLinear) for each in matrices)
    below = [type(each) for name, each in quick.unet.named_modules() if name.endswith("to_q.base_layer")]
    assert set(below) == {torch.nn.Linear if dora else packed.PackedLinear}
    knobs: dict[str, Any] = {**SMALL, "steps": 1}
    for scale in (1.0, 0.5):
        how = {**knobs, "cross_attention_kwargs": {"scale": scale}}
        off = np.abs(quick(composite(), **how).images[0] - plain(composite(), **how).images[0])
        assert off.max() <= 2 / 255 and off.mean() < 5e-4
    changed = np.abs(plain(composite(), **knobs).images[0] - bare(composite(), **knobs).images[0])
    assert changed.mean() > 1e-2


def test_where_one_does_not_run_the_plain_one_is_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> bool:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(winograd, "works", broken)
    monkeypatch.setattr(packed, "works", lambda: False)
    lossless._can.cache_clear()
    try:
        assert quickened(load_pipe("fc").unet) is None
    finally:
        lossless._can.cache_clear()
    assert caplog.text.count("plain one is used") == 2


@pytest.mark.parametrize("rows", [(7,), (2, 3), (1, 40, 2), (0,)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_a_packed_layer_is_the_plain_one(rows: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    linear, given = torch.nn.Linear(96, 65, bias=bias), torch.randn(*rows, 96)
    made, expected = packed.PackedLinear(linear)(given), linear(given)
    assert made.shape == expected.shape
    assert torch.allclose(made, expected, atol=1e-5)
    turned = torch.randn(96, 5).T
    assert torch.allclose(packed.PackedLinear(linear)(turned), linear(turned), atol=1e-5)


def test_narrow_and_half_layers_are_not_packed() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(64, 63), torch.nn.Linear(64, 64).bfloat16(), torch.nn.Linear(64, 64))
    assert packed.pack(model) == 1
    assert isinstance(model[2], packed.PackedLinear)


def test_the_embedded_model_gains_by_both() -> None:
    base = Path(__file__).parents[2] / "weights" / "mini" / "base"
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    assert quickened(unet) == "winograd, packed"
    assert sum(isinstance(module, WinogradConv2d) for module in unet.modules()) > 10
