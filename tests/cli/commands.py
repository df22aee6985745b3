"""Running ``iclight`` in this process and in one of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from iclight_local.cli import main

ROOT = Path(__file__).parents[2]
GOLDENS = ROOT / "tests" / "goldens"
BUNDLE = GOLDENS / "bundle"
SUBJECT = GOLDENS / "inputs" / "subject_rgba.png"
PLAIN = GOLDENS / "inputs" / "subject.png"
MATTE = GOLDENS / "inputs" / "alpha.png"
BACKGROUND = GOLDENS / "inputs" / "background.png"
SMALL = ("--width", "64", "--height", "64", "--steps", "1", "--highres-scale", "1", "--seed", "5")
"""Options of a relight that takes a moment."""
HEAVY = ("torch", "diffusers", "transformers", "rembg", "onnxruntime")


@dataclass(frozen=True)
class Answer:
    """What a command left behind: its exit status and both streams."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on the output."""
        return dict(json.loads(self.out))

    @property
    def sentence(self) -> str:
        """The one line on the error stream, checked to be a sentence of the house."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("iclight: "), self.err
        assert lines[0].endswith((".", "?")), self.err
        return lines[0].removeprefix("iclight: ")


class Command:
    """Calls ``iclight`` in this process and catches what it prints."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: str | Path) -> Answer:
        self.capsys.readouterr()
        status = main([str(word) for word in words])
        caught = self.capsys.readouterr()
        return Answer(status, caught.out, caught.err)


def arguments(*words: str | Path) -> list[str]:
    """The command line of ``iclight`` as a process of its own."""
    return [sys.executable, "-m", "iclight_local.cli", *map(str, words)]


def environment(**more: str) -> dict[str, str]:
    """The environment of such a process; it uses few threads, because others run beside it."""
    return {**os.environ, "OMP_NUM_THREADS": "1", **more}


def spawn(*words: str | Path, threads: int = 1, cwd: Path | None = None) -> Answer:
    """Run ``iclight`` in a process of its own."""
    done = subprocess.run(
        arguments(*words),
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(OMP_NUM_THREADS=str(threads)),
        timeout=120,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def hear_interrupts() -> None:
    """Undo an ignored SIGINT, which a process in the background of a shell hands on to its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
