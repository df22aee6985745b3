"""With ``--offline`` (or its variables) no command opens a socket; without it nothing but ``weights pull`` does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.commands import BUNDLE, ROOT, SMALL, SUBJECT, environment

GUARDED = """
import json, os, sys

statuses = []

def guard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        os.write(2, f"A socket after {statuses}: {event} {arguments}".encode())
        os._exit(99)

sys.addaudithook(guard)
from iclight_local.cli import main
for words in json.loads(sys.argv[1]):
    statuses.append(main(words))
print(json.dumps(statuses))
sys.exit(max(statuses))
"""
RELIGHT = ("relight", str(SUBJECT), "-o", "out.png", "--weights", str(BUNDLE), *SMALL)
NORMALS = ("normals", str(SUBJECT), "-o", "normals.png", "--weights", str(BUNDLE), *SMALL[:6])
BY_URL = ("relight", "https://example.org/a.png", "-o", "url.png", *RELIGHT[4:])
COMMANDS = {
    # One process for what takes its time to import torch, and one for what does without it.
    "relight, normals, a picture by URL, doctor": ((RELIGHT, NORMALS, BY_URL, ("doctor",)), [0, 0, 2, 0]),
    "weights, providers": (
        (
            ("weights", "list"),
            ("weights", "licences"),
            ("weights", "verify"),
            ("weights", "pull"),
            ("providers",),
            (*RELIGHT, "--provider", "photoroom"),
        ),
        [0, 0, 0, 2, 0, 2],
    ),
}


def run(folder: Path, *commands: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Commands in a process that ends at the first use of a socket, else with the highest of their statuses."""
    ours = ("ICLIGHT_", "HF_", "TRANSFORMERS_")
    env = {name: value for name, value in environment().items() if not name.startswith(ours)}
    env |= {"ICLIGHT_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-c", GUARDED, json.dumps(commands)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("commands", "statuses"), COMMANDS.values(), ids=COMMANDS)
def test_no_command_opens_a_socket_offline(
    commands: tuple[tuple[str, ...], ...], statuses: list[int], folder: Path
) -> None:
    done = run(folder, *commands, ICLIGHT_OFFLINE="1")
    assert done.returncode == max(statuses), done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == statuses


def test_a_relight_opens_none_without_being_told(folder: Path) -> None:
    done = run(folder, RELIGHT)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (folder / "home").iterdir()] == ["cache"]


@pytest.mark.parametrize(
    "variables", [{"HF_HUB_OFFLINE": "1"}, {"ICLIGHT_OFFLINE": "1"}], ids=lambda found: next(iter(found))
)
def test_pulling_is_refused_in_one_sentence(variables: dict[str, str], folder: Path) -> None:
    done = run(folder, ("weights", "pull"), **variables)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "offline" in done.stderr.lower()


def test_the_guard_sees_a_socket(folder: Path) -> None:
    assert run(folder, ("weights", "pull"), HF_ENDPOINT="http://127.0.0.1:9").returncode == 99
