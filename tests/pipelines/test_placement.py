"""Which device, in which precision."""

from __future__ import annotations

import pytest
import torch
from golden_pictures import load_pipe

from iclight_local.errors import Unsupported
from iclight_local.pipelines import placement
from iclight_local.pipelines.placement import Placement, choose_placement, place, vae_dtype

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


class Machine:
    """Pretends to be a machine with or without a GPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch
        self.has()

    def has(self, cuda: int = 0, mps: bool = False, bf16: bool = True) -> None:
        self.patch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        self.patch.setattr(torch.cuda, "device_count", lambda: cuda)
        self.patch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16)
        self.patch.setattr(torch.backends.mps, "is_available", lambda: mps)
        self.patch.setattr(placement, "cpu_has_bf16", lambda: bf16)


def test_a_cpu_computes_in_float32(machine: Machine) -> None:
    assert choose_placement() == choose_placement("cpu") == Placement(CPU, torch.float32, torch.float32)


def test_a_gpu_computes_in_float16_beside_a_bfloat16_autoencoder(machine: Machine) -> None:
    machine.has(cuda=2)
    expected = Placement(CUDA, torch.float16, torch.bfloat16)
    assert choose_placement("cuda") == choose_placement("cuda:0") == expected
    assert choose_placement("cuda:1").device == torch.device("cuda:1")
    assert choose_placement("auto").dtype == torch.float16
    assert choose_placement("auto").device.type == "cuda"
    assert choose_placement("cuda", "fp32") == Placement(CUDA, torch.float32, torch.float32)
    assert choose_placement("cuda", "bf16") == Placement(CUDA, torch.bfloat16, torch.bfloat16)


def test_an_old_gpu_runs_the_autoencoder_in_float32(machine: Machine) -> None:
    machine.has(cuda=1, bf16=False)
    assert choose_placement("cuda") == Placement(CUDA, torch.float16, torch.float32)


def test_mps(machine: Machine) -> None:
    machine.has(mps=True)
    assert choose_placement() == Placement(torch.device("mps"), torch.float16, torch.float32)


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("cuda", "Device cuda was asked for, and this machine has cpu: use --device auto"),
        ("cuda:0", "Device cuda:0 was asked for"),
        ("mps", "Device mps was asked for"),
        ("tpu", "Device tpu was asked for"),
        ("", "Device  was asked for"),
    ],
)
def test_a_device_that_is_not_there(device: str, sentence: str, machine: Machine) -> None:
    with pytest.raises(Unsupported, match=sentence):
        choose_placement(device)


def test_a_gpu_too_many(machine: Machine) -> None:
    machine.has(cuda=2, mps=False)
    with pytest.raises(Unsupported, match="this machine has cpu, cuda:0, cuda:1: use --device auto"):
        choose_placement("cuda:2")


def test_precisions_a_cpu_has_not(machine: Machine) -> None:
    with pytest.raises(Unsupported, match="fp16 was asked for on the CPU, which computes in fp32"):
        choose_placement("cpu", "fp16")
    assert choose_placement("cpu", "bf16").dtype == torch.bfloat16
    machine.has(bf16=False)
    with pytest.raises(Unsupported, match="this CPU has no bf16 instructions: use fp32"):
        choose_placement("cpu", "bf16")


def test_only_float16_changes_for_the_autoencoder(machine: Machine) -> None:
    assert vae_dtype(torch.float32, CUDA) == torch.float32
    assert vae_dtype(torch.bfloat16, CPU) == torch.bfloat16
    assert vae_dtype(torch.float16, CPU) == torch.float32
    assert vae_dtype(torch.float16, CUDA) == torch.bfloat16


def test_in_words() -> None:
    assert Placement(CPU, torch.float16, torch.bfloat16).describe() == {
        "device": "cpu", "dtype": "fp16", "vae_dtype": "bf16",
    }  # fmt: skip


def test_models_are_placed() -> None:
    pipe = load_pipe("fc")
    place(pipe, Placement(CPU, torch.bfloat16, torch.float32))
    assert pipe.unet.dtype == pipe.text_encoder.dtype == torch.bfloat16
    assert pipe.vae.dtype == torch.float32


@pytest.mark.gpu
def test_models_are_placed_on_a_gpu() -> None:
    pipe = load_pipe("fc")
    chosen = choose_placement("cuda")
    place(pipe, chosen)
    assert {part.device.type for part in (pipe.unet, pipe.text_encoder, pipe.vae)} == {"cuda"}
    assert chosen.describe()["device"] == torch.cuda.get_device_name(0)


def test_a_cpus_weights_keep_their_order() -> None:
    pipe = load_pipe("fc")
    place(pipe, choose_placement("cpu"))
    assert pipe.unet.conv_in.weight.is_contiguous()


@pytest.mark.gpu
def test_a_cards_convolutions_lie_in_its_kernels_order() -> None:
    pipe = load_pipe("fc")
    place(pipe, choose_placement("cuda"))
    for weight in (pipe.unet.conv_in.weight, pipe.vae.decoder.conv_in.weight):
        assert weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.backends.cuda.flash_sdp_enabled() and torch.backends.cuda.mem_efficient_sdp_enabled()
    assert all("2_0" in type(each).__name__ for each in pipe.unet.attn_processors.values())
