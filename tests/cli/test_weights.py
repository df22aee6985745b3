"""``iclight weights list`` shows the bundles of this machine, ``licences`` what others publish and on what terms."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from iclight_local.store.manifest import load_manifest
from tests.cli.bad_files import change_config, copy_bundle
from tests.cli.commands import BUNDLE, Command
from tests.segmenters.onnx_models import put_model
from tests.store.weights_trees import FC, FCON, manifest_text, use_manifest


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
    assert lines[1:7] == [
        f"  {part}",
        "  missing: fbc (iclight weights pull iclight-fbc --into broken)",
        "  licence of base, fc, fcon: not known",
        "sd15: fc fcon fbc, 0.00 GB, usable",
        f"  {whole}",
        "  licence of base, fc, fcon, fbc: not known",
    ]
    broken, usable = iclight("weights", "list", "--json").json["bundles"]
    size = sum(path.stat().st_size for path in BUNDLE.rglob("*.safetensors"))
    assert {part["part"] for part in usable.pop("licences")} == {"base", "fc", "fcon", "fbc"}
    assert usable == {
        "name": "sd15",
        "path": str(whole),
        "embedded": False,
        "models": ["fc", "fcon", "fbc"],
        "bytes": size,
        "problem": None,
        "missing": [],
        "pull": None,
    }
    assert broken["models"] == ["fc", "fcon"]
    assert broken["missing"] == ["fbc"]
    assert "SDXL" in broken["problem"]


def test_a_bundle_without_a_base(iclight: Command, home: Path) -> None:
    (home / "weights" / "sd15").mkdir(parents=True)
    shutil.copy(FC, home / "weights" / "sd15")
    head, _, missing, *_ = iclight("weights", "list").out.splitlines()
    folder = home / "weights" / "sd15"
    problem = f"{folder} holds neither base/ nor base.safetensors: a base was needed."
    assert head == f"sd15: fc, 0.00 GB, {problem}"
    assert missing == (
        "  missing: base, fcon, fbc (iclight weights pull realistic-vision-v51 iclight-fcon iclight-fbc)"
    )


def test_licences(iclight: Command, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a hash that is remembered; of IC-Light's files also by name and size; nothing is read for it."""
    shutil.copytree(BUNDLE, home / "weights" / "sd15")
    use_manifest(tmp_path, monkeypatch, manifest_text({"fc": FC, "fcon": FCON}, commercial="no"))
    answer = iclight("weights", "list", "--home", home).out.splitlines()
    told = "told by name and size"
    assert answer[2:6] == [
        "  licence of base: not known yet, `iclight weights verify sd15` looks",
        f"  licence of fc: licence of iclight-fc, no commercial use ({told})",
        f"  licence of fcon: licence of iclight-fcon, no commercial use ({told})",
        "  licence of fbc: not known",
    ]
    assert not (home / "cache").exists()
    assert iclight("weights", "verify").status == 0
    answer = iclight("weights", "list").out.splitlines()
    assert answer[2:4] == [
        "  licence of base: licence of realistic-vision-v51, no commercial use",
        "  licence of fc: licence of iclight-fc, no commercial use",
    ]
    parts = iclight("weights", "list", "--json").json["bundles"][0]["licences"]
    assert parts[0] == {
        "part": "base",
        "entry": "realistic-vision-v51",
        "licence": "licence of realistic-vision-v51",
        "commercial": "no",
        "told_by": "sha256",
        "unread": False,
    }


def test_the_size_is_that_of_what_is_loaded(iclight: Command, home: Path) -> None:
    bundle = home / "weights" / "sd15"
    shutil.copytree(BUNDLE, bundle)
    vae = bundle / "base" / "vae" / "diffusion_pytorch_model.safetensors"
    whole = iclight("weights", "list", "--json").json["bundles"][0]["bytes"]
    vae.rename(vae.with_suffix(".bin"))
    shutil.copy(FC, bundle / "base" / "unet" / "non_ema.safetensors")
    (bundle / "base" / "safety_checker").mkdir()
    shutil.copy(FC, bundle / "base" / "safety_checker" / "model.safetensors")
    assert iclight("weights", "list", "--json").json["bundles"][0]["bytes"] == whole


def test_what_lies_beside_the_bundles(iclight: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("U2NET_HOME", str(home / "u2net"))
    put_model(home / "u2net", "u2netp")
    put_model(home / "u2net", "bria-rmbg")
    (home / "weights" / "taesd").mkdir(parents=True)
    (home / "weights" / "taesd" / "config.json").write_text("{}")
    (home / "weights" / "loras").mkdir()
    (home / "weights" / "loras" / "pytorch_lora_weights.safetensors").write_bytes(bytes(2_000_000))
    *_, segmenters, loras, vaes, hint = iclight("weights", "list").out.splitlines()
    assert re.match(r"Segmenters: u2netp \(0\.\d MB, Apache-2\.0, code and weights\), bria-rmbg \(", segmenters)
    assert "no commercial use); missing: birefnet-general-lite, " in segmenters
    assert loras == "LoRAs: lcm-lora-sdv1-5 (2.0 MB, CreativeML Open RAIL++-M)"
    assert vaes == "Small VAEs: none here; missing: taesd"
    assert hint == "What is missing comes with: iclight weights pull NAME"
    table = {one["name"]: one for one in iclight("weights", "list", "--json").json["extras"]}
    assert table["lcm-lora-sdv1-5"]["bytes"] == 2_000_000
    assert (table["taesd"]["here"], table["taesd"]["pull"]) == (False, "iclight weights pull taesd")
    assert table["birefnet-general-fp16"]["pull"] == "iclight weights pull birefnet-general"


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
