"""Every file is looked at: whole, and what it should be where the manifest knows it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from iclight_local.errors import WeightsError
from iclight_local.store import hashes
from iclight_local.store.verifying import Verdict, content_fault, verify
from tests.cli.commands import BUNDLE
from tests.store.weights_trees import FBC, FC, FCON, manifest_text, use_manifest, write_checkpoint, write_ldm_offsets

SEGMENTER = """
[[entry]]
name = "u2netp"
kind = "segmenter"
host = "github"
repository = "danielgatis/rembg"
revision = "v0.0.0"
licence = "Apache-2.0"
commercial = "yes"

[entry.source]
repository = "here"
revision = "here"
licence = "here"
size = "here"
sha256 = "here"

[[entry.file]]
path = "u2netp.onnx"
size = 5
sha256 = "486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7"
"""
"""One whose content is ``world``."""


@pytest.fixture
def bundle(home: Path) -> Path:
    folder = home / "weights" / "sd15"
    shutil.copytree(BUNDLE, folder)
    return folder


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = manifest_text({"fc": FC, "fcon": FCON}) + SEGMENTER
    use_manifest(tmp_path, monkeypatch, text)
    monkeypatch.setenv("U2NET_HOME", str(tmp_path / "rembg"))
    (tmp_path / "rembg").mkdir()


def states(verdicts: list[Verdict]) -> dict[str, str]:
    """What is not unknown, by the name of the file."""
    found = {}
    for verdict in verdicts:
        if verdict.state != "unknown":
            found["/".join(verdict.path.parts[-2:])] = f"{verdict.state} {verdict.fault}".strip()
    return found


OK = {
    "sd15/iclight_sd15_fc.safetensors": "ok",
    "sd15/iclight_sd15_fcon.safetensors": "ok",
    "unet/diffusion_pytorch_model.safetensors": "ok",
    "vae/diffusion_pytorch_model.safetensors": "ok",
    "text_encoder/model.safetensors": "ok",
}


def test_no_weights(home: Path) -> None:
    assert verify(None, home, full=False) == []


def test_files_that_nobody_knows_are_no_fault(bundle: Path, home: Path) -> None:
    verdicts = verify(None, home, full=False)
    assert {verdict.state for verdict in verdicts} == {"unknown"}
    assert {verdict.path for verdict in verdicts} == {path for path in bundle.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("known")
class TestKnownFiles:
    def test_all_is_well(self, bundle: Path, home: Path) -> None:
        verdicts = verify(None, home, full=False)
        assert states(verdicts) == OK
        fcon = next(verdict for verdict in verdicts if "fcon" in verdict.path.name)
        assert (fcon.entry, fcon.bundle) == ("iclight-fcon", "sd15")
        assert len(verdicts) == len(list(bundle.rglob("*.*")))

    def test_a_flipped_bit(self, bundle: Path, home: Path) -> None:
        for name in ("iclight_sd15_fc.safetensors", "base/vae/diffusion_pytorch_model.safetensors"):
            data = bytearray((bundle / name).read_bytes())
            data[-7] ^= 1
            (bundle / name).write_bytes(data)
        verdicts = verify("sd15", home, full=False)
        found = states(verdicts)
        assert "damaged its sha256 is" in found["sd15/iclight_sd15_fc.safetensors"]
        assert "was expected" in found["vae/diffusion_pytorch_model.safetensors"]
        entries = {verdict.entry for verdict in verdicts if verdict.state == "damaged"}
        assert entries == {"iclight-fc", "realistic-vision-v51"}

    def test_a_file_of_ones_own_under_the_same_name(self, bundle: Path, home: Path) -> None:
        """Offsets in ldm keys, and a base of one's own, are no damage though they lie in the published place."""
        write_ldm_offsets(bundle / "iclight_sd15_fc.safetensors", FC)
        shutil.copy(FBC, bundle / "iclight_sd15_fbc.safetensors")
        (bundle / "base" / "unet" / "diffusion_pytorch_model.safetensors").unlink()
        shutil.rmtree(bundle / "base")
        write_checkpoint(bundle / "base.safetensors")
        assert states(verify(None, home, full=False)) == {"sd15/iclight_sd15_fcon.safetensors": "ok"}

    def test_a_known_file_under_another_name(self, bundle: Path, home: Path) -> None:
        (bundle / FC.name).unlink()
        shutil.copy(FCON, bundle / FC.name)
        assert states(verify(None, home, full=False)) == OK

    def test_damage_of_each_kind(self, bundle: Path, home: Path) -> None:
        (bundle / FC.name).write_bytes(FC.read_bytes()[:-1])
        (bundle / FBC.name).write_bytes(b"<html>not found</html>")
        (bundle / "base" / "unet" / "config.json").write_text("{")
        (bundle / "base" / "tokenizer" / "merges.txt").write_text("")
        found = states(verify(None, home, full=False))
        assert found["sd15/iclight_sd15_fc.safetensors"].startswith("damaged iclight_sd15_fc.safetensors is truncated")
        assert "no complete safetensors file" in found["sd15/iclight_sd15_fbc.safetensors"]
        assert found["unet/config.json"] == "damaged no valid JSON"
        assert found["tokenizer/merges.txt"] == "damaged empty"

    def test_a_base_that_lacks_a_part(self, bundle: Path, home: Path) -> None:
        (bundle / "base" / "vae" / "diffusion_pytorch_model.safetensors").unlink()
        found = states(verify(None, home, full=False))
        assert "vae holds no weights" in found["sd15/base"]
        assert found["sd15/iclight_sd15_fc.safetensors"] == "ok"

    def test_full_reads_again(self, bundle: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        read: list[str] = []
        sha256 = hashes._sha256

        def noted(path: Path) -> str:
            read.append(path.name)
            return sha256(path)

        monkeypatch.setattr(hashes, "_sha256", noted)
        verify(None, home, full=False)
        assert sorted(set(read)) == [
            "diffusion_pytorch_model.safetensors", "iclight_sd15_fc.safetensors", "iclight_sd15_fcon.safetensors",
            "model.safetensors",
        ]  # fmt: skip
        read.clear()
        verify(None, home, full=False)
        assert read == []
        verify(None, home, full=True)
        assert len(read) == len([path for path in bundle.rglob("*") if path.is_file()])

    def test_a_change_that_the_cache_does_not_see_is_seen_by_full(self, bundle: Path, home: Path) -> None:
        path = bundle / FC.name
        assert states(verify(None, home, full=False)) == OK
        stat = path.stat()
        data = bytearray(path.read_bytes())
        data[-7] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert states(verify(None, home, full=False)) == OK
        assert "damaged" in states(verify(None, home, full=True))["sd15/iclight_sd15_fc.safetensors"]

    def test_segmenters(self, home: Path, tmp_path: Path) -> None:
        path = tmp_path / "rembg" / "u2netp.onnx"
        for data, state in (
            (b"world", "ok"),
            (b"worle", "damaged its sha256 is"),
            (b"worlds", "damaged 6 bytes, and 5"),
        ):
            path.write_bytes(data)
            [verdict] = verify("u2netp", home, full=True)
            assert f"{verdict.state} {verdict.fault}".startswith(state)
            assert (verdict.entry, verdict.bundle) == ("u2netp", None)

    def test_an_entry_in_the_bundles(self, bundle: Path, home: Path) -> None:
        [verdict] = verify("iclight-fcon", home, full=False)
        assert (verdict.path, verdict.state) == (bundle / FCON.name, "ok")
        assert {verdict.state for verdict in verify("realistic-vision-v51", home, full=False)} == {"ok"}
        (bundle / FCON.name).unlink()
        with pytest.raises(WeightsError) as caught:
            verify("iclight-fcon", home, full=False)
        assert str(caught.value) == (
            "No file of a bundle here (sd15) is known to be of iclight-fcon: `iclight weights pull iclight-fcon` "
            "fetches it, and `iclight weights verify sd15` checks every file of sd15."
        )

    def test_an_entry_that_is_not_here(self, home: Path) -> None:
        for name in ("realistic-vision-v51", "u2netp"):
            with pytest.raises(WeightsError, match=f"^{name} is not here: `iclight weights pull {name}` fetches it"):
                verify(name, home, full=False)

    def test_a_name_that_is_none(self, bundle: Path, home: Path) -> None:
        with pytest.raises(WeightsError, match=r"no bundle of weights nowhere \(known names: sd15\)"):
            verify("nowhere", home, full=False)


def test_an_entry_whose_hashes_nobody_knows(bundle: Path, home: Path) -> None:
    with pytest.raises(WeightsError, match=r"of realistic-vision-v51, whose hashes nobody has confirmed: "):
        verify("realistic-vision-v51", home, full=False)


def test_whole_files_that_do_not_serve_together(bundle: Path, home: Path) -> None:
    path = bundle / "base" / "unet" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "addition_embed_type": "text_time"}))
    for name in (None, "sd15"):
        [verdict] = [verdict for verdict in verify(name, home, full=False) if verdict.state != "unknown"]
        assert (verdict.path, verdict.state, verdict.bundle, verdict.entry) == (bundle, "unusable", "sd15", None)
        assert verdict.fault == "base is an SDXL model, and IC-Light's offsets fit SD1.5 only"


