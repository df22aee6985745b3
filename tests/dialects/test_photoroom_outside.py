"""Photoroom's names that are not honoured: each of the 39 with its answer, and what is told in a header."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iclight_local.dialects.base import Call
from iclight_local.dialects.photoroom import DIALECT, headers
from iclight_local.dialects.photoroom_fields import HONOURED, NEEDS, PARTS, PICTURES
from iclight_local.dialects.photoroom_outside import OTHERS, outside_names
from iclight_local.errors import InvalidRequest, Unsupported
from tests.dialects.photoroom_calls import delivered, grey, read

DOCUMENTED = (
    "background.blur.mode background.blur.radius background.color background.expandPrompt "
    "background.guidance.imageFile background.guidance.imageUrl background.guidance.scale background.imageFile "
    "background.imageUrl background.negativePrompt background.prompt background.scaling background.seed "
    "beautify.mode beautify.seed describeAnyChange.mode describeAnyChange.prompt describeAnyChange.seed "
    "editWithAI.additionalImages.{key}.imageFile editWithAI.additionalImages.{key}.imageUrl editWithAI.mode "
    "editWithAI.prompt editWithAI.seed expand.mode expand.seed export.dpi export.format flatLay.mode "
    "flatLay.prompt flatLay.size ghostMannequin.mode ghostMannequin.prompt ghostMannequin.size "
    "horizontalAlignment ignorePaddingAndSnapOnCroppedSides imageFile imageFromPrompt.prompt "
    "imageFromPrompt.seed imageFromPrompt.size imageUrl keepExistingAlphaChannel layers lighting.mode margin "
    "marginBottom marginLeft marginRight marginTop maxHeight maxWidth outline.blurRadius outline.color "
    "outline.width outputSize padding paddingBottom paddingLeft paddingRight paddingTop preserveMetadata "
    "referenceBox removeBackground scaling segmentation.mode segmentation.negativePrompt segmentation.prompt "
    "shadow.directionOverride shadow.intensityOverride shadow.mode shadow.softnessOverride "
    "shadow.spreadOverride shadow.subjectPoseOverride templateId textRemoval.mode uncrop.mode uncrop.seed "
    "upscale.downscaleIfNeeded upscale.mode verticalAlignment virtualModel.additionalProductImages "
    "virtualModel.mode virtualModel.model virtualModel.pose virtualModel.prompt virtualModel.quality "
    "virtualModel.scene virtualModel.size "
)
"""The distinct names of both methods, in the spelling of the API's own document."""
REFUSED = {
    **dict.fromkeys(("beautify.mode",), ("ai.auto", "ai.food", "ai.car")),
    **dict.fromkeys(("describeAnyChange.mode", "editWithAI.mode", "expand.mode", "flatLay.mode"), ("ai.auto",)),
    **dict.fromkeys(("ghostMannequin.mode", "uncrop.mode", "virtualModel.mode"), ("ai.auto",)),
    "imageFromPrompt.prompt": ("a red car",),
    "layers": ("{}", '{"a": {"text": {"content": "Sale"}}}'),
    "segmentation.mode": ("ignoreSalientObject",),
    **dict.fromkeys(("segmentation.negativePrompt", "segmentation.prompt"), ("a shoe",)),
    "templateId": ("3fa85f64-5717-4562-b3fc-2c963f66afa6",),
    "textRemoval.mode": ("ai.artificial", "ai.natural", "ai.all"),
    "upscale.mode": ("ai.fast", "ai.slow"),
}
"""Names that change the picture, and all or some of their values."""
SIZES = ("SQUARE_HD", "PORTRAIT_HD_16_9", "LANDSCAPE_HD_4_3")
INERT: dict[str, tuple[str, str, tuple[str, ...]]] = {
    f"{owner}.{part}": (f"{owner}.{needed}", "7", values)
    for owner, needed, parts in (
        ("beautify", "mode", {"seed": ("7",)}),
        ("describeAnyChange", "mode", {"prompt": ("a hat",), "seed": ("7",)}),
        (
            "editWithAI",
            "mode",
            {
                "additionalImages.{key}.imageFile": ("bytes",),
                "additionalImages.{key}.imageUrl": ("https://h/p",),
                "prompt": ("a hat",),
                "seed": ("0",),
            },
        ),
        ("expand", "mode", {"seed": ("7",)}),
        ("flatLay", "mode", {"prompt": ("white",), "size": SIZES}),
        ("ghostMannequin", "mode", {"prompt": ("white",), "size": SIZES}),
        ("imageFromPrompt", "prompt", {"seed": ("7",), "size": ("SQUARE_HD", "PORTRAIT_4_3")}),
        ("uncrop", "mode", {"seed": ("7",)}),
        ("upscale", "mode", {"downscaleIfNeeded": ("never", "always", "skipUpscaleIfNotNeeded")}),
        (
            "virtualModel",
            "mode",
            {
                "additionalProductImages": ("[]",),
                "model": ('{"preset": {"name": "avery"}}',),
                "pose": ("back", "34turn"),
                "prompt": ("street",),
                "quality": ("standard", "premium"),
                "scene": ("{}",),
                "size": SIZES,
            },
        ),
    )
    for part, values in parts.items()
}
"""Names that change nothing alone, the name without which they do not, and values."""
BAD: list[tuple[str, Any]] = [
    *[("beautify.mode", "ai.shoe"), ("beautify.seed", "-1"), ("describeAnyChange.mode", "on")],
    *[("editWithAI.mode", "on"), ("editWithAI.prompt", 5), ("expand.mode", "on"), ("expand.seed", "1.5")],
    *[("flatLay.mode", "on"), ("flatLay.size", "HUGE"), ("ghostMannequin.size", "HUGE"), ("imageFromPrompt.size", "1")],
    *[("segmentation.mode", "all"), ("textRemoval.mode", "ai"), ("templateId", 7), ("uncrop.mode", "on")],
    *[("upscale.mode", "ai"), ("upscale.downscaleIfNeeded", "yes"), ("virtualModel.mode", "on")],
    *[("virtualModel.pose", "flying"), ("virtualModel.quality", "best"), ("virtualModel.size", "HUGE")],
]


