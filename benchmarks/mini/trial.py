"""What is measured, on what; nothing heavy is imported here, for the command line reads it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

SECTIONS = ("direction", "words", "colour", "faithful", "autoencoder", "fbc", "normals", "segmenter")
"""Everything that can be measured, in the order in which it is."""


@dataclass(frozen=True)
class Trial:
    """Everything that decides what is measured; it is written into the result as it is.

    Attributes:
        bundle: folder with ``base/`` and the offsets of fc and fbc; None puts true renders in its place.
        scenes: how many, from seed ``first`` on, of the split ``test``.
        size: width and height of the lowres pass.
        prompt: goes with the light source in ``direction``, and names no side.
        cfg: guidance of fc; None leaves the pipeline's default.
        fbc_cfg: guidance of fbc; None leaves the pipeline's default.
        batch: pictures in one call, where a scene needs no more.
        photos: a folder of further photographs for the autoencoder.
        segmenter: ``KIND:FILE`` or a name, as for ``iclight relight --segmenter``; None takes the bundle's ONNX file.
    """

    bundle: str | None
    scenes: int = 64
    first: int = 0
    size: int = 256
    highres_scale: float = 1.5
    steps: int = 25
    prompt: str = ""
    cfg: float | None = None
    fbc_cfg: float | None = None
    batch: int = 8
    device: str = "cpu"
    dtype: str = "float32"
    threads: int | None = None
    photos: str | None = None
    segmenter: str | None = None

    @property
    def result_size(self) -> int:
        """Pixels along a side of the results."""
        from iclight_local.plan import highres_size

        return highres_size(self.size, self.highres_scale)

    def hashes(self) -> dict[str, str]:
        """The beginnings of the SHA-256 of the bundle's weights."""
        if self.bundle is None:
            return {}
        root = Path(self.bundle)
        files = [path for path in sorted(root.rglob("*")) if path.suffix in (".safetensors", ".onnx")]
        return {str(path.relative_to(root)): _hash(path) for path in files}


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
