"""Prompts of any length: 75-token chunks, each with its own start and end token."""

from __future__ import annotations

import math
import re
from typing import Any

import torch

BOS_AND_EOS = 2
_IDEOGRAPH = re.compile(
    "([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f])"
)


def chunk_tokens(tokens: list[int], bos: int, eos: int, length: int) -> list[list[int]]:
    """Cut tokens into chunks of ``length`` ids, bos and eos included, the last one padded with eos.

    An empty text is one empty chunk. (The original demos crash on it.)
    """
    room = length - BOS_AND_EOS
    starts = range(0, len(tokens), room) if tokens else range(1)
    chunks = [[bos, *tokens[start : start + room], eos] for start in starts]
    return [chunk + [eos] * (length - len(chunk)) for chunk in chunks]


def encode_text(tokenizer: Any, text_encoder: Any, text: str, device: torch.device) -> torch.Tensor:
    """Encode ``text`` without truncation.

    Args:
        tokenizer: a CLIPTokenizer.
        text_encoder: a CLIPTextModel.
        text: any length.
        device: where the encoder runs.

    Returns:
        ``chunks x 77 x width``, in the encoder's dtype.
    """
    ids = torch.tensor(chunks_of(tokenizer, text_encoder, text), dtype=torch.int64, device=device)
    embeddings: torch.Tensor = text_encoder(ids).last_hidden_state
    return embeddings


def chunks_of(tokenizer: Any, text_encoder: Any, text: str) -> list[list[int]]:
    """The ids of a text's chunks, as its encoder takes them; arguments as for :func:`encode_text`."""
    length = min(int(tokenizer.model_max_length), int(text_encoder.config.max_position_embeddings))
    # The original's transformers (4.36, without ftfy) tokenises ideographs one by one; today's joins them.
    text = _IDEOGRAPH.sub(r" \1 ", text)
    # A length limit that is never reached keeps the tokenizer from warning of texts beyond one chunk.
    tokens = tokenizer(text, truncation=False, add_special_tokens=False, max_length=10**9)["input_ids"]
    return chunk_tokens(list(tokens), tokenizer.bos_token_id, tokenizer.eos_token_id, length)


def balance(positive: torch.Tensor, negative: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Repeat the shorter of two encoded texts to the chunks of the longer one, and join the chunks.

    Args:
        positive: ``p x 77 x width``.
        negative: ``n x 77 x width``.

    Returns:
        Two tensors of ``1 x (max(p, n) * 77) x width``.
    """
    chunks = max(len(positive), len(negative))
    return _extend(positive, chunks), _extend(negative, chunks)


def _extend(embeddings: torch.Tensor, chunks: int) -> torch.Tensor:
    repeated = embeddings.repeat(math.ceil(chunks / len(embeddings)), 1, 1)[:chunks]
    return repeated.reshape(1, -1, embeddings.shape[-1])


def stack(embeddings: list[torch.Tensor]) -> torch.Tensor:
    """Stack encoded texts of different lengths into one batch.

    Each is repeated as a whole until all have one length: attention over keys that are all repeated
    equally often gives the same result as over the keys themselves.

    Args:
        embeddings: tensors of ``1 x length x width``.

    Returns:
        ``len(embeddings) x lcm(lengths) x width``.
    """
    length = math.lcm(*(part.shape[1] for part in embeddings))
    return torch.cat([part.repeat(1, length // part.shape[1], 1) for part in embeddings])
