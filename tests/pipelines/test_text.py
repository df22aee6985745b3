"""Prompts of any length."""

from __future__ import annotations

import pytest
import torch
from golden_pictures import SMALL

from iclight_local.imaging.fit import UInt8Array
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.text import balance, chunk_tokens, encode_text, stack

BOS, EOS = 900, 901
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("count", "chunks", "padding"), [(0, 1, 75), (1, 1, 74), (75, 1, 0), (76, 2, 74), (150, 2, 0), (151, 3, 74)]
)
def test_chunks_of_75_tokens(count: int, chunks: int, padding: int) -> None:
    made = chunk_tokens(list(range(count)), BOS, EOS, 77)
    assert len(made) == chunks
    assert all(len(chunk) == 77 and chunk[0] == BOS and chunk[-1] == EOS for chunk in made)
    assert [token for chunk in made for token in chunk if token < BOS] == list(range(count))
    assert sum(chunk.count(EOS) for chunk in made) == chunks + padding


def test_padding_is_behind_the_tokens() -> None:
    assert chunk_tokens([5, 6], BOS, EOS, 6) == [[BOS, 5, 6, EOS, EOS, EOS]]
    assert chunk_tokens([], BOS, EOS, 4) == [[BOS, EOS, EOS, EOS]]


def test_encoding_is_the_text_encoders_for_each_chunk(fc: ICLightPipeline) -> None:
    text = "sunset over sea " * 20
    with torch.no_grad():
        encoded = encode_text(fc.tokenizer, fc.text_encoder, text, CPU)
        tokens = fc.tokenizer(text, add_special_tokens=False)["input_ids"]
        last = [BOS, *tokens[75 * (len(encoded) - 1) :]]
        last = [fc.tokenizer.bos_token_id, *last[1:]]
        last += [fc.tokenizer.eos_token_id] * (77 - len(last))
        alone = fc.text_encoder(torch.tensor([last])).last_hidden_state
    assert encoded.shape == (-(-len(tokens) // 75), 77, 32)
    assert len(encoded) > 2
    assert torch.allclose(encoded[-1:], alone, atol=1e-5)


def test_an_empty_text_is_one_chunk(fc: ICLightPipeline) -> None:
    with torch.no_grad():
        assert encode_text(fc.tokenizer, fc.text_encoder, "", CPU).shape == (1, 77, 32)


def test_an_empty_prompt_makes_a_picture(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    knobs = {**SMALL, "prompt": "", "appended_prompt": "", "negative_prompt": ""}
    assert fc(foreground, **knobs).images[0].shape == (192, 128, 3)


def test_the_shorter_text_is_repeated_and_cut() -> None:
    two = torch.arange(2.0).reshape(2, 1, 1).expand(2, 77, 4)
    three = torch.arange(10.0, 13.0).reshape(3, 1, 1).expand(3, 77, 4)
    positive, negative = balance(two, three)
    assert positive.shape == negative.shape == (1, 3 * 77, 4)
    assert positive[0, ::77, 0].tolist() == [0, 1, 0]
    assert negative[0, ::77, 0].tolist() == [10, 11, 12]
    swapped, _ = balance(three, two)
    assert torch.equal(swapped, negative)


def test_texts_of_one_length_stay_as_they_are() -> None:
    one, other = torch.randn(1, 77, 4), torch.randn(1, 77, 4)
    positive, negative = balance(one, other)
    assert torch.equal(positive, one)
    assert torch.equal(negative, other)


def test_stacking_repeats_to_the_least_common_length() -> None:
    parts = [torch.randn(1, length, 4) for length in (77, 154, 231)]
    stacked = stack(parts)
    assert stacked.shape == (3, 6 * 77, 4)
    for row, part in zip(stacked, parts, strict=True):
        assert torch.equal(row, part.repeat(1, len(row) // part.shape[1], 1)[0])


def test_attention_over_repeated_keys_is_attention_over_the_keys() -> None:
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(1, 5, 4, generator=generator)
    long, short = (torch.randn(1, length, 4, generator=generator) for length in (6, 2))
    attend = torch.nn.functional.scaled_dot_product_attention
    rows = stack([long, short])
    for row, keys in zip(rows.split(1), (long, short), strict=True):
        assert torch.allclose(attend(query, row, row), attend(query, keys, keys), atol=1e-6)
