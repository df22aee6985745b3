"""The manifest of published weights: the shipped one is right, and a damaged one is named by entry and field."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from iclight_local import embedded
from iclight_local.errors import WeightsError
from iclight_local.request import ModelName
from iclight_local.segmenters import catalogue
from iclight_local.store.bundles import offsets_path
from iclight_local.store.entries import Commercial, Entry, require_commercial
from iclight_local.store.manifest import Manifest, load_manifest

ROOT = Path(__file__).parents[2]
SESSIONS = Path(str(importlib.util.find_spec("rembg").origin)).parent / "sessions"  # type: ignore[union-attr]
"""The sources of rembg's sessions, which take long to import."""
SMALL = """
[bundle.sd15]
bases = ["plain"]
offsets = ["light"]
extras = []

[[entry]]
name = "plain"
kind = "base"
host = "huggingface"
repository = "maker/plain"
revision = "abc"
licence = "MIT"
commercial = "yes"
mirrors = ["https://mirror.example/plain/"]
unconfirmed = []

[entry.source]
repository = "page"
revision = "page"
licence = "page"
size = "page"
sha256 = "page"
mirrors = "page"

[[entry.file]]
path = "unet/model.safetensors"
size = 10
sha256 = "{digest}"

[[entry.file]]
path = "unet/config.json"
about = 5
unconfirmed = ["size", "sha256"]

[[entry]]
name = "light"
kind = "offsets"
host = "github"
repository = "maker/light"
licence = "not stated"
commercial = "unknown"
unconfirmed = ["revision", "licence"]

[entry.source]
repository = "page"

[[entry.file]]
path = "Light-1.safetensors"
saved_as = "light.safetensors"
unconfirmed = ["size", "sha256"]

[[entry]]
name = "half"
kind = "segmenter"
host = "github"
repository = "maker/light"
revision = "v1"
licence = "CC BY-NC 4.0"
commercial = "no"
made_from = "light"

[entry.source]
repository = "page"
revision = "page"
licence = "page"
""".replace("{digest}", "0123456789abcdef" * 4)
PLAIN, FIRST = "entry plain", "entry plain, file unet/model.safetensors"
DAMAGES = [
    ("[bundle.sd15]", "[bundel.sd15]", "the whole file: bundel is unknown"),
    ('name = "plain"', 'name = ""', "entry number 1: name is '', but must be a text"),
    ('name = "plain"', "", "entry number 1: name is missing"),
    ('name = "light"', 'name = "plain"', "entry plain: name stands there twice"),
    ('kind = "base"', 'kind = "bass"', f"{PLAIN}: kind is 'bass', but must be one of offsets, base, lora"),
    ('host = "huggingface"', "host = 3", f"{PLAIN}: host is 3, but must be a text"),
    ('"maker/plain"', '"plain"', f"{PLAIN}: repository is 'plain', but must be written owner/name"),
    ('revision = "abc"', "", f"{PLAIN}: revision must either be given or be named in unconfirmed"),
    ('commercial = "yes"', 'commercial = "unknown"', f"{PLAIN}: commercial must be 'unknown' where the licence"),
    ('commercial = "unknown"', 'commercial = "yes"', "entry light: commercial must be 'unknown' where the licence"),
    ('licence = "MIT"', "", f"{PLAIN}: licence is missing"),
    ('licence = "MIT"', 'license = "MIT"', f"{PLAIN}: licence is missing"),
    ('licence = "MIT"', 'licence = "MIT"\ncolour = 1', f"{PLAIN}: colour is unknown"),
    ("unconfirmed = []", 'unconfirmed = ["colour"]', f"{PLAIN}: unconfirmed is ['colour'], but must be a list from"),
    ('"https://mirror', '"http://mirror', f"{PLAIN}: mirrors is ['http://mirror.example/plain/'], but must be a list"),
    ('"https://mirror', '"http://127.0.0.1.mirror', f"{PLAIN}: mirrors is ['http://127.0.0.1.mirror.example/pl"),
    ('"https://mirror', '"http://localhost:80@mirror', f"{PLAIN}: mirrors is ['http://localhost:80@mirror.example/pl"),
    ('sha256 = "page"', "", f"{PLAIN}: sha256 has no source"),
    ('mirrors = "page"', 'mirrors = "page"\nmd5 = "page"', f"{PLAIN}: md5 has a source, but is not stated"),
    ('mirrors = "page"', "mirrors = 1", f"{PLAIN}, source: mirrors is 1, but must be a text"),
    ("size = 10", "size = -3", f"{FIRST}: size is -3, but must be a number of bytes"),
    ("size = 10", "size = true", f"{FIRST}: size is True, but must be a number of bytes"),
    ("size = 10", "", f"{FIRST}: size must either be given or be named in unconfirmed"),
    ("size = 10", "size = 10\nabout = 9", f"{FIRST}: about stands beside the exact size"),
    ('sha256 = "01', 'sha256 = "ZZ', f"{FIRST}: sha256 is 'ZZ"),
    ('"unet/model.safetensors"', '"../model.safetensors"', "file ../model.safetensors: path is '../model.safe"),
    ('"unet/model.safetensors"', '"/etc/passwd"', "file /etc/passwd: path is '/etc/passwd', but must be a path inside"),
    ('"unet/config.json"', '"unet/model.safetensors"', f"{PLAIN}: file stands there twice"),
    ('saved_as = "', 'saved_as = "a\\\\', "entry light, file Light-1.safetensors: saved_as is"),
    ('made_from = "light"', "", "entry half: file must be there, unless the entry is made_from another"),
    ('made_from = "light"', 'made_from = "none"', "entry half: made_from names none, which is no entry"),
    ('bases = ["plain"]', "bases = []", "bundle sd15: bases must name an entry"),
    ('bases = ["plain"]', 'bases = ["light"]', "bundle sd15: bases names light, which is no entry of kind base"),
    ('bases = ["plain"]', 'bases = "plain"', "bundle sd15: bases is 'plain', but must be a list of different texts"),
]


