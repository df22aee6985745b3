"""Homes, trees, archives and servers for the tests of the store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.constants
import huggingface_hub.file_download
import pytest
from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

from iclight_local.store.hub import CHUNK
from tests.cli.commands import BUNDLE
from tests.store.archives import Member, bundle_members
from tests.store.hub_server import HubServer
from tests.store.shop import Shop, closed_port
from tests.store.weights_trees import FBC, FC, FCON, manifest_text, use_manifest


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    return folder


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest that knows the random bundle's files; the size of fcon only roughly."""
    use_manifest(tmp_path, monkeypatch, manifest_text({"fc": FC, "fcon": FCON}, exact=False))


@pytest.fixture
def small(tmp_path: Path) -> list[Member]:
    """The members of a bundle with one model, the smallest there can be."""
    folder = tmp_path / "small"
    shutil.copytree(BUNDLE, folder)
    for path in (FCON, FBC):
        (folder / path.name).unlink()
    return bundle_members(folder)


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
