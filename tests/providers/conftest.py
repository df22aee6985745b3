from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are asked for more often than the APIs' documents say, and nobody waits long between tries."""
    monkeypatch.setattr("iclight_local.dialects.segmind_sending.INTERVAL_S", 0.02)
    monkeypatch.setattr("iclight_local.dialects.pixeldojo_sending.INTERVAL_S", 0.02)
    monkeypatch.setattr("iclight_local.engines.retrying.FIRST_WAIT_S", 0.05)
    monkeypatch.setattr("iclight_local.engines.arriving.PAUSE_S", 0.02)
    monkeypatch.setattr("iclight_local.engines.watched.LOOK_S", 0.02)
