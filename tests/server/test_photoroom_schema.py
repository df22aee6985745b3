"""Photoroom's GET of ``/v2/edit`` as its document describes it: right and wrong calls, and never a failure."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from iclight_local.dialects.base import Call
from iclight_local.dialects.photoroom_fields import HONOURED, PICTURES
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.guarded import Guard, fetch
from iclight_local.server.keys import KeyFile
from tests.dialects.test_photoroom_outside import DOCUMENTED
from tests.fake_engine import FramedFake
from tests.server.live import Live, serving
from tests.server.test_published import Pictures

EXAMPLES = 150
SIZES = ["PORTRAIT_HD_16_9", "PORTRAIT_HD_4_3", "PORTRAIT_HD_3_2", "SQUARE_HD", "LANDSCAPE_HD_3_2", "LANDSCAPE_HD_4_3"]
DIRECTIONS = ["behind", "behindLeft", "left", "frontLeft", "front", "frontRight", "right", "behindRight"]
WORDS: dict[str, list[str]] = {
    "background.blur.mode": ["gaussian", "bokeh"],
    "background.expandPrompt": ["auto", "never"],
    "background.scaling": ["fit", "fill"],
    "beautify.mode": ["ai.auto", "ai.food", "ai.car"],
    **{f"{name}.mode": ["ai.auto"] for name in ("describeAnyChange", "editWithAI", "expand", "flatLay", "uncrop")},
    **{f"{name}.mode": ["ai.auto"] for name in ("ghostMannequin", "virtualModel")},
    "export.format": ["png", "jpeg", "jpg", "webp"],
    **{f"{name}.size": SIZES for name in ("flatLay", "ghostMannequin", "virtualModel")},
    "horizontalAlignment": ["left", "center", "right"],
    "imageFromPrompt.size": ["LANDSCAPE_16_9", "LANDSCAPE_4_3", "PORTRAIT_16_9", "PORTRAIT_4_3", "SQUARE_HD"],
    "keepExistingAlphaChannel": ["auto", "never"],
    "lighting.mode": ["ai.auto", "ai.preserve-hue-and-saturation"],
    "preserveMetadata": ["never", "xmp", "exifSubset", "exifSubsetWithXmpCompatibility"],
    "referenceBox": ["subjectBox", "originalImage"],
    "scaling": ["fit", "fill"],
    "segmentation.mode": ["keepSalientObject", "ignoreSalientObject"],
    "shadow.mode": ["ai.soft", "ai.hard", "ai.floating", "ai.preset-soft", "ai.preset-hard", "ai.auto-with-overrides"],
    "textRemoval.mode": ["ai.artificial", "ai.natural", "ai.all"],
    "upscale.downscaleIfNeeded": ["never", "always", "skipUpscaleIfNotNeeded"],
    "upscale.mode": ["ai.fast", "ai.slow"],
    "verticalAlignment": ["top", "center", "bottom"],
    "virtualModel.pose": ["random", "standing", "back", "seated"],
    "virtualModel.quality": ["standard", "advanced", "premium"],
}
NUMBERS: dict[str, dict[str, float]] = {
    "background.blur.radius": {"exclusiveMinimum": 0, "maximum": 0.05},
    "background.guidance.scale": {"maximum": 1},
    "export.dpi": {"minimum": 72, "maximum": 1200},
    "outline.blurRadius": {"minimum": 0, "maximum": 0.025},
    "outline.width": {"minimum": 0, "maximum": 0.1},
    "shadow.intensityOverride": {"minimum": 0, "maximum": 1},
    "shadow.softnessOverride": {"minimum": 0, "maximum": 1},
    **{name: {} for name in DOCUMENTED.split() if name.endswith(".seed")},
    "maxHeight": {},
    "maxWidth": {},
}
OTHERS: dict[str, Any] = {
    "outputSize": {"type": "string", "pattern": r"^(auto|\d+x\d+|originalImage|croppedSubject)$"},
    "shadow.directionOverride": {"anyOf": [{"type": "number"}, {"type": "string", "enum": DIRECTIONS}]},
    "shadow.spreadOverride": {"anyOf": [{"type": "number"}, {"type": "string", "enum": ["short", "medium", "long"]}]},
    "shadow.subjectPoseOverride": {"anyOf": [{"type": "number"}, {"type": "string", "enum": ["flatlay", "upright"]}]},
    **{name: {"type": "boolean"} for name in ("removeBackground", "ignorePaddingAndSnapOnCroppedSides")},
    **{name: {"type": "object"} for name in ("layers", "virtualModel.model", "virtualModel.scene")},
    "virtualModel.additionalProductImages": {"type": "array", "items": {"type": "object"}, "minItems": 1},
    "templateId": {"type": "string", "format": "uuid"},
}
GET = [name for name in DOCUMENTED.split() if name not in ("imageFile", "background.imageFile")]
GET.remove("editWithAI.additionalImages.{key}.imageFile")
HEADERS = {"x-uncertainty-score", "pr-ai-background-seed", "pr-unsupported-attributes"}


def schema_of(name: str) -> dict[str, Any]:
    """What the document says of a parameter of a GET."""
    if name in WORDS:
        return {"type": "string", "enum": WORDS[name]}
    if name in NUMBERS:
        return {"type": "number", **NUMBERS[name]}
    if name.startswith(("margin", "padding")):
        return {"type": ["number", "string"]}
    return OTHERS.get(name, {"type": "string"})


DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "What a GET of an edit may say", "version": "1"},
    "paths": {
        "/v2/edit": {
            "get": {
                "parameters": [{"name": name, "in": "query", "schema": schema_of(name)} for name in GET],
                "responses": {"200": {"description": "A picture"}, "400": {"description": "A sentence"}},
            }
        }
    },
}


@pytest.fixture(scope="module")
def editing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, str, str]]:
    """A server, the key that it wants, and the address of a picture."""
    folder = tmp_path_factory.mktemp("editing")
    host = ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    keys, guard = KeyFile(folder / "keys.json"), Guard(allow_private=True)
    how: dict[str, Any] = {"engine": FramedFake(), "keys": keys, "fetch": lambda url: fetch(url, guard)}
    with serving(folder / "jobs", **how) as live:
        yield live, keys.add("ann"), f"http://127.0.0.1:{host.server_address[1]}/a.png"
    host.shutdown()
    host.server_close()


def spoken(value: Any) -> str:
    """A value as a query has it."""
    return value if isinstance(value, str) else json.dumps(value)


def is_right(name: str, value: str) -> bool:
    """Whether a name is honoured, and its value is right, whatever is beside it."""
    try:
        return name in PICTURES or (name in HONOURED and HONOURED[name].check(Call({name: value}), name) is not None)
    except InvalidRequest:
        return False


def test_the_document_has_the_84_names_of_a_get() -> None:
    assert len(GET) == len(set(GET)) == 84
    assert not (WORDS.keys() | NUMBERS.keys() | OTHERS.keys()) - set(GET)


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_no_call_ends_in_a_failure(mode: schemathesis.GenerationMode, editing: tuple[Live, str, str]) -> None:
    live, key, picture = editing
    operation = schemathesis.openapi.from_dict(DOCUMENT)["/v2/edit"]["GET"]
    statuses: Counter[int] = Counter()
    codes: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def trial(case: schemathesis.Case) -> None:
        query = {name: spoken(value) for name, value in (case.query or {}).items()}
        # Every second call is as it was generated; of the others what is right stays, with pictures that are there.
        if statuses.total() % 2:
            query = {name: value for name, value in query.items() if is_right(name, value)} | {"imageUrl": picture}
            query |= {name: picture for name in query if name in PICTURES}
        reply = live.get(f"/v2/edit?{urlencode(query, errors='surrogatepass')}", {"x-api-key": key})
        statuses[reply.status] += 1
        if reply.status == 200:
            assert reply.headers["content-type"] == f"image/{reply.image.format.lower()}"  # type: ignore[union-attr]
            reply.image.load()
            assert {name for name in reply.headers if name.startswith(("pr-", "x-unc"))} <= HEADERS
            return
        assert reply.status == 400, (query, reply.status, reply.data[:300])
        error = reply.json["error"]
        assert set(error) in ({"message"}, {"message", "code"})
        assert error.get("code", "unsupported_locally") == "unsupported_locally"
        assert 0 < len(error["message"]) < 2000 and "\n" not in error["message"]
        codes[error.get("code", "bad")] += 1

    trial()
    assert statuses[200] > 20 and statuses[400] > 50 and codes["bad"] > 30
