"""Help, version, and commands that start without a heavy library."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from iclight_local import __version__
from iclight_local.cli import COMMANDS
from iclight_local.cli.weights import ACTIONS
from iclight_local.fields import knob_fields
from iclight_local.imaging.encode import encode
from iclight_local.imaging.metadata import Embedded
from iclight_local.request import RelightRequest
from iclight_local.settings import Settings
from tests.cli.commands import HEAVY, Command, arguments, environment
from tests.fake_engine import picture

BARE = "import iclight_local.embedded as e; e.PLACES = ()"
PROBE = """
import json, sys, time
try:
    {code}
except BaseException as end:
    ended = type(end).__name__
else:
    ended = "done"
sys.stdout = sys.__stdout__
print(json.dumps([ended, [name for name in {heavy} if name in sys.modules], time.process_time()]))
"""


def probe(code: str, cwd: Path) -> tuple[str, list[str], float]:
    """Run a line in a fresh Python: how it ended, the heavy libraries it imported, its CPU seconds."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(code=code, heavy=HEAVY)],
        capture_output=True, text=True, cwd=cwd, env=environment(), check=True,
    )  # fmt: skip
    ended, heavy, seconds = json.loads(done.stdout.splitlines()[-1])
    return ended, heavy, seconds


class TestHelp:
    def test_of_the_program(self, iclight: Command) -> None:
        answer = iclight("--help")
        assert answer.status == 0
        for command in COMMANDS:
            assert re.search(rf"^ +{command}( |$)", answer.out, re.MULTILINE)

    @pytest.mark.parametrize("command", [*COMMANDS, *(f"weights {action}" for action in ACTIONS)])
    def test_of_a_command(self, command: str, iclight: Command) -> None:
        answer = iclight(*command.split(), "--help")
        assert answer.status == 0
        assert answer.out.startswith(f"usage: iclight {command} ")
        assert answer.err == ""

    def test_every_knob_is_an_option_with_its_range(self, iclight: Command) -> None:
        text = " ".join(iclight("relight", "--help").out.split())
        for field in knob_fields(RelightRequest):
            if field.name != "subject_image":
                assert f" {field.flag}" in text
                assert field.description in text
                assert field.type is bool or field.range in text
        for name in ("weights", "device", "precision", "segmenter", "allow_noncommercial", "offline"):
            assert f" --{name.replace('_', '-')}" in text
            assert str(Settings.model_fields[name].description) in text

    def test_version(self, iclight: Command) -> None:
        assert iclight("--version").out == f"iclight-local {__version__}\n"

    def test_the_installed_command(self) -> None:
        found = Path(sys.executable).parent / "iclight"
        if not found.exists():
            pytest.skip("the package is not installed beside this Python")
        done = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout == f"iclight-local {__version__}\n"


class TestLightness:
    @pytest.mark.parametrize(
        ("name", "code", "end"),
        [
            ("import", "import iclight_local; dir(iclight_local)", "done"),
            ("help", "from iclight_local.cli import main; main(['--help'])", "SystemExit"),
            ("relight --help", "from iclight_local.cli import main; main(['relight', '--help'])", "SystemExit"),
            ("inspect", "from iclight_local.cli import main; assert main(['inspect', 'a.png']) == 0", "done"),
            ("weights list", "from iclight_local.cli import main; assert main(['weights', 'list']) == 0", "done"),
            ("licences", "from iclight_local.cli import main; assert main(['weights', 'licences']) == 0", "done"),
            ("providers", "from iclight_local.cli import main; assert main(['providers']) == 0", "done"),
            (
                "a provider",
                "from iclight_local.cli import main; assert main(['relight', 'a.png', '--provider', 'photoroom']) == 2",
                "done",
            ),
            (
                "a wrong knob",
                "from iclight_local.cli import main; assert main(['relight', 'a.png', '--cfg', '0']) == 2",
                "done",
            ),
            (
                "no weights",
                f"{BARE}; from iclight_local.cli import main; assert main(['relight', 'a.png']) == 2",
                "done",
            ),
            ("engine, no weights", f"{BARE}; import iclight_local; iclight_local.open_engine()", "WeightsError"),
        ],
    )
    def test_no_heavy_library_is_imported(
        self, name: str, code: str, end: str, folder: Path, record_property: Callable[[str, object], None]
    ) -> None:
        Path("a.png").write_bytes(
            encode(picture(0, 0), output_format="png", quality=95, embedded=Embedded({"seed": 1}))
        )
        ended, heavy, seconds = probe(code, folder)
        record_property("cpu_seconds", (name, seconds))
        assert ended == end
        assert heavy == []

    def test_the_probe_sees_a_heavy_library(self, folder: Path) -> None:
        assert probe("import onnxruntime", folder)[:2] == ("done", ["onnxruntime"])


class TestReaderThatHasGone:
    @pytest.mark.parametrize("buffers", ["usual", "none"])
    @pytest.mark.parametrize("words", [("--help",), ("weights", "list"), ("inspect", "a.png")])
    def test_it_gets_no_complaint(self, words: tuple[str, ...], buffers: str, folder: Path) -> None:
        status, complaint = self.unread(words, buffers, folder)
        assert complaint == ""
        # Some versions of argparse pass over an unbuffered help that nobody reads.
        assert status in ((0, 1) if buffers == "none" and words == ("--help",) else (1,))

    @pytest.mark.parametrize("buffers", ["usual", "none"])
    def test_a_failure_keeps_its_sentence_and_status(self, buffers: str, folder: Path) -> None:
        status, complaint = self.unread(("inspect", "gone.png", "--json"), buffers, folder)
        assert status == 2
        assert re.fullmatch(r"iclight: 'gone.png' does not exist: .*\.\n", complaint)

    def unread(self, words: tuple[str, ...], buffers: str, folder: Path) -> tuple[int, str]:
        """Exit status and complaint of a command whose output nobody reads."""
        Path("a.png").write_bytes(
            encode(picture(0, 0), output_format="png", quality=95, embedded=Embedded({"seed": 1}))
        )
        reader, writer = os.pipe()
        os.close(reader)
        env = environment() if buffers == "usual" else environment(PYTHONUNBUFFERED="1")
        done = subprocess.run(
            arguments(*words), stdout=writer, stderr=subprocess.PIPE, cwd=folder, text=True, env=env, check=False
        )
        os.close(writer)
        return done.returncode, done.stderr
