"""Relights through ``open_engine`` that take a moment."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from iclight_local import RelightRequest, open_engine
from iclight_local.engines.local import LocalEngine

GOLDENS = Path(__file__).parents[1] / "goldens"
BUNDLE = GOLDENS / "bundle"
SUBJECT, PLAIN, MATTE, BACKGROUND = (
    GOLDENS / "inputs" / name for name in ("subject_rgba.png", "subject.png", "alpha.png", "background.png")
)
SMALL: dict[str, Any] = {"width": 64, "height": 64, "steps": 2, "highres_scale": 1, "seed": 5}
"""Knobs of a relight that takes a moment."""


def local(**settings: Any) -> LocalEngine:
    engine = open_engine(**{"weights": str(BUNDLE), "device": "cpu", **settings})
    assert isinstance(engine, LocalEngine)
    return engine


def asked(subject: Any = SUBJECT, **knobs: Any) -> RelightRequest:
    return RelightRequest(subject_image=subject, **{**SMALL, **knobs})


def pixels(image: Image.Image) -> Any:
    return np.asarray(image)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
