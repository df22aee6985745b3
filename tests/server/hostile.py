"""What strangers send: a record for each hostile call, and the ways to spell one."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

HOUSE, HOUSE_JOBS = "/relight", "/relight/jobs"
IC_LIGHT, RELIGHTING_V2 = "/v1/ic-light", "/v1/segmind-relighting-v2"
IC_LIGHT_JOBS = "/v2/ic-light"
PIXELDOJO = "/api/v1/models/image-relighting/run"
PHOTOROOM = "/v2/edit"


@dataclass(frozen=True)
class Hostile:
    """One call that a server must survive.

    Attributes:
        name: what is tried.
        expected: the status that the answer has.
        says: words that the sentence of the answer has.
        plain: whether HTTP answers, and none of the APIs.
        fails: whether the call is accepted, and its job must fail by the caller's fault.
        made: makes the body, where it is too large to lie around.
    """

    name: str
    method: str
    path: str
    expected: int = 400
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    says: str = ""
    plain: bool = False
    fails: bool = False
    made: Callable[[], bytes] | None = None


def picture(size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (90, 120, 60)).save(buffer, "png")
    return buffer.getvalue()


PICTURE = picture()
TEXT = base64.b64encode(PICTURE).decode()
DATA = f"data:image/png;base64,{TEXT}"
PROPER: dict[str, dict[str, Any]] = {
    HOUSE: {"subject_image": TEXT},
    IC_LIGHT: {"subject_image": TEXT, "prompt": "evening"},
    RELIGHTING_V2: {
        "image": TEXT,
        "light_direction": "left",
        "light_type": "softbox",
        "light_temperature": "warm",
        "light_intensity": "bright",
    },
    # Small, because the webhooks' jobs are done.
    PIXELDOJO: {"subject_image": DATA, "prompt": "evening", "width": 256, "height": 256, "output_format": "jpg"},
    # By URL, because JSON brings no file; what is hostile beside it is refused before anything is fetched.
    PHOTOROOM: {"imageUrl": "http://public.test/ok.png", "lighting.mode": "ai.auto"},
}
"""A call that each API takes."""
API = {HOUSE: "house", IC_LIGHT: "ic-light", RELIGHTING_V2: "v2", PIXELDOJO: "pixeldojo", PHOTOROOM: "photoroom"}
"""Short names of the APIs, by their path."""
_JSON = {"content-type": "application/json"}
_MARK = "hostile-boundary"


def sent_json(name: str, path: str, body: Any, **how: Any) -> Hostile:
    """A call with a JSON body; bytes are sent as they are."""
    # What Python calls Infinity is a number that is too large, as JSON spells it.
    data = body if isinstance(body, bytes) else json.dumps(body).replace("Infinity", "1e999").encode()
    return Hostile(name, "POST", path, headers=_JSON, body=data, **how)


def sent_form(name: str, path: str, parts: Iterable[bytes], **how: Any) -> Hostile:
    """A call with a multipart form of :func:`part`."""
    kind = {"content-type": f"multipart/form-data; boundary={_MARK}"}
    return Hostile(name, "POST", path, headers=kind, body=form_body(parts), **how)


def form_body(parts: Iterable[bytes]) -> bytes:
    mark = _MARK.encode()
    return b"".join(b"--" + mark + b"\r\n" + each + b"\r\n" for each in parts) + b"--" + mark + b"--\r\n"


def part(name: str, value: str | bytes, file: str | None = None) -> bytes:
    """A field of a form, or a file where it has a name."""
    data = value if isinstance(value, bytes) else value.encode()
    named = "" if file is None else f'; filename="{file}"'
    return f'Content-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + data


def uploads(path: str, data: bytes) -> list[bytes]:
    """The parts of a form that is proper but for its picture."""
    found = [part(name, str(value)) for name, value in PROPER[path].items() if name not in PICTURE_FIELD.values()]
    field = "imageFile" if path == PHOTOROOM else PICTURE_FIELD[path]
    return [*found, part(field, data, "a.png")]


PICTURE_FIELD = {
    HOUSE: "subject_image",
    IC_LIGHT: "subject_image",
    RELIGHTING_V2: "image",
    PIXELDOJO: "subject_image",
    PHOTOROOM: "imageUrl",
}
"""Where each API takes a picture's URL."""
