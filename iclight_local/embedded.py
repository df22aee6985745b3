"""Where the embedded bundle lies: the miniature IC-Light and the small segmenter that come with the package."""

from __future__ import annotations

from pathlib import Path

NAME = "mini"
"""What the embedded bundle is called, and the segmenter in it."""
SEGMENTER_FILE = "segmenter.onnx"
PLACES: tuple[Path, ...] = (
    Path(__file__).parent / "weights" / NAME,
    Path(__file__).parents[1] / "weights" / NAME,
)
"""Where an installed wheel keeps the folder, and where a source checkout does."""


def embedded_bundle() -> Path | None:
    """The folder of the embedded bundle, or None where the package came without it."""
    return next((place for place in PLACES if (place / "base").is_dir()), None)


def segmenter_places() -> list[Path]:
    """Where the file of the embedded segmenter can be, best first."""
    return [place / SEGMENTER_FILE for place in PLACES]
