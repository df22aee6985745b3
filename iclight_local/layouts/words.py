"""The words of CLIP's tokenizer, which single-file models leave out; every SD1.5 model has the same."""

from __future__ import annotations

from pathlib import Path

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 77
"""Tokens of a chunk, begin and end included."""
_MERGES = Path(__file__).parent / "clip" / "merges.txt"
_WORD_END = "</w>"


def clip_words() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """CLIP's vocabulary (49,408 tokens by name) and its merges, in order.

    A token is a byte, a byte that ends a word, or a merge of two tokens; begin and end come last.
    Source: ``clip/simple_tokenizer.py`` of openai/CLIP.
    """
    lines = _MERGES.read_text(encoding="utf-8").splitlines()
    merges = [(first, second) for first, second in (line.split(" ") for line in lines)]
    letters = _letters()
    tokens = [*letters, *(letter + _WORD_END for letter in letters), *map("".join, merges), BEGIN, END]
    return {token: number for number, token in enumerate(tokens)}, merges


def _letters() -> list[str]:
    """A visible letter for each byte: printable ones stand for themselves and come first, the others follow 255."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = len(set(range(256)) - set(shown))
    return [chr(code) for code in (*shown, *range(256, 256 + hidden))]
