"""The place that opens an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from iclight_local import Engine, open_engine
from iclight_local.assemble import engine_from
from iclight_local.engines.local import LocalEngine, LocalOptions
from iclight_local.errors import InvalidRequest, Unsupported, WeightsError
from iclight_local.settings import Settings
from iclight_local.store.bundles import Bundle

BUNDLE = Path(__file__).parent / "goldens" / "bundle"


def test_settings_reach_the_engine(tmp_path: Path) -> None:
    engine = open_engine(
        home=tmp_path,
        weights=str(BUNDLE),
        device="cpu",
        precision="fp32",
        segmenter="u2net",
        allow_noncommercial=True,
        offline=True,
    )
    assert isinstance(engine, LocalEngine)
    assert isinstance(engine, Engine)
    assert engine.options == LocalOptions(
        bundle=Bundle("bundle", BUNDLE),
        home=tmp_path,
        device="cpu",
        precision="fp32",
        segmenter="u2net",
        allow_noncommercial=True,
        offline=True,
    )
    assert engine.options.__dict__.keys() == {"bundle", "notices", "lasting", *Settings.model_fields} - {
        *("weights", "providers", "local_first", "remote_seconds", "upload_url")
    }


def test_defaults_are_the_same_in_both_places(tmp_path: Path) -> None:
    by_settings = engine_from(Settings(home=tmp_path, weights=str(BUNDLE)))
    assert isinstance(by_settings, LocalEngine)
    assert by_settings.options == LocalOptions(bundle=Bundle("bundle", BUNDLE), home=tmp_path)


def test_environment_and_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICLIGHT_HOME", str(tmp_path))
    monkeypatch.setenv("ICLIGHT_WEIGHTS", str(BUNDLE))
    monkeypatch.setenv("ICLIGHT_SEGMENTER", "u2netp")
    engine = open_engine(segmenter="u2net")
    assert isinstance(engine, LocalEngine)
    assert (engine.options.home, engine.options.bundle.path) == (tmp_path, BUNDLE)
    assert engine.options.segmenter == "u2net"


def test_opening_loads_no_model() -> None:
    engine = open_engine(weights=str(BUNDLE))
    assert isinstance(engine, LocalEngine)
    assert engine._pipes == {}
    engine.close()


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"weights": "nowhere"}, WeightsError, "There is no bundle of weights nowhere"),
        ({}, WeightsError, "No weights were found"),
        ({"weights": str(BUNDLE), "device": "cuda:99"}, Unsupported, "Device cuda:99 was asked for"),
        ({"weights": str(BUNDLE), "device": "cpu", "precision": "fp16"}, Unsupported, "asked for on the CPU"),
        ({"weights": str(BUNDLE), "precision": "fp8"}, InvalidRequest, "must be one of auto, fp32, bf16, fp16"),
        ({"weight": str(BUNDLE)}, InvalidRequest, "There is no setting weight"),
    ],
)
def test_mistakes(settings: dict[str, str], error: type[Exception], says: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=says):
        open_engine(home=tmp_path, **settings)
