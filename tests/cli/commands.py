"""Running ``iclight`` in this process and in one of its own."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
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
PATIENCE_S = 60.0
"""So long nothing may come from a program before it counts as stuck."""
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
        try:
            status = main([str(word) for word in words])
        except SystemExit as end:  # argparse ends so after --help.
            status = int(end.code) if end.code is not None else 0
        caught = self.capsys.readouterr()
        return Answer(status, caught.out, caught.err)


def arguments(*words: str | Path) -> list[str]:
    """The command line of ``iclight`` as a process of its own."""
    return [sys.executable, "-m", "iclight_local.cli", *map(str, words)]


def environment(**more: str) -> dict[str, str]:
    """The environment of such a process: few threads, because others run beside it, and Python's usual buffers."""
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**usual, "OMP_NUM_THREADS": "1", **more}


def spawn(*words: str | Path, threads: int = 1, cwd: Path | None = None) -> Answer:
    """Run ``iclight`` in a process of its own."""
    done = subprocess.run(
        arguments(*words),
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(OMP_NUM_THREADS=str(threads)),
        timeout=2 * PATIENCE_S,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def open_terminal() -> tuple[int, int]:
    """A terminal of 80 columns: the descriptors of its screen and of the line that a program writes to."""
    screen, line = pty.openpty()
    fcntl.ioctl(line, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    return screen, line


def read_screen(screen: int) -> str:
    """What came to the screen since; empty when nothing writes to the terminal any more."""
    assert select.select([screen], [], [], PATIENCE_S)[0], f"nothing more came for {PATIENCE_S} s"
    try:
        return os.read(screen, 4096).decode(errors="replace")
    except OSError:  # Linux says so when the last program has closed the terminal.
        return ""


def read_to_the_end(screen: int) -> str:
    """Everything that comes to the screen until nothing writes to the terminal any more; the screen is closed."""
    text = ""
    while (read := read_screen(screen)) != "":
        text += read
    os.close(screen)
    return text


class Terminal:
    """``iclight`` in a process of its own whose output and errors go to a terminal.

    Usage: ``with Terminal("relight", …) as terminal``; the process is over when the block is.
    """

    def __init__(self, *words: str | Path, cwd: Path) -> None:
        self._screen, self._line = open_terminal()
        self.text = ""
        self.process = subprocess.Popen(
            arguments(*words),
            stdout=self._line,
            stderr=self._line,
            cwd=cwd,
            env=environment(),
            preexec_fn=_hear_interrupts,
        )

    def __enter__(self) -> Terminal:
        os.close(self._line)
        return self

    def __exit__(self, *failure: object) -> None:
        if any(failure):
            self.process.kill()
        self.process.wait()
        os.close(self._screen)

    def wait_for(self, word: str) -> None:
        """Read until ``word`` is on the screen."""
        while word not in self.text:
            read = self._read()
            assert read != "", f"{word!r} never came: {self.text}"

    def read_all(self) -> str:
        """Read until the process ends; everything that was on the screen is returned."""
        while self._read() != "":
            pass
        self.process.wait()
        return self.text

    def _read(self) -> str:
        read = read_screen(self._screen)
        self.text += read
        return read


def _hear_interrupts() -> None:
    """Undo an ignored SIGINT, which a process in the background of a shell hands on to its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
