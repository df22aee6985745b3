"""A picture as nothing but its pixels, for sending it away."""

from __future__ import annotations

import io

from PIL import Image

from iclight_local.imaging.files import Picture


def bare_png(picture: Picture) -> bytes:
    """The PNG of a decoded picture: upright sRGB, its transparency where it has some, and not a word beside.

    The pixels are those that this machine's own engine works on. EXIF with its time and place, profiles, comments,
    thumbnails and the file's name stay here.
    """
    image = Image.fromarray(picture.rgb)
    if picture.alpha is not None and picture.alpha.min() < 255:
        image.putalpha(Image.fromarray(picture.alpha))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
