"""What a weights file or a base folder is, and one sentence for each that is not what was needed."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iclight_local.checkpoints import COMPONENTS, check_base, check_offsets_fit, component_files, variant_of
from iclight_local.errors import WeightsError
from iclight_local.headers import Header, TensorInfo, parameters, read_header, stored_bytes

BUNDLE = Path(__file__).parent / "goldens" / "bundle"
FC, FBC = BUNDLE / "iclight_sd15_fc.safetensors", BUNDLE / "iclight_sd15_fbc.safetensors"
UNET = BUNDLE / "base" / "unet" / "diffusion_pytorch_model.safetensors"


def safetensors(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def one_tensor(padded_to: int = 0) -> bytes:
    """A file of one tensor whose header is ``padded_to`` bytes long, padded with spaces as the format says."""
    header = json.dumps({"a": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}}).encode()
    return safetensors(header.ljust(padded_to), b"\0" * 12)


def zipped() -> bytes:
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"x" * 100)
    return buffer.getvalue()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return shutil.copytree(BUNDLE / "base", tmp_path / "base")


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_header_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(one_tensor())
    header = read_header(path)
    assert header == Header(path, {"a": TensorInfo("F16", (2, 3))})
    assert parameters(header) == 6
    assert stored_bytes(header) == 12


@pytest.mark.parametrize("length", [0x80, 0x280, 0x4B50])
def test_a_header_whose_length_looks_like_a_pickle(length: int, tmp_path: Path) -> None:
    """The length's first bytes are those that a pickle or a zip archive begins with."""
    path = tmp_path / "a.safetensors"
    path.write_bytes(one_tensor(padded_to=length))
    assert path.read_bytes()[:2] in (b"\x80\x00", b"\x80\x02", b"PK")
    assert list(read_header(path).tensors) == ["a"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"a\.safetensors \(0 bytes\) is no complete safetensors file: fetch or copy it again\."),
        (b"abc", r"\(3 bytes\) is no complete safetensors file"),
        (b"version https://git-lfs.github.com/spec/v1\n" * 3, r"is no complete safetensors file: fetch or copy"),
        (one_tensor()[:-1], r"a\.safetensors is truncated \(\d+ of \d+ bytes\): fetch or copy it again\."),
        (one_tensor()[:30], r"\(30 bytes\) is no complete safetensors file"),
        (safetensors(b""), r"\(8 bytes\) is no complete safetensors file"),
        (pickle.dumps({"state_dict": [1] * 50}), r"a\.safetensors is a pickle, which can run code"),
        (zipped(), r"a\.safetensors is a pickle, which can run code .*: a safetensors file was needed\."),
        (safetensors(b"{{{{{{{{"), r"a\.safetensors has a damaged header: fetch or copy it again\."),
        (safetensors(b"[]"), "has a damaged header"),
        (safetensors(b'{"a":1}'), "has a damaged header"),
        (safetensors(b'{"a":{"dtype":"F16","shape":[1]}}'), "has a damaged header"),
        (safetensors(b'{"a":{"shape":[1],"data_offsets":[0,2]}}', b"\0\0"), "has a damaged header"),
    ],
    ids=["empty", "three-bytes", "text", "short", "header-cut", "no-header", "pickle", "ckpt", "junk", "list", "number",
         "no-offsets", "no-dtype"],
)  # fmt: skip
def test_no_safetensors_file(content: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=sentence):
        read_header(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"b\.safetensors is not there, and a safetensors file was needed\."):
        read_header(tmp_path / "b.safetensors")
    with pytest.raises(WeightsError, match="is not there"):
        read_header(tmp_path)


def test_a_base(base: Path) -> None:
    assert check_base(base) == 4


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda base: shutil.rmtree(base), "holds no model_index.json: a diffusers folder of an SD1.5 model"),
        (lambda base: (base / "model_index.json").unlink(), r"base holds no model_index\.json: a diffusers folder"),
        (lambda base: shutil.rmtree(base / "unet"), r"unet holds no config\.json: a complete diffusers folder"),
        (lambda base: shutil.rmtree(base / "vae"), r"vae holds no config\.json"),
        (lambda base: shutil.rmtree(base / "text_encoder"), r"text_encoder holds no config\.json"),
        (lambda base: (base / "unet" / "config.json").write_text("{"), r"config\.json is no valid JSON: fetch or copy"),
        (lambda base: (base / "unet" / UNET.name).unlink(), "unet holds no weights: a complete diffusers folder"),
        (lambda base: (base / "vae" / UNET.name).unlink(), "vae holds no weights"),
        (lambda base: (base / "unet" / UNET.name).write_bytes(UNET.read_bytes()[:99_999]), r"is truncated \(99999 of "),
        (lambda base: (base / "text_encoder" / "model.safetensors").write_bytes(b""), r"model\.safetensors \(0 byte"),
        (lambda base: shutil.rmtree(base / "tokenizer"), r"tokenizer holds no vocab\.json and merges\.txt"),
        (lambda base: (base / "tokenizer" / "merges.txt").unlink(), r"tokenizer holds no vocab\.json and merges\.txt"),
        (lambda base: edit(base / "unet" / "config.json", in_channels=9),
         r"The UNet of base has 9 input channels \(an inpainting UNet\): a plain SD1\.5 UNet with 4 was needed\."),
        (lambda base: edit(base / "unet" / "config.json", in_channels=8), "has 8 input channels: a plain SD1.5 UNet"),
        (lambda base: edit(base / "unet" / "config.json", addition_embed_type="text_time"),
         r"base is an SDXL model, and IC-Light's offsets fit SD1\.5 only\."),
        (lambda base: (base / "text_encoder_2").mkdir(), "base is an SDXL model"),
        (lambda base: edit(base / "unet" / "config.json", cross_attention_dim=1024),
         r"The UNet of base reads texts of width 1024, and its text encoder writes width 32: both must come from one"),
    ],
)  # fmt: skip
def test_no_base(spoil: Callable[[Path], object], sentence: str, base: Path) -> None:
    spoil(base)
    with pytest.raises(WeightsError, match=sentence):
        check_base(base)


