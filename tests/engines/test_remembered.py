"""Texts and light maps are encoded once for many pictures, and come out as they would each time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from iclight_local.pipelines.remembered import Remembered
from tests.engines.relights import asked, local, pixels


def test_an_engine_encodes_a_text_and_a_light_once(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = local()
    pipe = engine.load("fc")
    texts: list[int] = []
    pictures: list[int] = []
    for module, name, calls in ((pipe.text_encoder, "forward", texts), (pipe.vae, "encode", pictures)):
        original = getattr(module, name)

        def counted(*values: Any, original: Any = original, calls: list[int] = calls, **more: Any) -> Any:
            calls.append(len(values[0]) if values else len(more["input_ids"]))
            return original(*values, **more)

        monkeypatch.setattr(module, name, counted)
    first = engine.relight(asked(light_source="left"))
    assert (len(texts), len(pictures)) == (2, 4), "two texts; the light, the picture for each pass, the enlarged one"
    again = engine.relight(asked(light_source="left"))
    assert (len(texts), len(pictures)) == (2, 7)
    assert np.array_equal(pixels(first.images[0]), pixels(again.images[0]))
    engine.relight(asked(light_source="right", prompt="dusk"))
    assert (len(texts), len(pictures)) == (4, 11), "both texts of a pair are encoded for each other's length"


def test_what_is_remembered_changes_no_picture() -> None:
    seen, fresh = local(), local()
    for prompt in ("dusk", "dawn, " * 40):
        for _ in range(2):
            wanted = fresh.relight(asked(light_source="left", prompt=prompt)).images[0]
            fresh.close()
            assert np.array_equal(
                pixels(seen.relight(asked(light_source="left", prompt=prompt)).images[0]), pixels(wanted)
            )


def test_the_longest_unasked_is_dropped_first() -> None:
    made: list[str] = []
    kept = Remembered(2)

    def make(name: str) -> str:
        return kept.get(name, lambda: made.append(name) or name)  # type: ignore[func-returns-value]

    for name in ("a", "b", "a", "c", "a", "b"):
        assert make(name) == name
    assert made == ["a", "b", "c", "b"]
    nothing = Remembered()
    assert [nothing.get("a", lambda: 1), nothing.get("a", lambda: 2)] == [1, 2]
