"""Whether rows are requests: each combination of values that are constrained is built once, however many rows share it.

What cannot be refused is not looked at again: prompts are any text, pictures any place, and a seed of few enough digits
is in its range. Everything else goes through :class:`~iclight_local.request.RelightRequest` itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iclight_local.batch.records import PICTURES, Values
from iclight_local.engines.writing import TEXTS, check_texts, check_transparency
from iclight_local.errors import InvalidRequest
from iclight_local.request import RelightRequest

MOST_KEPT = 20_000
"""Combinations that are remembered at a time."""

_FREE = frozenset((*TEXTS, *PICTURES))
_FREE_WITH_SEED = _FREE | {"seed"}
# The largest seed has 19 digits.
_MOST_DIGITS = 18


@dataclass(frozen=True)
class Accepted:
    """What rows of one combination have in common.

    Attributes:
        request: of the first such row; the other rows differ in prompts, pictures and seed.
        pictures: names of the parameters that are places.
    """

    request: RelightRequest
    pictures: tuple[str, ...]


class Combinations:
    """Answers whether values are a request, and remembers the answers."""

    def __init__(self) -> None:
        self._answers: dict[tuple[Any, ...], Accepted | str] = {}

    def of(self, values: Values) -> Accepted:
        """What a row's request has in common with others.

        Args:
            values: of one row, the defaults included; texts in valid UTF-8.

        Raises:
            InvalidRequest: as building the request would.
        """
        seed = values.get("seed")
        free = _FREE if seed is None or not _is_plain(seed) else _FREE_WITH_SEED
        key = tuple([name if name in free else (name, value) for name, value in values.items()])
        answer = self._answers.get(key)
        if answer is None:
            if len(self._answers) >= MOST_KEPT:
                self._answers.clear()
            answer = self._answers[key] = _build(values)
        if isinstance(answer, str):
            raise InvalidRequest(answer)
        return answer


def _is_plain(seed: str) -> bool:
    return seed.isascii() and seed.isdigit() and len(seed) <= _MOST_DIGITS


def _build(values: Mapping[str, Any]) -> Accepted | str:
    try:
        request = RelightRequest(**values)
        return Accepted(request, tuple(name for name in PICTURES if name in values))
    except InvalidRequest as error:
        return str(error)


def check_format(accepted: Accepted, values: Values, output_format: str) -> None:
    """Refuse what the format of a result's name cannot hold.

    Args:
        accepted: what the row's combination is.
        values: of the row.
        output_format: ``png``, ``jpeg`` or ``webp``.

    Raises:
        InvalidRequest: transparency, or prompts that are too long to be recorded, in a JPEG.
    """
    if output_format != "jpeg":
        return
    check_transparency(accepted.request, output_format)
    check_texts({name: values.get(name, RelightRequest.model_fields[name].default) for name in TEXTS}, output_format)
