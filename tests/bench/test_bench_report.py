"""The report: it stands on its own, and shows what it is told as text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from scenery import Logged, live, no_one, scenes

from iclight_local.bench.contestants import Price
from iclight_local.bench.report import NO_PLOTS, page, write_report
from iclight_local.bench.running import Bench, Plan
from iclight_local.errors import EngineError

NASTY = """<script>alert("1")</script>&'\""""
VOID = {"meta", "img", "br", "link", "hr", "input", "line", "circle"}


class Seen(HTMLParser):
    """The tags, texts and attributes of a page; every tag that is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, "" if value is None else value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def failing(call: int) -> None:
    if call % 2:
        raise EngineError(f"It broke: {NASTY}")


@pytest.fixture
def result(tmp_path: Path) -> dict[str, Any]:
    engines = [live(Logged("a", []), Price(per_hour=1.0, words=NASTY)), live(Logged(NASTY, [], failing), Price(0.02))]
    cases = scenes(tmp_path / "scenes", prompt=NASTY)
    return Bench(Plan(cases, engines, {"prompt": NASTY}, 2, 1, tmp_path / "out"), no_one).run()


def seen(text: str) -> Seen:
    found = Seen()
    found.feed(text)
    assert found.open == []
    return found


def test_everything_told_is_shown_as_text(result: dict[str, Any], tmp_path: Path) -> None:
    found = seen(page(result, tmp_path / "out"))
    assert "script" not in found.tags
    assert not any(name.startswith("on") for name, _ in found.attributes)
    assert f"It broke: {NASTY}" in found.text and f"prompt {NASTY}" in found.text


def test_nothing_is_fetched(result: dict[str, Any], tmp_path: Path) -> None:
    path = write_report(result, tmp_path / "out")
    text = path.read_text(encoding="utf-8")
    addresses = set(re.findall(r"\w+://[^\s\"'<>)]+", text))
    assert all(address.startswith("http://www.w3.org/") for address in addresses), addresses
    assert "@import" not in text and "url(" not in text.replace("url(#", "")
    assert "default-src 'none'" in text
    sources = [value for name, value in seen(text).attributes if name in ("src", "href")]
    # The picture, the truth and the two results.
    assert len(sources) == 4 and all(value.startswith("data:image/webp;base64,") for value in sources)


def test_what_it_says(result: dict[str, Any], tmp_path: Path) -> None:
    text = page(result, tmp_path / "out")
    found = seen(text)
    for words in ("At a glance", "Relighting bench", "True render", "How it was measured", "What failed", "disc-0"):
        assert words in found.text
    # No name of a value is left in the words.
    assert not re.search(r"[{}]", found.text.split("</style>")[0].split("How it was measured")[1])
    assert "prefers-color-scheme: dark" in text and 'name="viewport"' in text
    assert text.count('<svg xmlns="http://www.w3.org/2000/svg"') == 4
    assert "currentColor" in text and "#010203" not in text
    assert "Stopped early" not in found.text
    assert (
        "Stopped early: this report has 1 of 1 picture."
        in seen(page({**result, "complete": False}, tmp_path / "out")).text
    )


def test_without_what_draws_the_plots(result: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iclight_local.bench.report.can_plot", lambda: False)
    found = seen(page(result, tmp_path / "out"))
    assert NO_PLOTS in found.text and "True render" in found.text


def test_when_it_was_stopped_at_once(tmp_path: Path) -> None:
    def stopped(call: int) -> None:
        raise KeyboardInterrupt

    engines = [live(Logged("a", [], stopped)), live(Logged("b", []))]
    result = Bench(Plan(scenes(tmp_path / "scenes"), engines, {}, 1, 1, tmp_path / "out"), no_one).run()
    found = seen(page(result, tmp_path / "out"))
    assert "Stopped early: this report has 0 of 1 picture." in found.text and "Nothing was answered." in found.text


def test_when_nobody_answered(tmp_path: Path) -> None:
    def never(call: int) -> None:
        raise EngineError("Never.")

    cases = scenes(tmp_path / "scenes")
    result = Bench(Plan(cases, [live(Logged("a", [], never))], {}, 1, 0, tmp_path / "out"), no_one).run()
    found = seen(page(result, tmp_path / "out"))
    assert "no picture" in found.text and "Nothing was answered." in found.text
