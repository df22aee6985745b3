"""``iclight serve`` as a process of its own, as an owner starts it, but in front of :class:`Echo`.

``python -m benchmarks.serving.process SECONDS RUNS serve …``: seconds of a relight, a file for the engine's runs, and
what stands behind ``iclight``.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.environment import MIB
from benchmarks.serving.engine import Echo, Run

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60
"""Seconds in which a server has to come up, and to go down."""
_SWEEP = "ICLIGHT_BENCHMARK_SWEEP"
_READY = re.compile(r"Serving at http://127\.0\.0\.1:(\d+);")


class Server:
    """A server's process."""

    def __init__(
        self, home: Path, options: Mapping[str, Any], *, seconds: float | None = 0.0, sweep: float = 60.0
    ) -> None:
        """Start it, without waiting for it.

        Args:
            home: its ``--home``; what it says is appended to ``log`` there, when the engine ran is in ``runs``.
            options: of ``iclight serve``, by their names in the settings; True stands for an option without a value.
            seconds: that a relight takes; None: the real engine does it.
            sweep: seconds from one removal of old jobs to the next.
        """
        home.mkdir(parents=True, exist_ok=True)
        self._runs = home / "runs"
        words = [
            f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}") for name, value in options.items()
        ]
        command = [sys.executable, "-m", __name__, str(seconds), str(self._runs), "serve", "--home", str(home), *words]
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        environ = {**os.environ, "PYTHONPATH": path, _SWEEP: str(sweep)}
        self._log = (home / "log").open("ab")
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self.port = 0

    def wait(self) -> int:
        """Wait until it takes calls.

        Returns:
            Its port.

        Raises:
            RuntimeError: it ended, or said nothing in time.
        """
        assert self.process.stdout is not None
        timer = threading.Timer(PATIENCE_S, self.process.kill)
        timer.start()
        found = _READY.search(self.process.stdout.readline())
        timer.cancel()
        if found is None:
            raise RuntimeError(f"The server did not come up; its words are in {self._log.name}.")
        self.port = int(found.group(1))
        return self.port

    def resident_mib(self) -> float:
        """Its resident memory in MiB."""
        return round(psutil.Process(self.process.pid).memory_info().rss / MIB, 1)

    def cpu_seconds(self) -> float:
        """Seconds of the processor that it has taken."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def kill(self) -> None:
        """``kill -9``."""
        self.process.kill()
        self._ended()

    def stop(self) -> int:
        """Ask it to end, and give its exit status; negative: the signal that ended it."""
        self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def runs(self) -> list[Run]:
        """The engine's runs, once it has been stopped."""
        return [Run(*each) for each in json.loads(self._runs.read_text())]

    def _ended(self) -> int:
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            self.process.wait()
            if self.process.stdout is not None:
                self.process.stdout.close()
            self._log.close()


@contextmanager
def serving(home: Path, options: Mapping[str, Any], seconds: float | None) -> Iterator[Server]:
    """A server that takes calls at a free port, and is stopped in the end."""
    server = Server(home, {"port": 0, **options}, seconds=seconds)
    try:
        server.wait()
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def main() -> int:
    """Run the command with another engine."""
    from iclight_local import assemble
    from iclight_local.cli import main as iclight
    from iclight_local.jobs import runner

    seconds, runs = sys.argv[1], Path(sys.argv[2])
    if seconds != str(None):
        assemble.engine_from = lambda settings, **how: Echo(float(seconds), runs)
    runner._SWEEP_S = float(os.environ[_SWEEP])
    return iclight(sys.argv[3:])


if __name__ == "__main__":
    sys.exit(main())
