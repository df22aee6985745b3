"""Edits to ask for, and the sentence that refuses one."""

from __future__ import annotations

from typing import Any

import pytest

from iclight_local.errors import InvalidRequest
from iclight_local.request import EditRequest

A_LENGTH = "a ratio from 0 to 0.49, a percentage like 10%, or pixels like 100px."
LENGTHS = ("margin", "padding")
SIDES = ("top", "right", "bottom", "left")


def edit(**knobs: Any) -> EditRequest:
    return EditRequest(subject_image="a.png", **knobs)


def refused(**knobs: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        edit(**knobs)
    assert caught.value.exit_status == 2
    return str(caught.value)
