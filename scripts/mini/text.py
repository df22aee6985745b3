"""The text side: a CLIP tokenizer learned on the prompts, a small CLIP text model, and what users add to prompts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from benchmarks.scenes.prompts import terms_in
from benchmarks.scenes.terms import TERMS
from iclight_local.request import RelightRequest

WIDTH = 96
LENGTH = 77
LAST_FILE = "tokenizer_config.json"
"""Written last: a folder that has it is whole."""
VOCABULARY = 1400
EMBEDDED = 0.5
"""Standard deviation of the token embeddings before training."""
APPENDED = str(RelightRequest.model_fields["appended_prompt"].default)
ALONE = 0.6
"""Share of the prompts that are cut down to one or two terms."""
WARM, COOL = 0.8, -0.3
"""Logarithm of red to blue of all light together, above which a light may be called warm, below which cool."""
NEGATIVE = str(RelightRequest.model_fields["negative_prompt"].default)

SUBJECTS = (
    "beautiful woman", "handsome man", "a person", "a boy", "a girl", "detailed face", "an old man", "a dog", "a cat",
    "a horse", "a bird", "a statue", "a toy", "a bottle", "a cup", "a vase", "a shoe", "a car", "a chair", "a plant",
    "a flower", "a bag", "a watch", "a robot", "a teapot", "a lamp", "a book", "a guitar", "an apple", "product photo",
    "portrait", "close-up", "photograph", "photo of a woman", "buddha", "a bust", "full body", "looking at viewer",
    "high quality", "sharp focus", "masterpiece", "realistic", "8k", "film grain", "cinematic", "highly detailed",
)  # fmt: skip
"""Words of users that say nothing about the light; the model learns to pass over them."""


def learn_tokenizer(prompts: list[str], folder: Path) -> CLIPTokenizer:
    """Learn byte pairs on prompts and write a CLIP tokenizer's folder."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, end_of_word_suffix="</w>", initial_alphabet=alphabet)
    words = Counter([*prompts, *SUBJECTS * 20, *[APPENDED, NEGATIVE] * 200])
    tokenizer.train_from_iterator((text for text, count in words.items() for _ in range(count)), trainer)
    merges = [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    # CLIP's order: bytes, bytes that end a word, merges, start and end of text.
    tokens = [*alphabet, *(f"{letter}</w>" for letter in alphabet), *("".join(pair) for pair in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    ends = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    ends["unk_token"] = "<|endoftext|>"
    (folder / "special_tokens_map.json").write_text(json.dumps(ends, indent=2) + "\n")
    kind = {"tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH, "do_lower_case": True, "errors": "replace"}
    (folder / LAST_FILE).write_text(json.dumps({**kind, **ends}, indent=2) + "\n")
    return CLIPTokenizer.from_pretrained(folder)


def build_text_model(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """A CLIP text model of two layers."""
    model = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=3 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            projection_dim=WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    # CLIP begins with rows of a fifth of a unit, which the layers' common output drowns before words are learned.
    nn.init.normal_(model.get_input_embeddings().weight, std=EMBEDDED)
    return model


def as_users_write(prompt: str, told: Sequence[str], rng: np.random.Generator) -> str:
    """A prompt with what real ones have around the words of light: subjects, unknown words, the appended prompt.

    Most often one or two true terms are all that is left of it: in a long prompt any other word explains the picture as
    well, and words of a side or of a colour are then never learned for themselves.

    Args:
        prompt: of the scene; may be empty.
        told: names of terms that are true of the light.
        rng: what is drawn.
    """
    pieces = [prompt] if prompt else []
    if told and rng.random() < ALONE:
        count = 1 if rng.random() < 0.65 else 2
        chosen = rng.permutation(np.array(told))[:count]
        pieces = [str(rng.choice(TERMS[name].phrases)) for name in chosen]
    if rng.random() < 0.3:
        pieces.insert(0, str(rng.choice(SUBJECTS)))
    if rng.random() < 0.15:
        pieces.insert(int(rng.integers(len(pieces) + 1)), _unknown_words(rng))
    if rng.random() < 0.6:
        pieces.append(APPENDED)
    return ", ".join(pieces)


def true_terms(prompt: str, side: str, environment: Sequence[Sequence[float]]) -> tuple[str, ...]:
    """Names of the terms that a scene's prompt says, that of its side, and warm or cool where its light is.

    Args:
        prompt: of the scene.
        side: left, right, top, bottom or none.
        environment: light from each direction, ``[D, 3]``, linear red, green and blue.
    """
    red, _, blue = np.sum(environment, axis=0)
    warmth = float(np.log((red + 1e-6) / (blue + 1e-6)))
    colour = ("warm",) if warmth > WARM else ("cool",) if warmth < COOL else ()
    sides = () if side == "none" else (side,)
    return tuple(dict.fromkeys((*_said(prompt), *sides, *colour)))


_said = cache(terms_in)
"""A prompt is drawn many times, and looking for a hundred phrases in it takes a while."""


def dropped(rng: np.random.Generator) -> str:
    """What stands for no prompt: the empty text, or one of the texts that the pipeline adds by itself."""
    return str(rng.choice(["", NEGATIVE, NEGATIVE, APPENDED]))


def tokens(tokenizer: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    """Ids ``[n, 77]``, as the pipeline makes them of prompts of one chunk."""
    kept = tokenizer(texts, truncation=True, padding="max_length", max_length=LENGTH, return_tensors="pt")
    ids: torch.Tensor = kept["input_ids"]
    return ids


def _unknown_words(rng: np.random.Generator) -> str:
    letters = np.array(list("aabcdeeefghiijklmnoopqrssttuvwxyz"))
    return " ".join("".join(rng.choice(letters, rng.integers(3, 10))) for _ in range(rng.integers(1, 4)))
