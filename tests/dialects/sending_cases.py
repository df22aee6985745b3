"""What the tests of senders share: a picture, calls read back by the server's direction, answers as they come in."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

from PIL import Image

from iclight_local.dialects import find_dialect, find_senders
from iclight_local.dialects.base import Answer, Call
from iclight_local.dialects.sending import Received, Sender, Sent, Subject
from iclight_local.request import EditRequest, RelightRequest

URL = "https://pictures.example/cat.png"


def picture(kind: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (48, 32)) -> bytes:
    """A picture's file; with mode RGBA it is transparent above."""
    buffer = io.BytesIO()
    grey = Image.linear_gradient("L").resize(size)
    image = grey.convert(mode)
    if mode == "RGBA":
        image.putalpha(grey)
    image.save(buffer, kind)
    return buffer.getvalue()


PNG = picture()
BOTH = Subject(PNG, URL)
SENDERS: list[Sender] = [
    sender
    for name in ("segmind_ic_light", "segmind_relighting_v2", "pixeldojo", "photoroom")
    for sender in find_senders(name).values()
]
LEAST: dict[str, dict[str, Any]] = {
    "ic-light": {"prompt": "cat"},
    "segmind-relighting-v2": {"light": "back 3200K spotlight 1.0"},
}
"""Knobs that a model cannot do without."""


def sender(model: str) -> Sender:
    return next(each for each in SENDERS if each.model == model)


def request(**knobs: Any) -> RelightRequest:
    return RelightRequest(subject_image=PNG, **knobs)


def call_of(sent: Sent) -> Call:
    """A call as a server gets it."""
    fields = {} if sent.json is None else json.loads(json.dumps(sent.json))
    return Call(
        {**fields, **sent.form, **sent.query},
        {name: each.data for name, each in sent.files.items()},
        query=sent.method == "GET",
    )


def read_back(each: Sender, sent: Sent, data: bytes = PNG) -> RelightRequest:
    """The request that a call stands for, by the dialect's own reading."""
    dialect = find_dialect(each.dialect)
    request = dialect.request(dialect.read(call_of(sent)), {"subject_image": data})
    if isinstance(request, EditRequest):
        return request.light_of(subject_image=request.subject_image, background_mode=request.behind)
    return request


def received(status: int, body: object, headers: Mapping[str, str] = {}) -> Received:
    """An answer with a body of bytes, or of JSON."""
    return Received(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def of_server(answer: Answer, headers: Mapping[str, str] = {}) -> Received:
    """An answer that the server's direction words."""
    return received(answer.status, answer.body, {**answer.headers, **headers})
