"""Who takes part in a bench: this machine alone, or one provider alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from iclight_local.bench.contestants import Price, find_contestant
from iclight_local.engines.fallback import FallbackEngine
from iclight_local.errors import InvalidRequest
from iclight_local.settings import LOCAL
from tests.engines.relights import BUNDLE

HERE = {"weights": str(BUNDLE), "device": "cpu"}


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner who allows a provider as a fallback."""
    monkeypatch.setenv("ICLIGHT_PROVIDERS", "photoroom")
    monkeypatch.setenv("SEGMIND_API_KEY", "sg_a-key-of-nobody")


def test_this_machine_is_nobody_else(tmp_path: Path) -> None:
    found = find_contestant(LOCAL, {**HERE, "home": str(tmp_path)}, None)
    engine = found.open()
    assert engine.name == "local"
    assert found.fresh is not None and found.fresh["providers"] == []


def test_a_provider_is_asked_alone(tmp_path: Path) -> None:
    found = find_contestant("segmind-ic-light", {**HERE, "home": str(tmp_path)}, None)
    engine = found.open()
    assert isinstance(engine, FallbackEngine)
    assert [(each.name, each.hosted) for each in engine._candidates] == [("segmind-ic-light", True)]
    assert (found.fresh, found.price.per_picture) == (None, None)


def test_the_stated_price_is_its_most() -> None:
    price = find_contestant("segmind-relighting-v2", HERE, None).price
    assert price.per_picture == pytest.approx(0.333)
    assert "0.033 to 0.333 dollars" in price.words
    assert find_contestant("segmind-relighting-v2", HERE, Price(0.5)).price == Price(0.5)
    credits = find_contestant("pixeldojo", HERE, None).price
    assert credits.per_picture is None and "credit" in credits.words


def test_offline_nobody_is_asked(tmp_path: Path) -> None:
    found = find_contestant("segmind-ic-light", {**HERE, "home": str(tmp_path), "offline": True}, None)
    with pytest.raises(InvalidRequest, match="offline"):
        found.open()


def test_an_unknown_one_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"no engine 'nobody' to bench: there are local, .*photoroom"):
        find_contestant("nobody", HERE, None)