@pytest.fixture(scope="module")
def shipped() -> Manifest:
    return load_manifest()


def written(folder: Path, text: str) -> Path:
    path = folder / "manifest.toml"
    path.write_text(text)
    return path


class TestShipped:
    def test_what_the_issue_names_is_there(self, shipped: Manifest) -> None:
        parts = shipped.bundle("sd15")
        names = [entry.files[0].saved_as for entry in parts.offsets]
        assert names == [offsets_path(Path(), model).name for model in get_args(ModelName)]
        assert {"realistic-vision-v51", "stable-diffusion-v1-5"} <= {entry.name for entry in parts.bases}
        assert [entry.name for entry in parts.extras] == ["lcm-lora-sdv1-5", "taesd"]

    def test_a_base_is_a_whole_diffusers_folder(self, shipped: Manifest) -> None:
        for base in shipped.bundle("sd15").bases:
            folders = {file.path.split("/")[0] for file in base.files}
            assert folders >= {"model_index.json", "scheduler", "text_encoder", "tokenizer", "unet", "vae"}

    def test_there_is_a_base_for_commercial_use(self, shipped: Manifest) -> None:
        assert any(base.commercial == "yes" for base in shipped.bundle("sd15").bases)

    def test_segmenters_are_those_of_the_catalogue(self, shipped: Manifest) -> None:
        found = {entry.name: entry for entry in shipped.entries.values() if entry.kind == "segmenter"}
        assert list(found) == list(catalogue.MODELS)
        assert get_args(Commercial) == get_args(catalogue.Commercial)
        for name, model in catalogue.MODELS.items():
            assert (found[name].licence, found[name].commercial) == (model.licence, model.commercial), name
            assert [file.path for file in found[name].files] == ([] if model.asset is None else [model.asset])
            assert [file.saved_as for file in found[name].files] in ([], [model.file])

    @pytest.mark.parametrize("name", [name for name, model in catalogue.MODELS.items() if model.asset is not None])
    def test_rembg_fetches_and_checks_the_same(self, name: str, shipped: Manifest) -> None:
        (file,) = shipped.entry(name).files
        address = f'"{shipped.entry(name).urls(file)[0]}"'
        source = next(text for path in SESSIONS.glob("*.py") if address in (text := path.read_text()))
        assert f'"md5:{file.md5}"' in source or f'"sha256:{file.sha256}"' in source

    def test_it_comes_with_the_wheel_to_where_it_is_looked_for(self) -> None:
        wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
        assert "weights/manifest.toml" in wheel["only-include"]
        assert ROOT / wheel["sources"]["weights"] == embedded.WEIGHTS[0]
        assert embedded.manifest_file() == ROOT / "weights" / "manifest.toml"


