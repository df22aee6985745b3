"""The pictures of a bench: plain files, or scenes whose true light is known."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from iclight_local.errors import InvalidRequest
from iclight_local.fields import knob_fields
from iclight_local.request import RelightRequest

SCHEMA = 1
"""Of the manifests of scenes."""
PICTURE_FIELDS = frozenset(field.name for field in knob_fields(RelightRequest) if field.type is object)
"""Parameters of a request that are pictures."""
_PICTURES = {"picture": "picture", "matte": "true_matte", "truth": "truth", "albedo": "albedo"}
"""Files of a scene in a manifest, and what they are here."""


@dataclass(frozen=True)
class Case:
    """One picture that every contestant gets.

    Attributes:
        name: its own within the bench, fit for the name of a file.
        picture: the file.
        true_matte: it, which is measured with and never sent; None: the picture's own, or segmentation.
        truth: the true render under the light that is asked for; None where nobody knows it.
        albedo: the subject's paint without light, in sRGB, framed as ``picture``; None where nobody knows it.
        knobs: what is asked of this picture alone.
    """

    name: str
    picture: Path
    true_matte: Path | None = None
    truth: Path | None = None
    albedo: Path | None = None
    knobs: Mapping[str, Any] = field(default_factory=dict)

    def request(self, knobs: Mapping[str, Any]) -> RelightRequest:
        """The request of all contestants; ``knobs`` are those that all pictures share."""
        return RelightRequest(**{**knobs, **self.knobs, "subject_image": str(self.picture)})


def read_cases(paths: Sequence[str]) -> list[Case]:
    """The pictures of a command line.

    Args:
        paths: files of pictures, or manifests of scenes (``*.json``): ``{"schema": 1, "scenes": [...]}`` where each
            scene has a ``picture`` and may have ``name``, ``matte``, ``truth``, ``albedo`` (files beside the manifest)
            and ``knobs``.

    Raises:
        InvalidRequest: a file is missing, or a manifest is none.
    """
    found: list[Case] = []
    for text in paths:
        path = Path(text)
        found += _scenes(path) if path.suffix.lower() == ".json" else [Case(file_name(path.stem), path)]
    taken: dict[str, int] = {}
    cases = []
    for case in found:
        if not case.picture.is_file():
            raise InvalidRequest(f"{str(case.picture)!r} is no file: iclight bench takes pictures on this disk.")
        number = taken[case.name] = taken.get(case.name, 0) + 1
        cases.append(case if number == 1 else replace(case, name=f"{case.name}-{number}"))
    return cases


def file_name(text: str) -> str:
    """A text as the name of a file: what is no plain letter, digit, dot or dash becomes a dash."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:80]
    return plain if plain else "picture"


def _scenes(path: Path) -> list[Case]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{path.name} cannot be read as a manifest of scenes ({error}).") from None
    scenes = manifest.get("scenes") if isinstance(manifest, dict) else None
    if not isinstance(scenes, list) or manifest.get("schema") != SCHEMA:
        raise InvalidRequest(
            f'{path.name} is no manifest of scenes: {{"schema": {SCHEMA}, "scenes": [...]}} is needed.'
        )
    return [_scene(path, scene) for scene in scenes]


def _scene(path: Path, scene: Any) -> Case:
    if not isinstance(scene, dict) or not isinstance(scene.get("picture"), str):
        raise InvalidRequest(f"{path.name} has a scene without a picture: the name of a file beside it is needed.")
    files = {here: _beside(path, scene[name]) for name, here in _PICTURES.items() if scene.get(name) is not None}
    name, knobs = scene.get("name", Path(scene["picture"]).stem), scene.get("knobs", {})
    if not isinstance(knobs, dict):
        raise InvalidRequest(f"{path.name} has knobs that are no object of names and values.")
    return Case(file_name(str(name)), **files, knobs=knobs)


def _beside(path: Path, name: Any) -> Path:
    """A file that a manifest names; a stranger's manifest must not choose what of this disk is sent away."""
    plain = PurePosixPath(str(name))
    if plain.is_absolute() or ".." in plain.parts:
        raise InvalidRequest(f"{path.name} names {str(name)!r}: only files beside the manifest are taken.")
    return path.parent / plain
