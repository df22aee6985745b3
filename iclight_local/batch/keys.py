"""What makes a row the same row: what was asked, and the contents of its pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from iclight_local.batch.base import Row
from iclight_local.batch.places import fetch
from iclight_local.engines.record import INPUTS
from iclight_local.imaging.sources import Fetched
from iclight_local.plan import RANDOM_SEED_BITS
from iclight_local.request import RelightRequest

FILE = ("output_format", "output_quality")
"""Parameters that change no pixel."""


def asked_of(request: RelightRequest) -> str:
    """Digest of everything that is asked, the pictures apart.

    What is left to its default is left out: a version with one more parameter finds the same digests.
    """
    return digest(request.model_dump(exclude=set(INPUTS), exclude_defaults=True))


def pictures_of(row: Row) -> dict[str, str]:
    """The places of a row's pictures, by parameter."""
    return {name: str(row.values[name]) for name in INPUTS if row.values.get(name) is not None}


def contents_of(row: Row, *, offline: bool) -> dict[str, Fetched]:
    """The bytes of a row's pictures, by parameter.

    Raises:
        InvalidRequest: one of them cannot be read.
        EngineError: the network failed.
    """
    return {name: fetch(place, offline=offline) for name, place in pictures_of(row).items()}


def key_of(asked: str, contents: Mapping[str, bytes]) -> str:
    """Digest of what is asked and of the pictures' contents: two rows of one key give one result."""
    return digest([asked, {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}])


def seed_of(request: RelightRequest, contents: Mapping[str, bytes]) -> int:
    """The seed of a row that names none: it follows from what is asked and its pictures, whatever file it goes to."""
    pixels = request.model_dump(exclude={*INPUTS, *FILE}, exclude_defaults=True)
    return int(key_of(digest(pixels), contents)[: RANDOM_SEED_BITS // 4], 16)


def digest(value: Any) -> str:
    """sha256 of plain JSON values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
