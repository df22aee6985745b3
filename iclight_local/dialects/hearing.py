"""What an API will make of a call, found by reading the call as the server's direction of its dialect does.

The two directions thus cannot drift apart, and a knob that nobody thought of is refused instead of dropped.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from typing import Any

from PIL import Image

from iclight_local.dialects.base import Asked, Call, Dialect
from iclight_local.dialects.sending import Subject
from iclight_local.dialects.values import shown
from iclight_local.errors import InvalidRequest, Unsupported
from iclight_local.fields import knob_fields
from iclight_local.light import parse_lights, plain_word
from iclight_local.request import EditRequest, RelightRequest, resolve_model

KNOBS = tuple(each.name for each in knob_fields(RelightRequest) if each.type is not object)
"""All knobs but the pictures."""
PICTURES = tuple(each.name for each in knob_fields(RelightRequest) if each.type is object and not each.required)
"""The pictures beside the subject."""


def asked(request: RelightRequest, name: str) -> bool:
    """Whether a caller asked for a knob: it was set, and to something else than its default."""
    default = RelightRequest.model_fields[name].default
    return name in request.model_fields_set and getattr(request, name) != default


def meant(request: RelightRequest) -> dict[str, Any]:
    """Every knob's value, with what follows from other knobs resolved."""
    model = resolve_model(request, has_background=request.has_background)
    values = {name: getattr(request, name) for name in KNOBS}
    values |= {name: request.for_model(name, model) for name in ("steps", "cfg")}
    # No model sees the blanks around a prompt's words, and some calls are read without them.
    values |= {name: value.strip() for name, value in values.items() if isinstance(value, str)}
    return values | {"model": model, "keep": request.kept, "background_mode": request.behind}


def plain_light(request: RelightRequest) -> RelightRequest:
    """The same request with ``light_source`` in place of a ``light`` that is one of its words."""
    word = None if request.light is None else plain_word(parse_lights(request.light))
    return request if word is None else request.model_copy(update={"light": None, "light_source": word})


def refuse_pictures(request: RelightRequest, provider: str) -> None:
    """Refuse pictures beside the subject: none of the APIs takes any for its light.

    Raises:
        Unsupported: there is one.
    """
    for name in PICTURES:
        if getattr(request, name) is not None:
            raise Unsupported(f"{provider} takes no {name}: leave it out, or use another engine.")


def hear(dialect: Dialect, call: Call, subject: Subject, provider: str) -> tuple[Asked, RelightRequest]:
    """The relight that a call, its picture apart, stands for.

    Args:
        dialect: that reads it.
        call: its fields; its one file is the picture, whatever its bytes are.
        subject: the picture; another one stands for it where only its address is known.
        provider: what sentences call the API.

    Raises:
        InvalidRequest: the picture is damaged.
        Unsupported: a value is out of the API's range.
    """
    data = _stand_in() if subject.data is None else subject.data
    try:
        found = dialect.read(Call(call.fields, dict.fromkeys(call.files, data)))
    except (InvalidRequest, Unsupported) as error:
        raise Unsupported(f"{provider} cannot do this: {error}") from None
    request = dialect.request(found, {"subject_image": data})
    if isinstance(request, EditRequest):
        request = request.light_of(subject_image=data, background_mode=request.behind)
    return found, request


def refuse_unheard(request: RelightRequest, heard: Mapping[str, Any], provider: str) -> None:
    """Refuse a knob that was asked for and that the call does not say.

    Args:
        request: what was asked.
        heard: values that the call says, by knob, as :func:`meant` gives them; a missing knob is not honoured at all.
        provider: what the sentence calls the API.

    Raises:
        Unsupported: one sentence, with the knob and the API.
    """
    values = meant(request)
    for name in KNOBS:
        if asked(request, name) and heard.get(name) != values[name]:
            knob = f"{name} {shown(getattr(request, name))}"
            raise Unsupported(f"{provider} cannot honour {knob}: leave {name} out, or use another engine.")


@cache
def _stand_in() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (128, 128, 128)).save(buffer, "PNG")
    return buffer.getvalue()
