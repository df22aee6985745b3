"""Where that lies which comes with the package beside its code.

The embedded bundle (the miniature IC-Light and the small segmenter) and the manifest of what others publish.
"""

from __future__ import annotations

from pathlib import Path

NAME = "mini"
"""What the embedded bundle is called, and the segmenter in it."""
SEGMENTER_FILE = "segmenter.onnx"
WEIGHTS: tuple[Path, ...] = (Path(__file__).parent / "weights", Path(__file__).parents[1] / "weights")
"""Where an installed wheel keeps the folder of weights, and where a source checkout does."""
PLACES: tuple[Path, ...] = tuple(place / NAME for place in WEIGHTS)
"""Where the embedded bundle can be."""
MANIFEST = "manifest.toml"


def embedded_bundle() -> Path | None:
    """The folder of the embedded bundle, or None where the package came without it."""
    return next((place for place in PLACES if (place / "base").is_dir()), None)


def segmenter_places() -> list[Path]:
    """Where the file of the embedded segmenter can be, best first."""
    return [place / SEGMENTER_FILE for place in PLACES]


def manifest_file() -> Path | None:
    """The manifest of published weights, or None where the package came without it."""
    return next((place / MANIFEST for place in WEIGHTS if (place / MANIFEST).is_file()), None)
