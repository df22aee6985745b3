"""Pictures side by side on one sheet, under captions."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

GAP, HEAD, LETTER = 6, 26, 15
"""Pixels between pictures, of the line of captions, and of its letters."""
_CHECKS = 16


def sheet(rows: Sequence[Sequence[Image.Image]], titles: Sequence[str]) -> Image.Image:
    """Rows of pictures of one size under one line of captions.

    Args:
        rows: pictures, RGB or RGBA (transparency is shown as a checkerboard), as many in each row as there are titles.
        titles: what stands above each column; shortened where a column is too narrow.

    Returns:
        RGB on white.
    """
    width, height = rows[0][0].size
    page = Image.new("RGB", (GAP + len(titles) * (width + GAP), HEAD + len(rows) * (height + GAP)), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(LETTER)
    for column, title in enumerate(titles):
        left = GAP + column * (width + GAP)
        draw.text((left, 4), _shortened(title, font, width), fill="black", font=font)
        for line, row in enumerate(rows):
            page.paste(on_checks(row[column]), (left, HEAD + line * (height + GAP)))
    return page


def grid(pictures: Sequence[Image.Image], titles: Sequence[str], columns: int) -> Image.Image:
    """Pictures of one size with a caption above each, ``columns`` to a row; RGB on white."""
    lines = [
        sheet([pictures[start : start + columns]], titles[start : start + columns])
        for start in range(0, len(pictures), columns)
    ]
    page = Image.new("RGB", (lines[0].width, sum(line.height for line in lines)), "white")
    top = 0
    for line in lines:
        page.paste(line, (0, top))
        top += line.height
    return page


def on_checks(picture: Image.Image) -> Image.Image:
    """``picture`` as RGB, before a checkerboard where it is transparent."""
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    board = Image.new("RGB", picture.size, (255, 255, 255))
    draw = ImageDraw.Draw(board)
    for top in range(0, picture.height, _CHECKS):
        for left in range(top // _CHECKS % 2 * _CHECKS, picture.width, 2 * _CHECKS):
            draw.rectangle((left, top, left + _CHECKS - 1, top + _CHECKS - 1), fill=(204, 204, 204))
    board.paste(picture, mask=picture)
    return board


def _shortened(title: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if font.getlength(title) <= width:
        return title
    while title and font.getlength(title + "…") > width:
        title = title[:-1]
    return title + "…"