def told(call: Call) -> str | None:
    return headers(DIALECT.read(call)).get("pr-unsupported-attributes")


def test_the_87_names_are_48_and_39() -> None:
    honoured = (HONOURED.keys() - set(PARTS)) | PICTURES.keys()
    outside = outside_names()
    assert (len(honoured), len(outside), len(set(outside)), len(set(DOCUMENTED.split()))) == (48, 39, 39, 87)
    assert honoured | set(outside) == set(DOCUMENTED.split())
    assert REFUSED.keys() | INERT.keys() | {"segmentation.mode"} == set(outside)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
@pytest.mark.parametrize("query", [True, False])
def test_a_name_that_would_change_the_picture_is_refused(name: str, value: str, query: bool) -> None:
    given = Call({name: value, "imageUrl": "https://h/p"}, query=query)
    with pytest.raises(Unsupported, match=rf"^{name} is not supported by this server$") as refused:
        DIALECT.read(given)
    answer = DIALECT.refusal("unsupported", str(refused.value))
    sentence = f"{name} is not supported by this server"
    assert (answer.status, answer.body) == (400, {"error": {"message": sentence, "code": "unsupported_locally"}})
    assert json.loads(json.dumps(answer.body)) == answer.body


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_an_empty_value_is_none(name: str) -> None:
    assert read(**{name: ""}).ignored == ()


@pytest.mark.parametrize(
    ("name", "needed", "value"),
    [(name, needed, value) for name, (needed, _, values) in INERT.items() for value in values],
)
def test_a_name_that_changes_nothing_alone_is_told(name: str, needed: str, value: str) -> None:
    spoken = name.replace("{key}", "a")
    fields, files = {spoken: value}, {"imageFile": b"x"}
    if name.endswith("imageFile"):
        fields, files = {}, {**files, spoken: b"y"}
    assert told(Call(fields, files)) == f"Unsupported attributes: {spoken}"
    with pytest.raises(Unsupported, match=rf"^{needed} is not supported"):
        DIALECT.read(Call({**fields, needed: REFUSED[needed][0]}, files))


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match=rf"^{name} must be "):
        read(**{name: value})


def test_a_value_that_changes_nothing_is_taken() -> None:
    assert read(**{"segmentation.mode": "keepSalientObject"}).ignored == ()


@pytest.mark.parametrize("name", ["virtualModel.model.preset.name", "virtualModel.scene[custom]", "background.inner"])
def test_parts_of_inert_objects_and_unknown_names_are_told(name: str) -> None:
    assert read(**{name: "x"}).ignored == (name,)


@pytest.mark.parametrize("name", ["layers.a.text", "layers[a][image]"])
def test_a_part_of_a_layer_is_refused_as_the_layers_are(name: str) -> None:
    with pytest.raises(Unsupported):
        read(**{name: "hello"})


@pytest.mark.parametrize("name", ["sizeWidth", "beautify.onSubjectMismatch", "colorSpace", "ironing.mode", "Padding"])
def test_names_of_elsewhere_are_told(name: str) -> None:
    assert delivered(grey(9), **{name: "x"}).headers["pr-unsupported-attributes"] == f"Unsupported attributes: {name}"


INERT_HONOURED = {
    **{"background.blur.radius": "0.02", "background.scaling": "fit", "background.seed": "7"},
    **{"background.expandPrompt": "auto", "background.expandPrompt.mode": "ai.auto", "background.negativePrompt": "x"},
    **{"background.guidance.imageFile": grey(9), "background.guidance.imageUrl": "https://h/p"},
    **{"background.guidance.scale": "0.5", "outline.blurRadius": "0.01", "outline.width": "0.1"},
    **{"shadow.directionOverride": "left", "shadow.intensityOverride": "1", "shadow.softnessOverride": "1"},
    **{"shadow.spreadOverride": "long", "shadow.subjectPoseOverride": "45"},
}


@pytest.mark.parametrize("name", NEEDS)
def test_an_honoured_name_without_what_it_needs_changes_nothing_and_is_told(name: str) -> None:
    assert INERT_HONOURED.keys() == NEEDS.keys()
    found = delivered(grey(9), **{name: INERT_HONOURED[name]})
    assert found.headers["pr-unsupported-attributes"] == f"Unsupported attributes: {name}"
    assert found.data == delivered(grey(9)).data


def test_a_guiding_picture_without_a_prompt_is_not_read() -> None:
    fields = {"background.guidance.imageFile": b"no picture", "background.guidance.scale": "1"}
    found = delivered(grey(9), **fields)
    assert found.headers["pr-unsupported-attributes"] == f"Unsupported attributes: {', '.join(fields)}"


def test_what_is_honoured_is_not_told() -> None:
    found = delivered(grey(9), **{"padding": "10%", "background.color": "red", "shadow.mode": "ai.soft"})
    assert "pr-unsupported-attributes" not in found.headers


def test_headers_hold_no_letters_that_a_header_cannot() -> None:
    asked = read(**{"a\r\nset-cookie: x": "1", "имя": "2", "": "3", **{f"n{index:02}": "1" for index in range(30)}})
    [value] = headers(asked).values()
    assert value.isascii()
    assert value.isprintable()
    assert value.endswith("and 13 more")
    assert headers(read(**{"": "1"})) == {"pr-unsupported-attributes": "Unsupported attributes: ?"}
    assert headers(read()) == {}
