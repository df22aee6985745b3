from __future__ import annotations

from collections.abc import Callable, Iterator

import diffusers
import numpy as np
import pytest
import torch
from golden_pictures import composite, load_pipe

from iclight_local.imaging.fit import UInt8Array
from iclight_local.pipelines.iclight import ICLightPipeline


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """One thread, for fixtures of a module too, and no bars of loading."""
    diffusers.utils.logging.disable_progress_bar()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    diffusers.utils.logging.enable_progress_bar()


@pytest.fixture(scope="session")
def pipes() -> Callable[[str], ICLightPipeline]:
    """Pipelines shared by all tests, by model: a test that changes one loads its own with ``load_pipe``."""
    loaded: dict[str, ICLightPipeline] = {}

    def pipe_of(model: str) -> ICLightPipeline:
        if model not in loaded:
            loaded[model] = load_pipe(model)
        return loaded[model]

    return pipe_of


@pytest.fixture(scope="session")
def fc(pipes: Callable[[str], ICLightPipeline]) -> ICLightPipeline:
    return pipes("fc")


@pytest.fixture(scope="session")
def fbc(pipes: Callable[[str], ICLightPipeline]) -> ICLightPipeline:
    return pipes("fbc")


@pytest.fixture(scope="session")
def foreground() -> UInt8Array:
    return composite()


@pytest.fixture(scope="session")
def background() -> UInt8Array:
    return np.random.default_rng(0).integers(0, 256, (90, 110, 3), dtype=np.uint8)
