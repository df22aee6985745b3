"""``iclight weights list`` shows the bundles of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.bad_files import change_config, copy_bundle
from tests.cli.commands import BUNDLE, Command


@pytest.fixture
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ICLIGHT_HOME", str(folder / "home"))
    return folder / "home"


def test_none(iclight: Command, home: Path) -> None:
    answer = iclight("weights", "list")
    assert answer.status == 0
    assert answer.out.splitlines()[0] == "There are no weights on this machine."
    assert str(home / "weights") in answer.out
    assert iclight("weights", "list", "--json").json["bundles"] == []


def test_two(iclight: Command, home: Path) -> None:
    (home / "weights").mkdir(parents=True)
    (home / "weights" / "no_bundle").mkdir()
    whole = copy_bundle(home / "weights" / "sd15")
    part = copy_bundle(home / "weights" / "broken")
    change_config(part / "base" / "unet" / "config.json", addition_embed_type="text_time")
    (part / "iclight_sd15_fbc.safetensors").unlink()
    lines = iclight("weights", "list").out.splitlines()
    assert lines[0].startswith("broken: fc fcon, 0.00 GB, base is an SDXL model")
    assert lines[1] == f"  {part}"
    assert lines[2] == "sd15: fc fcon fbc, 0.00 GB, usable"
    assert lines[3] == f"  {whole}"
    broken, usable = iclight("weights", "list", "--json").json["bundles"]
    size = sum(path.stat().st_size for path in BUNDLE.rglob("*.safetensors"))
    assert usable == {
        "name": "sd15",
        "path": str(whole),
        "embedded": False,
        "models": ["fc", "fcon", "fbc"],
        "bytes": size,
        "problem": None,
    }
    assert broken["models"] == ["fc", "fcon"]
    assert "SDXL" in broken["problem"]


def test_another_home(iclight: Command, home: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    copy_bundle(tmp_path / "weights" / "sd15")
    told = iclight("weights", "list", "--home", tmp_path, "--json").json
    assert [bundle["name"] for bundle in told["bundles"]] == ["sd15"]
