"""The one bar of `iclight weights`: bytes on a terminal, nothing in a pipe."""

from __future__ import annotations

import io

import pytest

from iclight_local.cli.weights.bar import bytes_bar


class Screen(io.StringIO):
    """A terminal, or a pipe."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """No fixture, because pytest has an error stream of its own for each phase of a test."""
    screen = Screen(terminal=True)
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "120")
    return screen


def test_bytes_without_a_total(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on_a_terminal(monkeypatch)
    with bytes_bar("packing") as bar:
        bar.add(3_000_000)
    assert "packing: " in screen.getvalue()
    assert "%" not in screen.getvalue()


def test_what_is_here_already_is_progress_and_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on_a_terminal(monkeypatch)
    with bytes_bar("looking") as bar:
        bar.set("first.bin", 6_000_000, 8_000_000)
        bar.set("second.bin", 8_000_000, 8_000_000)
        shown = bar._shown.format_dict
        assert (shown["initial"], shown["n"], shown["total"]) == (6_000_000, 8_000_000, 8_000_000)
        bar._shown.refresh()
    last = screen.getvalue().rpartition("second.bin")[2]
    assert "100%" in last
    assert "8.00M/8.00M" in last


@pytest.mark.parametrize("stderr", [Screen(terminal=False), None], ids=["pipe", "none"])
def test_nothing_without_a_terminal(stderr: Screen | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", stderr)
    with bytes_bar("packing") as bar:
        bar.add(1)
        bar.set("a", 1, 2)
    assert stderr is None or stderr.getvalue() == ""