class TestReading:
    def test_a_small_one(self, tmp_path: Path) -> None:
        manifest = load_manifest(written(tmp_path, SMALL))
        plain, light, half = manifest.entries.values()
        assert manifest.bundle("sd15").bases == (plain,)
        assert (plain.size, plain.about, plain.least, plain.doubts) == (None, 15, 15, ("size", "sha256"))
        assert (light.size, light.about, light.least) == (None, None, 0)
        assert light.doubts == ("revision", "licence", "size", "sha256")
        assert (light.files[0].saved_as, plain.files[0].saved_as) == ("light.safetensors", "unet/model.safetensors")
        assert (half.size, half.about, half.files, half.made_from) == (None, None, (), "light")

    def test_addresses_come_from_the_maker_first(self, tmp_path: Path) -> None:
        plain, light, _ = load_manifest(written(tmp_path, SMALL)).entries.values()
        assert plain.urls(plain.files[1]) == (
            "https://huggingface.co/maker/plain/resolve/abc/unet/config.json",
            "https://mirror.example/plain/unet/config.json",
        )
        text = SMALL.replace('unconfirmed = ["revision", "licence"]', 'unconfirmed = ["licence"]\nrevision = "v1"')
        text = text.replace(
            '[entry.source]\nrepository = "page"\n\n', '[entry.source]\nrepository = "p"\nrevision = "p"\n\n'
        )
        light = load_manifest(written(tmp_path, text)).entry("light")
        assert light.urls(light.files[0]) == (
            "https://github.com/maker/light/releases/download/v1/Light-1.safetensors",
        )

    @pytest.mark.parametrize(("old", "new", "fault"), DAMAGES, ids=[fault[:50] for *_, fault in DAMAGES])
    def test_damage_is_named_in_one_sentence(self, old: str, new: str, fault: str, tmp_path: Path) -> None:
        assert old in SMALL
        path = written(tmp_path, SMALL.replace(old, new, 1))
        with pytest.raises(WeightsError) as caught:
            load_manifest(path)
        sentence = str(caught.value)
        assert sentence.startswith(f"{path} is damaged, ")
        assert fault in sentence
        assert sentence.endswith(": mend it or install iclight-local again.")
        assert "\n" not in sentence

    @pytest.mark.parametrize("content", [b"[[entry", b"\xff\xfe"])
    def test_no_toml(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "manifest.toml"
        path.write_bytes(content)
        with pytest.raises(WeightsError, match="is no valid TOML"):
            load_manifest(path)

    def test_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(WeightsError, match=r"cannot be read \(No such file or directory\)"):
            load_manifest(tmp_path / "gone.toml")
        monkeypatch.setattr(embedded, "WEIGHTS", (tmp_path,))
        with pytest.raises(WeightsError, match=r"lacks its weights/manifest\.toml"):
            load_manifest()

    def test_unknown_names(self, shipped: Manifest) -> None:
        with pytest.raises(WeightsError, match=r"has no entry iclight-fcc: did you mean iclight-fc\?"):
            shipped.entry("iclight-fcc")
        with pytest.raises(WeightsError, match=r"has no bundle flux: there are sd15\."):
            shipped.bundle("flux")


class TestCommercialUse:
    def entries(self, folder: Path) -> list[Entry]:
        return list(load_manifest(written(folder, SMALL)).entries.values())

    def test_allowed(self, tmp_path: Path) -> None:
        require_commercial(self.entries(tmp_path)[0])

    def test_unknown(self, tmp_path: Path) -> None:
        with pytest.raises(
            WeightsError, match=r"^Whether light may be .* unknown, its licence is not stated: ask .*\.$"
        ):
            require_commercial(self.entries(tmp_path)[1])

    def test_forbidden(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match=r"^half may not be used commercially \(CC BY-NC 4\.0\): .*\.$"):
            require_commercial(self.entries(tmp_path)[2])
