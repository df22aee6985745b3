"""Unpacking that is stopped or killed: a bundle is whole under its name or not there, and nothing is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from iclight_local.store.bundles import list_bundles
from iclight_local.store.staging import clear_leftovers, staging
from tests.cli.commands import PATIENCE_S, environment
from tests.store.archives import Member, unpacked, write_archive

STOPPED = """
import os, sys, time
import iclight_local.store.unpacking as unpacking
count = 0
def slow(descriptor, fsync=os.fsync):
    global count
    count += 1
    fsync(descriptor)
    if count == 5:
        print("half", flush=True)
        time.sleep(60)
unpacking.os.fsync = slow
from iclight_local.cli import main
sys.exit(main(["weights", "unbundle", *sys.argv[1:]]))
"""
"""``iclight weights unbundle`` that rests behind its fifth file."""


class TestInterrupted:
    @pytest.fixture
    def archive(self, small: list[Member], tmp_path: Path) -> Path:
        return write_archive(tmp_path / "a.tar", small)

    def _stop(self, archive: Path, home: Path, number: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", STOPPED, str(archive), "--home", str(home)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        assert len(list((home / "weights").glob(".iclight-*/new/sd15/**/*.json"))) > 1
        process.send_signal(number)
        process.wait(PATIENCE_S)
        return process

    def test_ctrl_c_leaves_nothing(self, archive: Path, home: Path) -> None:
        process = self._stop(archive, home, signal.SIGINT)
        assert process.returncode == 130
        assert process.stderr is not None
        assert process.stderr.read() == "iclight: Stopped; no result was left half-written.\n"
        assert not home.exists()

    def test_a_kill_leaves_no_bundle_and_the_next_run_clears_up(self, archive: Path, home: Path) -> None:
        process = self._stop(archive, home, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert list_bundles(home) == []
        assert [path.name for path in (home / "weights").iterdir()] != ["sd15"]
        unpacked(archive, home)
        assert [path.name for path in (home / "weights").iterdir()] == ["sd15"]

    def test_a_run_beside_it_is_left_alone(self, archive: Path, home: Path) -> None:
        with staging(home / "weights") as other:
            (other.new / "x").write_text("x")
            unpacked(archive, home)
            assert (other.new / "x").exists()
        assert [path.name for path in (home / "weights").iterdir()] == ["sd15"]

    def test_a_kill_between_the_two_renames_loses_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "sd15").mkdir()
        (tmp_path / "sd15" / "mine").write_text("mine")
        code = (
            "import os, sys; from pathlib import Path; from iclight_local.store.staging import staging\n"
            "with staging(Path(sys.argv[1])) as stage:\n"
            "    stage.set_aside(Path(sys.argv[1]) / 'sd15')\n"
            "    os.kill(os.getpid(), 9)\n"
        )
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment(), check=False)
        assert done.returncode == -signal.SIGKILL
        assert not (tmp_path / "sd15").exists()
        clear_leftovers(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["sd15"]
        assert (tmp_path / "sd15" / "mine").read_text() == "mine"
