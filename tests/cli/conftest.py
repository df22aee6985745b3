from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.batch.pictures import draw
from tests.cli.commands import BUNDLE, Command
from tests.fake_engine import FakeEngine


@pytest.fixture
def iclight(capsys: pytest.CaptureFixture[str]) -> Command:
    """The command, in this process."""
    return Command(capsys)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which the command is called."""
    path = tmp_path / "here"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


@pytest.fixture
def golden_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundle that a command finds which names none."""
    monkeypatch.setenv("ICLIGHT_WEIGHTS", str(BUNDLE))


@pytest.fixture
def pictures(folder: Path) -> Path:
    """Three pictures in a folder, one of them in a folder of its own."""
    draw(folder / "in", 2)
    draw(folder / "in" / "more", 1)
    return folder / "in"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The engine of every command in this process."""
    engine = FakeEngine()
    monkeypatch.setattr("iclight_local.assemble.engine_from", lambda settings, models=(), lasting=False: engine)
    return engine


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that onnxruntime loads from now on."""
    import onnxruntime

    loaded: list[str] = []

    class Counting(onnxruntime.InferenceSession):  # type: ignore[misc]
        def __init__(self, path: str, *args: object, **kwargs: object) -> None:
            loaded.append(path)
            super().__init__(path, *args, **kwargs)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Counting)
    return loaded
