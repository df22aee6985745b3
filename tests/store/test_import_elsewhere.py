"""A ComfyUI's `extra_model_paths.yaml` is followed: the folders it names are looked at, too."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from iclight_local.errors import WeightsError
from iclight_local.store.bundles import check_bundle
from iclight_local.store.elsewhere import NAME, Elsewhere, find_elsewhere
from iclight_local.store.trees import tree_kind
from tests.store.imports import bring, left, used
from tests.store.weights_trees import FBC, FC, comfyui, put, write_checkpoint, write_lora, write_vae


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Weights beside the tree, in folders of A1111's names."""
    models = tmp_path / "webui" / "models"
    write_checkpoint(models / "Stable-diffusion" / "sub" / "mix.safetensors")
    put(FC, models / "ic" / "x_fc.safetensors")
    put(FBC, models / "light" / "y.safetensors")
    write_vae(models / "VAE" / "v.safetensors")
    write_lora(models / "Lora" / "style.safetensors")
    return tmp_path / "webui"


def say(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NAME).write_text(textwrap.dedent(text))
    return folder / NAME


def as_the_example(base: Path | str) -> str:
    """ComfyUI's own example, with what it leaves out and repeats."""
    return f"""
        #config for a1111 ui
        a111:
            base_path: {base}
            is_default: true
            checkpoints: models/Stable-diffusion
            configs: models/Stable-diffusion
            vae: models/VAE/
            loras: |
                 models/Lora
                 models/LyCORIS
            diffusion_models: |
                models/ic

                models/light
            custom_nodes: models/nodes
        #comfyui:
        #     base_path: path/to/comfyui/
        other_ui:
        """


