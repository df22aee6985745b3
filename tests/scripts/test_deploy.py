"""What lies under scripts/deploy speaks of things that are there."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from iclight_local.cli import COMMANDS
from iclight_local.fields import knob_fields
from iclight_local.imaging.guarded import Guard
from iclight_local.server.stopping import LAST_WORDS_S
from iclight_local.settings import PREFIX, SERVE_TABLE, ServeSettings, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "scripts" / "deploy"
CONTAINERFILES = [DEPLOY / "Containerfile", DEPLOY / "Containerfile.cuda"]
EVERY = sorted(path for path in DEPLOY.iterdir() if path.is_file())
LONGEST_S = ServeSettings().stop_seconds + LAST_WORDS_S + Guard().seconds
"""Seconds that a server takes to stop by its defaults: the grace, last words, a picture that is being fetched."""


def instructions(path: Path) -> list[tuple[str, str]]:
    """Each instruction's word and the rest of it, continued lines joined and comments left out."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    words = (line.partition(" ") for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line.strip())
    return [(word, rest.strip()) for word, _, rest in words]


def copied(path: Path) -> list[str]:
    """What comes from the repository."""
    rests = [rest for word, rest in instructions(path) if word == "COPY" and not rest.startswith("--from")]
    return [source for rest in rests for source in rest.split()[:-1]]


def is_sent(name: str) -> bool:
    """Whether .dockerignore lets a path of the repository through; its last fitting line decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        parts = name.split("/")
        heads = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        if pattern and not line.startswith("#") and any(fits(head, pattern) for head in heads):
            sent = line.startswith("!")
    return sent


def fits(name: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatchcase(name.rpartition("/")[2], pattern.removeprefix("**/"))
    return name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern)


@pytest.mark.parametrize("path", CONTAINERFILES, ids=lambda path: path.name)
class TestContainerfiles:
    def test_what_they_copy_is_there_and_sent(self, path: Path) -> None:
        sources = copied(path)
        assert sources
        for source in sources:
            assert (ROOT / source).exists() and is_sent(source)
        if (ROOT / ".git").exists():
            tracked = subprocess.run(
                ["git", "ls-files", *sources], cwd=ROOT, capture_output=True, text=True, check=True
            )
            assert {name.split("/")[0] for name in tracked.stdout.split()} == set(sources)

    def test_nothing_is_missing_that_the_package_is_built_from(self, path: Path) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        needed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
        needed = [*needed, project["project"]["readme"], *project["project"]["license-files"], "pyproject.toml"]
        assert all(any(name.startswith(source) for source in copied(path)) for name in needed)
        assert all(is_sent(name) for name in needed)

    def test_its_python_will_do(self, path: Path) -> None:
        bases = {rest.split()[0] for word, rest in instructions(path) if word == "FROM"}
        (version,) = {re.fullmatch(r"python:(\d+)\.(\d+)-slim", base) for base in bases}
        needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
        assert version is not None
        assert tuple(map(int, version.groups())) >= tuple(map(int, needed.removeprefix(">=").split(".")))

    def test_it_runs_the_server_as_nobody_in_particular(self, path: Path) -> None:
        found = dict(instructions(path))
        assert found["ENTRYPOINT"] == '["iclight"]' and found["CMD"].startswith('["serve"')
        assert found["USER"] == "iclight" and found["STOPSIGNAL"] == "SIGTERM"
        port = str(ServeSettings().port)
        assert found["EXPOSE"] == port and f":{port}/healthz" in found["HEALTHCHECK"]
        assert found["VOLUME"] == '["/data"]' and "ICLIGHT_HOME=/data" in path.read_text()
        last = [word for word, _ in instructions(path)]
        # Build tools stay in the first stage.
        assert "pip install" not in "\n".join(
            rest for _, rest in instructions(path)[len(last) - 1 - last[::-1].index("FROM") :]
        )


def test_the_image_for_a_card_can_compile_where_it_runs() -> None:
    found = instructions(DEPLOY / "Containerfile.cuda")
    last = max(index for index, (word, _) in enumerate(found) if word == "FROM")
    installed = [rest for word, rest in found[last:] if word == "RUN" and "apt-get install" in rest]
    assert len(installed) == 1 and {"gcc", "libc6-dev", "--no-install-recommends"} <= set(installed[0].split())
    assert [word for word, _ in found[last:]].index("RUN") < [word for word, _ in found[last:]].index("USER")


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.name)
def test_names_are_those_of_settings_and_commands(path: Path) -> None:
    serve = f"{PREFIX}{SERVE_TABLE.upper()}_"
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    known |= {f"{serve}{name.upper()}" for name in ServeSettings.model_fields}
    text = path.read_text()
    assert set(re.findall(rf"{PREFIX}[A-Z_]*[A-Z]", text)) - {serve.removesuffix("_")} <= known
    flags = {field.flag for model in (Settings, ServeSettings) for field in knob_fields(model)}
    for call in re.findall(r'(?:bin/iclight |"?serve"?)(.*)', text):
        assert set(re.findall(r"(?<![\w-])--[a-z-]+", call)) <= flags
    for word in re.findall(r"(?:/bin/iclight|rm iclight|:cpu) ([a-z]+)", text):
        assert word in COMMANDS


def test_the_unit_waits_longer_than_the_server() -> None:
    lines = (DEPLOY / "iclight.service").read_text().splitlines()
    unit = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    assert int(unit["TimeoutStopSec"]) > LONGEST_S
    assert (unit["KillMode"], unit["NoNewPrivileges"], unit["ProtectSystem"]) == ("mixed", "yes", "strict")
    # Jobs and keys lie where the service may write.
    assert f"ICLIGHT_HOME=/var/lib/{unit['StateDirectory']}" in (DEPLOY / "iclight.service").read_text()


def test_so_does_compose() -> None:
    compose: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert {name: each["profiles"] for name, each in compose["services"].items()} == {
        "iclight": ["cpu"],
        "iclight-cuda": ["cuda"],
    }
    for service in compose["services"].values():
        assert int(service["stop_grace_period"].removesuffix("s")) > LONGEST_S
        assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
        assert (ROOT / service["build"]["dockerfile"]).is_file()
        assert service["ports"] == [f"127.0.0.1:{ServeSettings().port}:{ServeSettings().port}"]
        assert service["volumes"] == ["data:/data"]


@pytest.mark.parametrize(
    "name",
    [".git/config", ".venv/bin/python", "tests/conftest.py", "benchmarks/plain.py", "iclight_local/__pycache__/a.pyc"],
)
def test_what_stays_out_of_an_image(name: str) -> None:
    assert not is_sent(name)


def test_what_goes_in() -> None:
    assert is_sent("iclight_local/server/app.py") and is_sent("weights/mini/segmenter.onnx")
