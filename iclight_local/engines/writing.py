"""A result's pictures as the bytes of files, with their record inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PIL import Image

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.encode import encode
from iclight_local.imaging.metadata import Embedded, check_record
from iclight_local.request import EditRequest, OutputOptions, RelightRequest
from iclight_local.result import RelightResult

KEEPS_COMMENT = ("rights", "rights_xmp")
"""Values of ``metadata`` that keep the picture's own comment."""
REST_OF_RECORD = 4096
"""Bytes that a record needs besides its prompts, generously."""
SURELY_SHORT = 4000
"""Letters that fit whatever they are."""
TEXTS = ("prompt", "appended_prompt", "negative_prompt")
"""Parameters that are any text."""
EXIF_LEFT_OUT = "The source's EXIF is too long beside the record and was left out."
ON_WHITE = "A jpeg knows no transparency, so white stands behind the result: png and webp do."


def encoded(
    images: Sequence[Image.Image], result: RelightResult, options: OutputOptions, *, output_format: str, first: int = 0
) -> tuple[list[bytes], tuple[str, ...]]:
    """Encode pictures of a result.

    Args:
        images: in the order of their numbers.
        result: whose record and EXIF go into them.
        options: the quality, and for an edit what is kept of the source's metadata.
        output_format: ``png``, ``jpeg`` or ``webp``.
        first: the number of the first picture.

    Returns:
        The bytes of each, and what could not be kept, one sentence each.
    """
    exif, warnings = result.exif, []
    # Of a jpeg or a webp the record would take the place of a comment that is to be kept.
    recorded = output_format == "png" or not (isinstance(options, EditRequest) and options.metadata in KEEPS_COMMENT)
    try:
        check_record(output_format, Embedded(result.record_of(first) if recorded else None, exif))
    except InvalidRequest:
        # Found only now, behind the work: the picture and its record matter more than the source's EXIF.
        warnings.append(EXIF_LEFT_OUT)
        exif = None
    if output_format == "jpeg" and any(picture.mode == "RGBA" for picture in images):
        warnings.append(ON_WHITE)
    files = [
        encode(
            picture,
            output_format=output_format,
            quality=options.output_quality,
            embedded=Embedded(result.record_of(index) if recorded else None, exif, result.xmp, result.density),
        )
        for index, picture in enumerate(images, first)
    ]
    return files, tuple(warnings)


def check_room(request: RelightRequest, output_format: str) -> None:
    """Check before the expensive work that a format can hold the result and its record.

    Raises:
        InvalidRequest: the format knows no transparency and it was asked for, or the prompts are too long for a JPEG.
    """
    check_transparency(request, output_format)
    check_texts({name: getattr(request, name) for name in TEXTS}, output_format)


def check_transparency(request: RelightRequest, output_format: str) -> None:
    """Check that a format knows transparency where it was asked for; raises as :func:`check_room` does."""
    if request.behind == "transparent" and output_format == "jpeg":
        raise InvalidRequest(
            "background_mode transparent needs a format that knows transparency, and the output is a jpeg: "
            "name it .png or .webp."
        )


def check_texts(texts: Mapping[str, str], output_format: str) -> None:
    """Check that a request's texts have room in a format; raises as :func:`check_room` does."""
    # A letter takes 12 bytes of a record at most, and a JPEG has room for 65533.
    if sum(map(len, texts.values())) > SURELY_SHORT:
        check_record(output_format, Embedded({**texts, "the rest": "." * REST_OF_RECORD}))
