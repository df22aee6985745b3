"""Options of the benchmarks that have many."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.mini.trial import SECTIONS, Trial
from benchmarks.sides import Experiment


def add_pipeline_options(parser: argparse.ArgumentParser) -> None:
    """Those of ``pipeline``."""
    default = Experiment(bundle="")
    parser.add_argument("--bundle", required=True, help="folder with base/ and the offsets")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--model", choices=("fc", "fcon", "fbc"), default=default.model)
    parser.add_argument("--size", type=size, default=(default.width, default.height), help="WIDTHxHEIGHT")
    parser.add_argument("--steps", type=int, default=default.steps)
    parser.add_argument("--runs", type=int, default=default.runs, help="interleaved pairs")
    parser.add_argument("--light-source", default=default.light_source)
    parser.add_argument("--cfg", type=float, default=default.cfg)
    parser.add_argument("--highres-scale", type=float, default=default.highres_scale)
    parser.add_argument("--number-of-images", type=int, default=default.number_of_images)
    parser.add_argument("--prompt", default=default.prompt)
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--device", default=default.device)
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default=default.dtype)
    parser.add_argument("--threads", type=int, default=default.threads)
    parser.add_argument("--foreground", default=default.foreground, help="a picture on grey 127")


def add_mini_options(parser: argparse.ArgumentParser) -> None:
    """Those of ``mini``."""
    default = Trial(bundle=None)
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--bundle", help="folder with base/ and the offsets of fc and fbc")
    who.add_argument("--truth", action="store_true", help="true renders in the bundle's place: what can be reached")
    parser.add_argument("--out", type=Path, required=True, help="JSON file; written after each section")
    parser.add_argument("--sheet", type=Path, help="PNG file to write the contact sheet to")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, separated by commas")
    parser.add_argument("--scenes", type=int, default=default.scenes)
    parser.add_argument("--first", type=int, default=default.first, help="seed of the first scene")
    parser.add_argument("--size", type=int, default=default.size, help="pixels of the lowres pass")
    parser.add_argument("--highres-scale", type=float, default=default.highres_scale)
    parser.add_argument("--steps", type=int, default=default.steps)
    parser.add_argument("--prompt", default=default.prompt, help="that goes with a light source")
    parser.add_argument("--cfg", type=float, help="guidance of fc, else the pipeline's default")
    parser.add_argument("--fbc-cfg", type=float, help="guidance of fbc, else the pipeline's default")
    parser.add_argument("--batch", type=int, default=default.batch, help="pictures in one call")
    parser.add_argument("--device", default=default.device)
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default=default.dtype)
    parser.add_argument("--threads", type=int, default=default.threads)
    parser.add_argument("--photos", help="folder of further photographs for the autoencoder")
    parser.add_argument("--segmenter", help="KIND:FILE or a name, else the bundle's ONNX file")


def add_transfer_options(parser: argparse.ArgumentParser) -> None:
    """Those of ``transfer``."""
    # No defaults from Carrying: what it imports would be missing from the cold starts that `side` measures.
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--sheet", type=Path, help="PNG file to write crops to: original, upscaled, transferred, truth")
    unset = argparse.SUPPRESS
    parser.add_argument("--scenes", type=int, default=unset, help="usually 12")
    parser.add_argument("--first", type=int, default=unset, help="seed of the first scene")
    parser.add_argument("--size", type=int, default=unset, help="side in pixels of the originals, usually 2048")
    parser.add_argument("--small", type=int, default=unset, help="side in pixels of the relit pictures, usually 512")
    parser.add_argument("--megapixels", type=numbers, default=unset, help="sizes, separated by commas")
    parser.add_argument("--runs", type=int, default=unset, help="of each size, usually 3")


def add_serving_options(parser: argparse.ArgumentParser) -> None:
    """Those of ``serving``."""
    # No defaults from Load, as with the transfer's.
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    unset = argparse.SUPPRESS
    parser.add_argument("--waves", type=int, default=unset, help="usually 5")
    parser.add_argument("--clients", type=int, default=unset, help="callers of a wave, usually 64")
    parser.add_argument("--calls", type=int, default=unset, help="calls of a wave, usually 512")
    parser.add_argument("--pairs", type=int, default=unset, help="calls through the server and without, usually 60")
    parser.add_argument("--relights", type=int, default=unset, help="pairs with the miniature, usually 5; 0: none")


def numbers(text: str) -> tuple[float, ...]:
    """Numbers that commas part."""
    return tuple(float(number) for number in text.split(",") if number)


def size(text: str) -> tuple[int, int]:
    """Width and height of ``WIDTHxHEIGHT``."""
    width, height = text.lower().split("x")
    return int(width), int(height)
