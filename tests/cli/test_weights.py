"""``iclight weights list`` shows the bundles of this machine, ``licences`` what others publish and on what terms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from iclight_local.store.manifest import load_manifest
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


class TestLicences:
    def test_every_entry(self, iclight: Command) -> None:
        entries = load_manifest().entries
        head, *lines = iclight("weights", "licences").out.splitlines()
        assert head.split() == ["NAME", "COMMERCIAL", "SIZE", "LICENCE"]
        assert [line.split()[:2] for line in lines] == [[entry.name, entry.commercial] for entry in entries.values()]
        for line, entry in zip(lines, entries.values(), strict=True):
            assert line.endswith(f"  {entry.licence}")
            assert line.index(entry.licence) == head.index("LICENCE")

    def test_sizes_are_told_as_exactly_as_they_are_known(self, iclight: Command) -> None:
        text = iclight("weights", "licences").out
        assert re.search(r"^iclight-fc +yes +1\.72 GB  ", text, re.MULTILINE)
        assert re.search(r"^iclight-fcon +yes +about 1\.72 GB  ", text, re.MULTILINE)
        assert re.search(r"^taesd +yes +over 9\.8 MB  ", text, re.MULTILINE)
        assert re.search(r"^realistic-vision-v51 +unknown +not confirmed  ", text, re.MULTILINE)
        assert re.search(r"^birefnet-general-fp16 +yes +made from birefnet-general  ", text, re.MULTILINE)

    def test_commercial(self, iclight: Command) -> None:
        _, *lines, last = iclight("weights", "licences", "--commercial").out.splitlines()
        assert {line.split()[1] for line in lines} == {"yes"}
        left_out = [entry for entry in load_manifest().entries.values() if entry.commercial != "yes"]
        assert last.startswith(f"Left out: {len(left_out)} (forbidden by the licence: bria-rmbg; not confirmed: ")
        assert all(entry.name in last for entry in left_out)

    def test_json(self, iclight: Command) -> None:
        told = iclight("weights", "licences", "--json").json
        assert [entry["name"] for entry in told["entries"]] == list(load_manifest().entries)
        assert told["left_out"] == []
        fcon = next(entry for entry in told["entries"] if entry["name"] == "iclight-fcon")
        assert (fcon["bytes"], fcon["about_bytes"], fcon["unconfirmed"]) == (None, 1_720_000_000, ["size"])
        told = iclight("weights", "licences", "--commercial", "--json").json
        assert "bria-rmbg" in told["left_out"]
        assert {entry["commercial"] for entry in told["entries"]} == {"yes"}

    def test_a_damaged_manifest(self, iclight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "manifest.toml").write_text("[[entry]]\n")
        monkeypatch.setattr("iclight_local.embedded.WEIGHTS", (tmp_path,))
        answer = iclight("weights", "licences")
        assert answer.status == 2
        assert "is damaged, entry number 1: name is missing" in answer.sentence
