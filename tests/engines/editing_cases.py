"""Pictures that are edited, and the edit of one with a fake engine."""

from typing import Any

from PIL import Image

from iclight_local.engines.editing import edit
from iclight_local.request import EditRequest
from iclight_local.result import RelightResult
from tests.fake_engine import FramedFake

RED, BLUE, GREY = (220, 40, 20), (20, 40, 220), (90, 90, 90)


def photo(size: tuple[int, int] = (80, 40)) -> Image.Image:
    """Red at the left, where the fake finds its subject, and grey."""
    image = Image.new("RGB", size, GREY)
    image.paste(RED, (0, 0, size[0] // 2, size[1]))
    return image


def cut_out(size: tuple[int, int] = (80, 40), box: tuple[int, int, int, int] = (30, 10, 50, 30)) -> Image.Image:
    """A red box on nothing."""
    image = Image.new("RGBA", size, (7, 7, 7, 0))
    image.paste((*RED, 255), box)
    return image


def edited(engine: FramedFake | None = None, /, **knobs: Any) -> Image.Image:
    given: dict[str, Any] = {"subject_image": photo(), **knobs}
    return result_of(engine, **given).images[0]


def result_of(engine: FramedFake | None = None, /, **knobs: Any) -> RelightResult:
    return edit(FramedFake() if engine is None else engine, EditRequest(**knobs))


def at(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    found = image.getpixel((x, y))
    assert isinstance(found, tuple)
    return found