def test_a_base_of_bin_files_and_one_of_a_fast_tokenizer(base: Path) -> None:
    (base / "vae" / UNET.name).rename(base / "vae" / "diffusion_pytorch_model.bin")
    (base / "tokenizer" / "vocab.json").rename(base / "tokenizer" / "tokenizer.json")
    assert check_base(base) == 4


def test_latent_channels_are_read_from_the_config(base: Path) -> None:
    for part, name in (("vae", "latent_channels"), ("unet", "in_channels")):
        edit(base / part / "config.json", **{name: 16})
    assert check_base(base) == 16


def shapes(path: Path, channels: int | None = None) -> dict[str, tuple[int, ...]]:
    """Of a file's tensors; with a ``conv_in`` of so many channels."""
    found = {key: tensor.shape for key, tensor in read_header(path).tensors.items()}
    if channels is not None:
        found["conv_in.weight"] = (found["conv_in.weight"][0], channels, 3, 3)
    return found


def test_offsets_that_fit() -> None:
    check_offsets_fit("x", shapes(FC), shapes(UNET, 8))
    check_offsets_fit("x", shapes(FBC), shapes(UNET, 12))


def test_offsets_with_other_keys() -> None:
    wanted = shapes(UNET, 8)
    with pytest.raises(WeightsError, match=r"1 of its UNet's keys are missing and 0 are strange \(like mid\.extra\)"):
        check_offsets_fit("x", shapes(FC), {**wanted, "mid.extra": (1,)})
    fewer = dict(list(wanted.items())[2:])
    with pytest.raises(WeightsError, match="0 of its UNet's keys are missing and 2 are strange"):
        check_offsets_fit("x", shapes(FC), fewer)


def test_offsets_of_other_shapes() -> None:
    wanted = shapes(UNET, 8)
    key = next(key for key in wanted if key.endswith("attn2.to_k.weight"))
    with pytest.raises(WeightsError, match=rf"{key} is \d+x32 in the file and 32x1024 in the base \(an SD2 model\); "):
        check_offsets_fit("x", shapes(FC), {**wanted, key: (32, 1024)})
    with pytest.raises(WeightsError, match=r"conv_out\.bias is 4 in the file and 5 in the base; IC-Light's offsets"):
        check_offsets_fit("x", shapes(FC), {**wanted, "conv_out.bias": (5,)})


def test_the_files_of_a_component(tmp_path: Path) -> None:
    for name in ("model.fp16.bin", "model.fp16.safetensors", "model.bin", "model.safetensors", "model.non_ema.bin"):
        (tmp_path / name).touch()
    for expected in ("model.safetensors", "model.fp16.safetensors", "model.bin", "model.fp16.bin"):
        assert component_files(tmp_path) == [tmp_path / expected]
        (tmp_path / expected).unlink()
    with pytest.raises(WeightsError, match="holds no weights"):
        component_files(tmp_path)


@pytest.mark.parametrize(
    "names", [[], ["../x.safetensors"], ["/x.safetensors"], ["x.bin"], ["a/x.safetensors"], [7], "text"], ids=str
)
def test_an_index_names_files_beside_it(names: Any, tmp_path: Path) -> None:
    table = {str(number): name for number, name in enumerate(names)} if isinstance(names, list) else names
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    with pytest.raises(WeightsError, match="names no files beside it"):
        component_files(tmp_path)


@pytest.mark.parametrize("value", [None, "x", 4.0, True])
@pytest.mark.parametrize("place", [("vae", "latent_channels"), ("unet", "in_channels")], ids=str)
def test_odd_numbers_of_a_config(value: Any, place: tuple[str, str], base: Path) -> None:
    edit(base / place[0] / "config.json", **{place[1]: value})
    with pytest.raises(WeightsError, match="not a whole number: fetch or copy it again"):
        check_base(base)


def test_the_variant_of_a_base(base: Path) -> None:
    assert variant_of(base) is None
    for part in COMPONENTS:
        for path in component_files(base / part):
            path.rename(path.with_suffix(".fp16.safetensors"))
    assert variant_of(base) == "fp16"
