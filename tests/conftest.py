"""What holds for every test: a home of its own, no network beyond this machine, skips with a reason."""

from __future__ import annotations

import gc
import ipaddress
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# Before torch is imported: its threads spin while they wait, and on a machine whose cores are shared that
# makes runs of two threads six times as slow.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_CONNECT = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex")}


class NetworkReached(RuntimeError):
    """Something reached beyond this machine; no OSError, so that no code takes it for a failing network."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("iclight")
    group.addoption("--network", action="store_true", help="run the tests that need a network")


SLOWEST = (
    *("test_batch_on_ray_command.py", "test_on_ray.py", "test_compiled.py", "test_int8.py", "test_plain.py"),
    *("test_train_mini.py", "test_bad_input.py", "test_offline.py", "test_batch_command.py", "test_mini_meaning.py"),
    *("test_local.py", "test_page_relight.py", "test_page_tabs.py", "test_page_people.py", "test_page_mini.py"),
)
"""Files that take longest begin first: at the end no core then waits for another's long one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slowest files first; all else stays as it was."""
    places = {name: place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


def pytest_collection_finish() -> None:
    """Take what is imported out of what the garbage collector looks through: every relight has it collect."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot run."""
    reasons = {
        "gpu": lambda: None if _has_cuda() else "torch finds no CUDA device",
        "weights": lambda: None if os.environ.get("ICLIGHT_WEIGHTS_SD15") else "ICLIGHT_WEIGHTS_SD15 is not set",
        "network": lambda: None if item.config.getoption("--network") else "--network was not given",
        "browser": _no_browser,
    }
    for name, reason in reasons.items():
        why = reason() if item.get_closest_marker(name) is not None else None
        if why is not None:
            pytest.skip(why)


def _no_browser() -> str | None:
    from benchmarks.page.browser import NAMES, executable

    return None if executable() is not None else f"none of {', '.join(NAMES)} is on the PATH"


def _has_cuda() -> bool:
    # Only tests marked gpu pay for the import.
    import torch

    return torch.cuda.is_available()


@pytest.fixture(autouse=True, scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Homes without weights, segmenters or settings, and none in the package; a test that wants some sets its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("ICLIGHT_") and name != "ICLIGHT_WEIGHTS_SD15"]:
            patch.delenv(name)
        patch.delenv("XDG_DATA_HOME", raising=False)
        patch.setenv("ICLIGHT_HOME", str(tmp_path_factory.mktemp("iclight_home")))
        patch.setenv("U2NET_HOME", str(tmp_path_factory.mktemp("u2net_home")))
        patch.setenv("REMBG_HOME", str(tmp_path_factory.mktemp("rembg_home")))
        patch.setattr("iclight_local.embedded.PLACES", ())
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
            patch.setenv(name, "1")
        yield


@pytest.fixture(autouse=True, scope="session")
def loopback_only() -> Iterator[None]:
    """Sockets reach this machine and no other."""
    with pytest.MonkeyPatch.context() as patch:
        for name, connect in _CONNECT.items():
            patch.setattr(socket.socket, name, _guarded(connect))
        yield


@pytest.fixture(autouse=True)
def network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests marked ``network`` have one."""
    if request.node.get_closest_marker("network") is not None:
        for name, connect in _CONNECT.items():
            monkeypatch.setattr(socket.socket, name, connect)


@pytest.fixture
def mini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An embedded bundle: random weights, and a segmenter that takes what is bright for the subject."""
    from tests.segmenters.onnx_models import write_brightness_net

    folder = tmp_path / "package" / "weights" / "mini"
    shutil.copytree(Path(__file__).parent / "goldens" / "bundle", folder, copy_function=os.symlink)
    write_brightness_net(folder / "segmenter.onnx")
    monkeypatch.setattr("iclight_local.embedded.PLACES", (tmp_path / "nowhere", folder))
    return folder


# For each test anew, because importing rembg sets the number of threads that torch uses.
@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch on one thread: the random bundle is so small that a second one only waits."""
    yield from _threads(1)


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Torch on two threads, as the goldens were made: their number decides the order of float sums."""
    yield from _threads(2)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what tests have measured and recorded in their reports."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    tables = {
        "golden": ("golden pictures: grey levels off the original's", _golden_row),
        "golden_cli": ("the command line's golden pictures: grey levels off the original's", _golden_row),
        "cpu_seconds": (
            "CPU time of a start (no test rests on it)",
            lambda name, seconds: f"{name:<34} {seconds:.2f} s",
        ),
    }
    for key, (title, row) in tables.items():
        found = [value for report in reports for name, value in report.user_properties if name == key]
        if found:
            terminalreporter.section(title)
            for values in found:
                terminalreporter.write_line(row(*values))


def _golden_row(name: str, largest: int, mean: float) -> str:
    return f"{name:<34} max {largest:3d}   mean {mean:.5f}"


def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


def _guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(str(address[0])):
            raise NetworkReached(f"a test reached for {address}")
        return connect(self, address)

    return guarded


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
