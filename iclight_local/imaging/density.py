"""How many pixels of a file make an inch on paper: told in its EXIF, and changing no pixel."""

from __future__ import annotations

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from iclight_local.imaging.exif import written

_INCHES = 2
_STEPS = 100


def set_resolution(exif: Image.Exif, density: float) -> None:
    """Put a density into EXIF, in place.

    Args:
        exif: of the file; a resolution that it has is replaced.
        density: dots per inch; kept to the hundredth.
    """
    exif[ExifTags.Base.XResolution] = exif[ExifTags.Base.YResolution] = IFDRational(round(density * _STEPS), _STEPS)
    exif[ExifTags.Base.ResolutionUnit] = _INCHES


def with_resolution(kept: bytes, density: float | None) -> bytes:
    """EXIF bytes with a density put into them; None: as they are."""
    if density is None:
        return kept
    exif = Image.Exif()
    exif.load(kept)
    set_resolution(exif, density)
    return written(exif)