class TestFollowed:
    @pytest.mark.parametrize("base", ["absolute", "../webui", "$WEBUI", "~/webui"])
    def test_every_folder(
        self, base: str, tree: Path, home: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WEBUI", str(other))
        monkeypatch.setenv("HOME", str(tmp_path))
        file = say(tree, as_the_example(other if base == "absolute" else base))
        done = bring(tree, home)
        assert done.kind == "comfyui"
        models = other / "models"
        assert used(done) == {
            "base": (models / "Stable-diffusion" / "sub" / "mix.safetensors", "its shapes"),
            "fc": (models / "ic" / "x_fc.safetensors", "its name"),
            "fbc": (models / "light" / "y.safetensors", "its shapes"),
        }
        assert set(left(done)) == {"v.safetensors", "style.safetensors"}
        folders = tuple(models / name for name in ("Stable-diffusion", "VAE", "Lora", "ic", "light"))
        assert done.elsewhere == (Elsewhere(file, folders, (models / "LyCORIS",)),)
        assert check_bundle(done.bundle) is None

    def test_what_is_here_and_there(self, tree: Path, home: Path, other: Path) -> None:
        """The ComfyUI's own folders are looked at as before, and a file that both have once."""
        own = comfyui(tree / "ComfyUI")
        vaes, again = other / "models" / "VAE", own / "models" / "checkpoints"
        say(own, f"a:\n  vae: {vaes}\nb:\n  checkpoints: {again}\n  base_path: {own}\n")
        done = bring(tree, home, vae="v")
        assert set(used(done)) == {"base", "fc", "fbc", "vae"}
        assert used(done)["vae"][0] == vaes / "v.safetensors"
        assert len(done.findings) == 7

    def test_below_the_file_where_no_base_is_named(self, tree: Path, home: Path) -> None:
        say(tree, "mine:\n  checkpoints: more/models\n")
        base = write_checkpoint(tree / "more" / "models" / "x.safetensors")
        assert find_elsewhere(tree)[0].folders == (base.parent,)
        assert used(bring(tree, home)) == {"base": (base, "its shapes")}

    @pytest.mark.parametrize("named", [".", "ComfyUI", "ComfyUI/models"])
    def test_where_the_file_may_lie(self, named: str, tree: Path, home: Path, other: Path) -> None:
        (tree / "ComfyUI" / "models").mkdir(parents=True)
        say(tree / "ComfyUI", f"a:\n  checkpoints: {other}/models/Stable-diffusion\n")
        assert tree_kind(tree / named) == "comfyui"
        assert set(used(bring(tree / named, home))) == {"base"}

    def test_not_the_file_of_a_folder_above(self, tree: Path, home: Path, other: Path) -> None:
        say(tree, f"a:\n  checkpoints: {other}/models/Stable-diffusion\n")
        put(FC, tree / "output" / "fc.safetensors")
        done = bring(tree / "output", home)
        assert (set(used(done)), done.elsewhere, done.kind) == ({"fc"}, (), "folder")


class TestNothingThere:
    def test_folders_that_are_gone(self, tree: Path, home: Path) -> None:
        file = say(tree, as_the_example("/nowhere/webui"))
        with pytest.raises(WeightsError) as caught:
            bring(tree, home)
        assert str(caught.value) == (
            f"{tree} holds no weights, and a plain SD1.5 model or an IC-Light file in safetensors was needed; {file} "
            "names 6 folders that cannot be found, like '/nowhere/webui/models/Stable-diffusion'."
        )
        assert not home.exists()

    def test_folders_that_are_gone_are_no_fault(self, tree: Path, home: Path) -> None:
        file = say(comfyui(tree), as_the_example("/nowhere/webui"))
        done = bring(tree, home)
        assert set(used(done)) == {"base", "fc", "fbc"}
        assert done.elsewhere[0].description.startswith(f"{file} names 6 folders that cannot be found, like ")

    def test_folders_without_anything_usable(self, tree: Path, home: Path, other: Path) -> None:
        file = say(tree, f"a:\n  loras: {other}/models/Lora\n")
        with pytest.raises(WeightsError) as caught:
            bring(tree, home)
        sentence = str(caught.value)
        assert sentence.startswith(f"Nothing in {tree} can be used (style.safetensors: a bundle has no place for it); ")
        assert sentence.endswith(f"; {file} names 1 folder, looked at, too.")

    @pytest.mark.parametrize("text", ["", "# all of it is a comment\n", "a111:\n", "a111:\n  base_path: /x\n"])
    def test_a_file_that_names_nothing(self, text: str, tree: Path) -> None:
        file = say(tree, text)
        assert find_elsewhere(tree) == [Elsewhere(file, (), ())]
        assert find_elsewhere(tree)[0].description == f"{file} names no folder of weights"

    @pytest.mark.parametrize("line", ['"a\\0b"', "x" * 5000, "~nobody_here/x", "2020-99-99", "!!int ''"])
    def test_strange_names_of_folders(self, line: str, tree: Path) -> None:
        say(tree, f"a:\n  base_path: {line}\n  checkpoints: {line}\n  vae: {line}\n")
        (found,) = find_elsewhere(tree)
        assert found.folders == ()
        assert found.description.isprintable()


class TestBroken:
    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("a: [", "is no valid YAML (line 1)"),
            ("a111:\n  checkpoints: x\n vae: y\n", "is no valid YAML (line 3)"),
            ("a111:\n\tcheckpoints: x\n", "is no valid YAML (line 2)"),
            ("a: *nothing", "is no valid YAML (line 1)"),
            ("? [a]\n: b\n", "is no valid YAML (line 1)"),
            ("a: \x00", "is no valid YAML"),
            ("[" * 5000, "is no valid YAML"),
            ("- checkpoints: x\n", "is not as ComfyUI has it: the whole is a list, not names with values"),
            ("just words", "is not as ComfyUI has it: the whole is a text, not names with values"),
            ("a111:\n  - checkpoints\n", "is not as ComfyUI has it: a111 is a list, not names with values"),
            ("a111: x/y\n", "is not as ComfyUI has it: a111 is a text, not names with values"),
            ("a111:\n  vae: [x, y]\n", "is not as ComfyUI has it: a111.vae is no text with a folder a line"),
            (
                "a111:\n  base_path: {x: y}\n",
                "is not as ComfyUI has it: a111.base_path is no text with a folder a line",
            ),
        ],
    )
    def test_one_sentence(self, text: str, sentence: str, tree: Path, home: Path) -> None:
        file = say(comfyui(tree), text)
        with pytest.raises(WeightsError) as caught:
            bring(tree, home)
        assert str(caught.value) == f"{file} {sentence}: mend it, or import a folder of weights by its own path."
        assert not home.exists()

    def test_no_text_at_all(self, tree: Path, home: Path) -> None:
        say(tree, "").write_bytes(b"\xff\xfe\xfa")
        with pytest.raises(WeightsError, match="is no valid YAML"):
            bring(tree, home)

    def test_nothing_is_run(self, tree: Path, tmp_path: Path) -> None:
        say(tree, f"a:\n  checkpoints: !!python/object/apply:os.mkdir [{tmp_path}/made]\n")
        with pytest.raises(WeightsError, match=r"a\.checkpoints is no text"):
            find_elsewhere(tree)
        assert not (tmp_path / "made").exists()

    def test_the_cure_works(self, tree: Path, home: Path) -> None:
        say(comfyui(tree), "a: [")
        assert set(used(bring(tree / "models" / "checkpoints", home))) == {"base"}
