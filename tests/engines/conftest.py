from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from iclight_local.engines.local import LocalEngine
from tests.engines.relights import asked, local, pixels
from tests.segmenters.onnx_models import write_brightness_net


@pytest.fixture(autouse=True)
def on_one_thread(one_thread: None) -> None:
    """Every test of the engine runs on one thread of torch."""


@pytest.fixture(scope="session")
def shared() -> LocalEngine:
    """An engine for tests that leave it as it is."""
    return local()


@pytest.fixture(scope="session")
def first(shared: LocalEngine) -> Any:
    """The pixels that ``asked()`` gives, on one thread as in every test here."""
    torch.set_num_threads(1)
    return pixels(shared.relight(asked()).images[0])


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A segmenter of one's own, which takes what is bright for the subject."""
    return write_brightness_net(tmp_path / "mine.onnx")
