"""``iclight`` in processes of their own that need not import torch first: they are forked from one that did."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, reduction
from pathlib import Path
from typing import IO, Any

import pytest

ROOT = Path(__file__).parents[2]
PRELOADED = ("iclight_local.engines.local", "iclight_local.pipelines.loading", "iclight_local.cli.batch")


@contextmanager
def forking() -> Iterator[None]:
    """The process that has imported what takes seconds; :class:`Forked` forks it meanwhile."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        # Threads that exist already would not survive the fork.
        patch.setenv("OMP_NUM_THREADS", "1")
        forkserver.ensure_running()
    yield
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


class Forked:
    """What ``subprocess.Popen`` gives of ``python -m iclight_local.cli``, with as much of it as tests use."""

    def __init__(
        self,
        command: Sequence[str],
        stdout: int | IO[Any],
        stderr: int | IO[Any],
        env: Mapping[str, str],
        **how: Any,
    ) -> None:
        """``how``: ``text`` as in ``subprocess.Popen``, and ``cwd``, by default this process's."""
        assert list(command[:3]) == [sys.executable, "-m", "iclight_local.cli"]
        self.stdout, out = _opened(stdout, how.get("text", False))
        self.stderr, err = _opened(stderr, how.get("text", False))
        folder = str(how.get("cwd") or Path.cwd())
        self._process = multiprocessing.get_context("forkserver").Process(
            target=_run, args=(list(command[3:]), _Stream(out), _Stream(err), dict(env), folder)
        )
        self._process.start()
        for given, ours in ((stdout, out), (stderr, err)):
            if given in (subprocess.PIPE, subprocess.DEVNULL):
                os.close(ours)

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        assert self._process.pid is not None
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class _Stream:
    """A descriptor that goes with its process."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor: Any = descriptor

    def __getstate__(self) -> dict[str, Any]:
        return {"descriptor": reduction.DupFd(self.descriptor)}

    def become(self, number: int) -> None:
        descriptor = self.descriptor.detach()
        os.dup2(descriptor, number)
        os.close(descriptor)


def _opened(asked: int | IO[Any], text: bool) -> tuple[IO[Any] | None, int]:
    """Our end of a pipe, if one is asked for, and the descriptor to write to."""
    if asked == subprocess.PIPE:
        read, write = os.pipe()
        return open(read, "r" if text else "rb"), write  # noqa: PTH123
    if asked == subprocess.DEVNULL:
        return None, os.open(os.devnull, os.O_WRONLY)
    return None, asked if isinstance(asked, int) else asked.fileno()


def _run(words: list[str], out: _Stream, err: _Stream, env: dict[str, str], folder: str) -> None:
    out.become(1)
    err.become(2)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    # Ignored where the tests run in the background of a shell.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["iclight", *words]
    runpy.run_module("iclight_local.cli", run_name="__main__", alter_sys=True)
