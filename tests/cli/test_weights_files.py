"""``iclight weights import``, ``verify``, ``bundle`` and ``unbundle``, as a user calls them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.bad_files import change_config
from tests.cli.commands import BUNDLE, HEAVY, SMALL, SUBJECT, Command, environment, spawn
from tests.store.weights_trees import (
    FBC,
    FC,
    FCON,
    comfyui,
    manifest_text,
    snapshot,
    use_manifest,
    write_checkpoint,
    write_ldm_offsets,
    write_lora,
    write_vae,
)


@pytest.fixture
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ICLIGHT_HOME", str(folder / "home"))
    return folder / "home"


@pytest.fixture
def bundle(home: Path) -> Path:
    shutil.copytree(BUNDLE, home / "weights" / "sd15")
    return home / "weights" / "sd15"


class TestImport:
    def test_what_it_tells(self, iclight: Command, home: Path, folder: Path) -> None:
        models = comfyui(folder / "ComfyUI") / "models"
        lines = iclight("weights", "import", "ComfyUI").out.splitlines()
        assert lines[0] == "ComfyUI is a ComfyUI folder."
        base = models.relative_to(folder) / "checkpoints" / "my_mix.safetensors"
        assert lines[1] == f"  used as the base, told by its shapes: {base} (hard link)"
        assert any(
            line.startswith("  left alone: ")
            and line.endswith("style.safetensors is a LoRA; a bundle has no place for it.")
            for line in lines
        )
        assert lines[-2:] == [f"The bundle sd15: {home / 'weights' / 'sd15'}", "  iclight relight photo.jpg -o out.png"]
        assert iclight("weights", "list", "--json").json["bundles"][0]["problem"] is None

    def test_json(self, iclight: Command, home: Path, folder: Path) -> None:
        comfyui(folder / "ComfyUI")
        told = iclight(
            "weights", "import", "ComfyUI", "--name", "mine", "--copy", "--json", "--home", folder / "h 2"
        ).json
        assert (told["tree"], told["name"], told["models"], told["lacks"]) == ("comfyui", "mine", ["fc", "fbc"], [])
        assert {used["as"]: used["way"] for used in told["used"]} == {"base": "copy", "fc": "copy", "fbc": "copy"}
        assert told["command"] == f"iclight relight photo.jpg -o out.png --weights mine --home '{folder / 'h 2'}'"
        assert {len(left) for left in told["left_alone"]} == {3}
        assert not home.exists()

    def test_folders_elsewhere(self, iclight: Command, home: Path, folder: Path) -> None:
        base = write_checkpoint(folder / "webui" / "base.safetensors")
        file = folder / "ComfyUI" / "extra_model_paths.yaml"
        file.parent.mkdir()
        file.write_text("a111:\n  base_path: ../webui\n  checkpoints: .\n  vae: gone\n")
        lines = iclight("weights", "import", "ComfyUI").out.splitlines()
        assert lines[:3] == [
            "ComfyUI is a ComfyUI folder.",
            f"  {file.relative_to(folder)} names 1 folder, looked at, too, and 1 folder that cannot be found, like "
            f"'{base.parent / 'gone'}'.",
            f"  used as the base, told by its shapes: {base} (hard link)",
        ]
        told = iclight("weights", "import", "ComfyUI", "--json").json["elsewhere"]
        missing = [str(base.parent / "gone")]
        assert told == [{"file": "ComfyUI/extra_model_paths.yaml", "folders": [str(base.parent)], "missing": missing}]
        file.write_text("- a111\n")
        answer = iclight("weights", "import", "ComfyUI")
        assert answer.status == 2
        assert answer.sentence.startswith(
            "ComfyUI/extra_model_paths.yaml is not as ComfyUI has it: the whole is a list"
        )

    def test_piece_by_piece(self, iclight: Command, home: Path, folder: Path) -> None:
        answer = iclight("weights", "import", FBC)
        assert answer.out.splitlines()[-2:] == [
            "It still lacks a base: import another file, or run",
            "  iclight weights pull realistic-vision-v51",
        ]
        answer = iclight("weights", "import", write_checkpoint(folder / "x.safetensors"))
        assert answer.out.splitlines()[-1] == "  iclight relight photo.jpg -o out.png --model fbc"
        again = iclight("weights", "import", folder / "x.safetensors")
        assert again.status == 0
        assert "the bundle has a base, which --overwrite would replace" in again.out

    def test_one_file_whose_place_is_taken(self, iclight: Command, bundle: Path, folder: Path) -> None:
        before = snapshot(bundle)
        other = write_checkpoint(folder / "other.safetensors", scale=0.5)
        for path in (other, write_ldm_offsets(folder / "my_fc.safetensors", FC)):
            answer = iclight("weights", "import", path)
            assert answer.status == 2
            assert answer.sentence.startswith(f"Nothing was changed: {bundle} has what {path.name} is (")
            assert answer.sentence.endswith(
                "add --overwrite to put this one in its place, or --name OTHER for a bundle of its own."
            )
        assert snapshot(bundle) == before
        for path in (FC, BUNDLE / "base"):
            assert iclight("weights", "import", path).status == 0, "exactly what the bundle has"
        assert iclight("weights", "import", other, "--overwrite").status == 0
        answer = iclight("weights", "import", BUNDLE / "base")
        assert answer.status == 2

    def test_the_vae_of_a_base_that_goes(self, iclight: Command, bundle: Path, folder: Path) -> None:
        write_vae(bundle / "vae.safetensors")
        other = write_checkpoint(folder / "other.safetensors", scale=0.5)
        told = f"  removed: {bundle / 'vae.safetensors'}, which stood in for the old base's VAE; "
        assert told in iclight("weights", "import", other, "--overwrite").out
        answer = iclight("weights", "import", other, "--overwrite", "--json").json
        assert answer["removed"] is None

    def test_refused(self, iclight: Command, home: Path, folder: Path) -> None:
        write_lora(folder / "tree" / "a.safetensors")
        answer = iclight("weights", "import", "tree")
        assert answer.status == 2
        assert answer.sentence.startswith("Nothing in tree can be used (a.safetensors: a bundle has no place for it)")
        for scale, name in ((1, "b"), (0.5, "c")):
            write_checkpoint(folder / "tree" / f"{name}.safetensors", scale=scale)
        answer = iclight("weights", "import", "tree")
        assert answer.status == 2
        assert answer.sentence.startswith("There are 2 bases (tree/b.safetensors, tree/c.safetensors): say which")
        assert iclight("weights", "import", "tree", "--base", "c").status == 0

    def test_as_a_process_of_its_own(self, home: Path, folder: Path) -> None:
        answer = spawn("weights", "import", BUNDLE, "--name", "golden", cwd=folder)
        assert answer.status == 0, answer.err
        assert snapshot(home / "weights" / "golden") == snapshot(BUNDLE)
        assert answer.err == ""


class TestVerify:
    def test_all_is_well(self, iclight: Command, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        use_manifest(tmp_path, monkeypatch, manifest_text({"fc": FC, "fcon": FCON}))
        answer = iclight("weights", "verify")
        assert answer.status == 0
        assert f"ok (iclight-fc): {bundle / FC.name}" in answer.out.splitlines()
        assert f"whole, and none of the published files: {bundle / FBC.name}" in answer.out.splitlines()

    def test_damage(self, iclight: Command, bundle: Path) -> None:
        (bundle / FC.name).write_bytes(FC.read_bytes()[:-1])
        answer = iclight("weights", "verify", "sd15")
        assert answer.status == 1
        size = FC.stat().st_size
        assert (
            f"damaged (iclight_sd15_fc.safetensors is truncated ({size - 1} of {size} bytes)): {bundle / FC.name}"
            in answer.out.splitlines()
        )
        assert answer.out.splitlines()[-1] == "To mend it: iclight weights pull iclight-fc --overwrite"
        told = iclight("weights", "verify", "--full", "--json")
        assert told.status == 1
        assert (told.json["damaged"], told.json["cures"]) == (1, ["iclight weights pull iclight-fc --overwrite"])

    def test_damage_of_a_bundle_of_ones_own(self, iclight: Command, bundle: Path) -> None:
        mine = bundle.rename(bundle.with_name("mine"))
        (mine / FC.name).write_bytes(b"")
        config = mine / "base" / "unet" / "config.json"
        config.write_text("{")
        assert iclight("weights", "verify").out.splitlines()[-2:] == [
            f"To mend it: fetch, import or copy {config} again",
            "To mend it: iclight weights pull iclight-fc --into mine --overwrite",
        ]

    def test_a_bundle_that_cannot_be_used(self, iclight: Command, bundle: Path) -> None:
        """`list` and `verify` say the same."""
        change_config(bundle / "base" / "unet" / "config.json", addition_embed_type="text_time")
        [facts] = iclight("weights", "list", "--json").json["bundles"]
        answer = iclight("weights", "verify")
        assert answer.status == 1
        assert answer.out.splitlines()[-2:] == [
            f"unusable ({facts['problem'].rstrip('.')}): {bundle}",
            "To mend it: import what fits with `iclight weights import FILE --overwrite`",
        ]
        shutil.rmtree(bundle / "base")
        answer = iclight("weights", "verify", "sd15")
        assert answer.status == 1
        assert answer.out.splitlines()[-1] == "To mend it: iclight weights pull realistic-vision-v51"
        assert iclight("weights", "verify", "u2netp").status == 2

    def test_nothing_there_and_a_process_of_its_own(self, iclight: Command, home: Path, folder: Path) -> None:
        assert iclight("weights", "verify").out == f"There are no weights in {home / 'weights'}.\n"
        answer = spawn("weights", "verify", "nowhere", cwd=folder)
        assert answer.status == 2
        assert answer.sentence.startswith("There is no bundle of weights nowhere")


class TestArchives:
    def test_the_same_picture_on_another_machine(
        self, iclight: Command, bundle: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
    ) -> None:
        answer = iclight("weights", "bundle", "sd15", "-o", "sd15.tar")
        assert answer.out.splitlines()[-1] == "  iclight weights unbundle sd15.tar"
        assert iclight("relight", SUBJECT, "-o", "here.png", *SMALL).status == 0
        monkeypatch.setenv("ICLIGHT_HOME", str(folder / "other"))
        answer = iclight("weights", "unbundle", "sd15.tar", "--name", "copied")
        assert answer.out.splitlines()[-1] == "  iclight relight photo.jpg -o out.png --weights copied"
        assert iclight("relight", SUBJECT, "-o", "there.png", "--weights", "copied", *SMALL).status == 0
        assert np.array_equal(np.asarray(Image.open("here.png")), np.asarray(Image.open("there.png")))

    def test_json(self, iclight: Command, bundle: Path, folder: Path) -> None:
        told = iclight("weights", "bundle", "sd15", "-o", folder / "a.tar", "--json").json
        assert told["bytes"] == (folder / "a.tar").stat().st_size
        assert [file["path"] for file in told["files"]] == sorted(snapshot(BUNDLE))
        told = iclight("weights", "unbundle", folder / "a.tar", "--json", "--home", folder / "other").json
        assert told["bundle"] == str(folder / "other" / "weights" / "sd15")
        assert told["command"] == f"iclight relight photo.jpg -o out.png --home {folder / 'other'}"

    def test_refused(self, iclight: Command, bundle: Path, folder: Path) -> None:
        answer = iclight("weights", "bundle", "sd15", "-o", "a.tar", "--commercial")
        assert answer.status == 2
        assert "is unknown, the manifest does not know this file" in answer.sentence
        assert iclight("weights", "bundle", "sd15", "-o", "a.tar").status == 0
        assert iclight("weights", "bundle", "sd15", "-o", "a.tar").status == 2
        assert "exists already: choose another name with --name" in iclight("weights", "unbundle", "a.tar").sentence
        data = Path("a.tar").read_bytes()
        Path("cut.tar").write_bytes(data[: len(data) // 2])
        answer = iclight("weights", "unbundle", "cut.tar", "--name", "cut")
        assert answer.status == 2
        assert answer.sentence.startswith("cut.tar is truncated (")
        assert sorted(path.name for path in (folder / "home" / "weights").iterdir()) == ["sd15"]
        assert iclight("weights", "unbundle", "nowhere.tar").status == 2

    def test_as_processes_of_their_own(self, bundle: Path, folder: Path) -> None:
        answer = spawn("weights", "bundle", bundle, "-o", "a.tar", cwd=folder)
        assert (answer.status, answer.err) == (0, "")
        answer = spawn("weights", "unbundle", "a.tar", "--overwrite", cwd=folder)
        assert (answer.status, answer.err) == (0, "")
        assert snapshot(bundle) == snapshot(BUNDLE)
        assert sorted(path.name for path in folder.iterdir()) == ["a.tar", "home"]


def test_no_socket_is_opened_and_no_heavy_library_is_imported(bundle: Path, folder: Path) -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*words): raise SystemExit('a socket')\n"
        "socket.socket.__init__ = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from iclight_local.cli import main\n"
        f"calls = [['import', {str(BUNDLE)!r}, '--name', 'x'], ['verify', '--full'], ['bundle', 'x', '-o', 'x.tar'],"
        " ['unbundle', 'x.tar', '--name', 'y']]\n"
        "print([main(['weights', *call]) for call in calls], file=sys.stderr)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), cwd=folder, check=False
    )
    assert done.stderr.splitlines() == ["[0, 0, 0, 0]", "[]"]
