"""Settings: file, environment, command line, in rising order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iclight_local.errors import InvalidRequest
from iclight_local.settings import Settings, load_settings


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def load(home: Path, overrides: dict[str, Any] | None = None, **environ: str) -> Settings:
    return load_settings(overrides, {"ICLIGHT_HOME": str(home), **environ})


def refusal(home: Path, overrides: dict[str, Any] | None = None, **environ: str) -> str:
    with pytest.raises(InvalidRequest) as caught:
        load(home, overrides, **environ)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def config(home: Path, text: str) -> Path:
    path = home / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults(home: Path) -> None:
    assert load_settings(environ={}).home == Path.home() / ".iclight"
    assert load(home) == Settings(home=home)
    assert (Settings().device, Settings().precision, Settings().segmenter) == ("auto", "auto", None)
    assert (Settings().offline, Settings().allow_noncommercial, Settings().weights) == (False, False, None)


def test_the_process_is_the_default_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICLIGHT_HOME", str(home))
    monkeypatch.setenv("ICLIGHT_DEVICE", "cpu")
    assert load_settings() == Settings(home=home, device="cpu")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("weights", "sd15", "sd15"),
        ("device", "cuda:1", "cuda:1"),
        ("precision", "bf16", "bf16"),
        ("segmenter", "u2net", "u2net"),
        ("allow_noncommercial", "1", True),
        ("offline", "true", True),
        ("offline", "0", False),
        ("offline", "", False),
        ("device", "", "auto"),
    ],
)
def test_every_setting_has_a_variable(name: str, text: str, value: object, home: Path) -> None:
    assert getattr(load(home, **{f"ICLIGHT_{name.upper()}": text}), name) == value


def test_the_file(home: Path) -> None:
    config(home, 'weights = "größe"\noffline = true\n')
    settings = load(home)
    assert (settings.weights, settings.offline, settings.device) == ("größe", True, "auto")


def test_precedence(home: Path) -> None:
    config(home, 'device = "file"\nweights = "file"\nsegmenter = "file"\n')
    settings = load(home, {"device": "given"}, ICLIGHT_DEVICE="env", ICLIGHT_WEIGHTS="env")
    assert (settings.device, settings.weights, settings.segmenter) == ("given", "env", "file")


def test_none_is_not_given(home: Path) -> None:
    assert load(home, {"device": None}, ICLIGHT_DEVICE="env").device == "env"


def test_false_is_given(home: Path) -> None:
    assert load(home, {"offline": False}, ICLIGHT_OFFLINE="1").offline is False


def test_home_decides_which_file_is_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = home / "other"
    other.mkdir()
    config(other, 'weights = "there"\n')
    assert load(home, {"home": other}).weights == "there"
    assert load(home, {"home": str(other)}).home == other
    monkeypatch.setenv("HOME", str(home))
    assert load(Path("~/other")) == Settings(home=other, weights="there")


def test_they_are_frozen(home: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(home).device = "cpu"  # type: ignore[misc]


class TestMistakes:
    def test_in_the_environment(self, home: Path) -> None:
        needed = "is 'fp8', but must be one of auto, fp32, bf16, fp16, int8."
        assert refusal(home, ICLIGHT_PRECISION="fp8") == f"ICLIGHT_PRECISION {needed}"
        assert refusal(home, ICLIGHT_OFFLINE="maybe") == "ICLIGHT_OFFLINE is 'maybe', but must be true or false."

    def test_in_the_file(self, home: Path) -> None:
        path = config(home, 'precision = "fp8"\n')
        assert refusal(home) == f"precision in {path} is 'fp8', but must be one of auto, fp32, bf16, fp16, int8."
        config(home, "device = 5\n")
        assert refusal(home) == f"device in {path} is 5, but must be text."

    def test_given(self, home: Path) -> None:
        sentence = refusal(home, {"precision": "fp8"}, ICLIGHT_PRECISION="fp16")
        assert sentence == "The setting precision is 'fp8', but must be one of auto, fp32, bf16, fp16, int8."

    def test_a_better_word_covers_a_worse(self, home: Path) -> None:
        config(home, 'precision = "fp8"\n')
        assert load(home, ICLIGHT_PRECISION="fp32").precision == "fp32"

    def test_unknown_names(self, home: Path) -> None:
        assert "There is no setting wieghts: the settings are home, weights," in refusal(home, {"wieghts": "x"})
        path = config(home, 'wieghts = "x"\n')
        assert f"There is no setting wieghts (in {path}): the settings are" in refusal(home)

    def test_variables_of_others_are_left_alone(self, home: Path) -> None:
        assert load(home, ICLIGHT_WEIGHTS_SD15="/x", ICLIGHT_NONSENSE="1") == Settings(home=home)

    def test_a_file_that_moves_itself(self, home: Path) -> None:
        path = config(home, 'home = "/elsewhere"\n')
        assert refusal(home).startswith(f"{path} sets home,")

    def test_a_file_that_is_no_toml(self, home: Path) -> None:
        path = config(home, "device = cpu\n")
        assert refusal(home).startswith(f"{path} is no valid TOML (")
        path.write_bytes(b"device = '\xff'\n")
        assert refusal(home).startswith(f"{path} is no valid TOML (")

    def test_a_file_that_cannot_be_read(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*args: object, **kwargs: object) -> str:
            raise PermissionError(13, "Permission denied")

        path = config(home, "")
        monkeypatch.setattr(Path, "read_text", refuse)
        assert refusal(home) == f"{path} cannot be read (Permission denied): mend or remove it."
