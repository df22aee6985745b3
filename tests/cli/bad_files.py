"""Files that a relight has to refuse, made on the spot."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.cli.commands import BUNDLE
from tests.segmenters.onnx_models import write_brightness_net


def write_bad_files(folder: Path) -> Path:
    """Pictures, mattes, bundles and a segmenter that are wrong in one way each; the folder is returned."""
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("This is no picture at all.\n")
    (folder / "bomb.png").write_bytes(_bomb(30_000))
    noise = np.random.default_rng(0).integers(0, 256, (80, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "whole.jpg")
    data = (folder / "whole.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(data[: len(data) // 2])
    Image.new("L", (60, 80), 255).save(folder / "other_size.png")
    Image.new("L", (200, 260), 0).save(folder / "black_matte.png")
    Image.new("RGBA", (40, 40), (9, 9, 9, 0)).save(folder / "transparent.png")
    Image.new("RGB", (64, 64), 0).save(folder / "nothing.png")
    Image.fromarray(noise).save(folder / "foreign.png")
    (folder / "folder.png").mkdir()
    write_brightness_net(folder / "mine.onnx")
    write_brightness_net(folder / "bria-rmbg.onnx")
    _write_bundles(folder)
    return folder


def copy_bundle(folder: Path) -> Path:
    """The random bundle once more, its files linked, so that a test can damage one."""
    shutil.copytree(BUNDLE, folder, copy_function=os.symlink)
    return folder


def change_config(path: Path, **values: Any) -> None:
    """Replace a linked config by one with other values."""
    config = json.loads(path.read_text())
    path.unlink()
    path.write_text(json.dumps({**config, **values}))


def _write_bundles(folder: Path) -> None:
    (copy_bundle(folder / "only_fc") / "iclight_sd15_fbc.safetensors").unlink()
    swapped = copy_bundle(folder / "swapped") / "iclight_sd15_fc.safetensors"
    swapped.unlink()
    swapped.symlink_to(BUNDLE / "iclight_sd15_fbc.safetensors")
    change_config(copy_bundle(folder / "sdxl") / "base" / "unet" / "config.json", addition_embed_type="text_time")
    change_config(copy_bundle(folder / "inpainting") / "base" / "unet" / "config.json", in_channels=9)
    pickle = copy_bundle(folder / "pickle") / "iclight_sd15_fc.safetensors"
    pickle.unlink()
    pickle.write_bytes(b"PK\x03\x04 as torch.save writes")
    cut = copy_bundle(folder / "cut") / "iclight_sd15_fc.safetensors"
    cut.unlink()
    cut.write_bytes((BUNDLE / cut.name).read_bytes()[:50_000])
    (folder / "no_bundle").mkdir()


def _bomb(side: int) -> bytes:
    """A PNG of some hundred bytes that claims to be ``side`` x ``side`` pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(99))), (b"IEND", b""))
    chunks = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