def test_bundles_that_lack_a_part(bundle: Path, home: Path) -> None:
    for path in bundle.glob("*.safetensors"):
        path.unlink()
    assert verify(None, home, full=False)[-1].entry == "iclight-fc"
    shutil.rmtree(bundle / "base")
    shutil.copy(FC, bundle)
    unknown, lacking = verify(None, home, full=False)
    assert (unknown.state, lacking.state, lacking.entry) == ("unknown", "unusable", "realistic-vision-v51")


def test_a_bundle_of_links(home: Path) -> None:
    shutil.copytree(BUNDLE, home / "weights" / "sd15", copy_function=lambda old, new: Path(new).symlink_to(old))
    assert {verdict.state for verdict in verify(None, home, full=True)} == {"unknown"}
    link = home / "weights" / "sd15" / "base" / "vae" / "diffusion_pytorch_model.safetensors"
    link.unlink()
    link.symlink_to(home / "gone")
    assert any(verdict.state == "damaged" for verdict in verify(None, home, full=True))


def test_a_link_to_offsets_that_are_gone(home: Path) -> None:
    shutil.copytree(BUNDLE, home / "weights" / "sd15")
    link = home / "weights" / "sd15" / FC.name
    link.unlink()
    link.symlink_to(home / "gone")
    [verdict] = [verdict for verdict in verify(None, home, full=True) if verdict.state == "damaged"]
    assert verdict.path == link
    assert verdict.fault == f"it links to {home / 'gone'}, which is not there"


def test_a_bundle_without_a_base(home: Path) -> None:
    folder = home / "weights" / "sd15"
    folder.mkdir(parents=True)
    (folder / FC.name).write_bytes(FC.read_bytes()[:-1])
    for name in (None, "sd15"):
        [verdict] = verify(name, home, full=False)
        assert (verdict.state, verdict.bundle) == ("damaged", "sd15")


def test_a_file_without_rights(tmp_path: Path) -> None:
    folder = tmp_path / "x.json"
    folder.mkdir()
    assert content_fault(folder) == "it cannot be read (Is a directory)"
