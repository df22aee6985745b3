"""Servers for tests of fetching."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.constants
import huggingface_hub.file_download
import pytest
from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

from iclight_local.store.hub import CHUNK
from tests.store.hub_server import HubServer
from tests.store.shop import Shop, closed_port


@pytest.fixture(scope="session")
def client() -> Iterator[None]:
    """One client for all tests, because making one takes long, and one that reaches nothing but this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
        patch.setenv("NO_PROXY", "127.0.0.1")
        huggingface_hub.close_session()
        disable_progress_bars()
        yield
        enable_progress_bars()
        huggingface_hub.close_session()


@pytest.fixture
def shop(client: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 10 * CHUNK)
    monkeypatch.setattr(huggingface_hub.file_download, "time", SimpleNamespace(sleep=lambda seconds: None))
    with HubServer() as server, HubServer() as mirror:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
        yield Shop(server, mirror, tmp_path / "home")
