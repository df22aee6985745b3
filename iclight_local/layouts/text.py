"""Names of a text encoder's tensors: with ``text_model.`` before them (CompVis, diffusers folders) or without.

Transformers 5 writes and wants them without, older releases with it.
Source: CompVis ``ldm/modules/encoders/modules.py`` (``FrozenCLIPEmbedder``) and transformers ``CLIPTextModel``.
"""

from __future__ import annotations

from collections.abc import Collection

from iclight_local.errors import WeightsError
from iclight_local.headers import shown

WRAPPER = "text_model."
_PARTS = ("embeddings.", "encoder.layers.", "final_layer_norm.")
_COUNTERS = "embeddings.position_ids"
"""A buffer of 0, 1, 2 … in old files; it is no weight."""


def text_names(keys: Collection[str], wrapper: str = WRAPPER) -> dict[str, str]:
    """The wanted name of each weight of a text encoder; what is no weight is left out.

    Args:
        keys: every key of the text encoder, without a prefix like ``cond_stage_model.transformer.``.
        wrapper: what shall stand before each name, ``text_model.`` or nothing.

    Raises:
        WeightsError: a key that no such text encoder has.
    """
    bare = {key: key.removeprefix(WRAPPER) for key in keys}
    for key, name in bare.items():
        if not name.startswith(_PARTS):
            raise WeightsError(f"{shown(key)} is no key of a CLIP text encoder: that of an SD1.5 model was needed.")
    return {key: wrapper + name for key, name in bare.items() if name != _COUNTERS}
