from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import diffusers
import numpy as np
import pytest
import torch
from golden_pictures import composite, load_pipe

from iclight_local.imaging.fit import UInt8Array
from iclight_local.pipelines.iclight import ICLightPipeline


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"something reached for the network: {args} {kwargs}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """The models are so small that a second thread only waits, and on a busy machine waits long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    diffusers.utils.logging.disable_progress_bar()
    yield
    diffusers.utils.logging.enable_progress_bar()
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pipes(one_thread: None) -> Callable[[str], ICLightPipeline]:
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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how far every golden picture is from the original's."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    rows = [value for report in reports for name, value in report.user_properties if name == "golden"]
    if rows:
        terminalreporter.section("golden pictures: grey levels off the original's")
        for name, largest, mean in rows:
            terminalreporter.write_line(f"{name:<24} max {largest:3d}   mean {mean:.5f}")
