"""A relight of the page in other words: a command line, Python, and a call of each API that this server speaks."""

from __future__ import annotations

import base64
import io
import json
import shlex
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from PIL import Image

from iclight_local.dialects import find_senders
from iclight_local.dialects.house import PICTURES
from iclight_local.dialects.sending import Sender, Sent, Subject
from iclight_local.errors import ICLightError
from iclight_local.fields import option_words
from iclight_local.jobs.base import Job
from iclight_local.providers import list_providers
from iclight_local.request import RelightRequest

HERE = "http://127.0.0.1:8188"
"""The server's usual address, which whoever copies replaces."""
PICTURE, ELSEWHERE = "photo.jpg", "https://example.org/photo.jpg"
"""What stands for the picture where its name is not known, and for its address."""
Copy = tuple[str, str]
"""What it is, and the text."""


def copies(job: Job, record: Mapping[str, Any]) -> list[Copy]:
    """A job that is done, to be done again elsewhere.

    Args:
        job: of the house's dialect.
        record: of its first result, for the seed and the picture's name.
    """
    knobs = {**job.asked.values, "seed": job.seeds[0]} if job.seeds else dict(job.asked.values)
    subject = record.get("subject")
    known = str(subject.get("name", "")) if isinstance(subject, Mapping) else ""
    name = known if PurePath(known).suffix else PICTURE
    pictures = {each: name if each == "subject_image" else f"{each}.png" for each in job.asked.pictures}
    return [
        ("Command line", _command(knobs, pictures)),
        ("Python", _python(knobs, pictures)),
        ("curl: this server's own API", _house(knobs, pictures)),
        *(_hosted(sender, knobs, pictures) for sender in _senders()),
    ]


def _command(knobs: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    subject = pictures[PICTURES[0]]
    # What begins with a dash would be taken for an option.
    words = ["iclight", "relight", f"./{subject}" if subject.startswith("-") else subject]
    others = {each: file for each, file in pictures.items() if each != PICTURES[0]}
    for each, value in {**others, **knobs}.items():
        words += option_words(each, value) if value is not False else []
    return shlex.join([*words, "-o", "relit.png"])


def _python(knobs: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    values = "".join(f"    {each}={value!r},\n" for each, value in {**pictures, **knobs}.items())
    return (
        "from iclight_local import RelightRequest, open_engine\n\n"
        f"engine = open_engine()\nresult = engine.relight(RelightRequest(\n{values}))\n"
        'result.images[0].save("relit.png")'
    )


def _house(knobs: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    lines = [f"curl {HERE}/relight"]
    lines += [f"-F {shlex.quote(f'{each}=@{file}')}" for each, file in pictures.items()]
    lines += [f"-F {shlex.quote(f'{each}={_said(value)}')}" for each, value in knobs.items()]
    return _joined([*lines, "-o relit.png"])


def _hosted(sender: Sender, knobs: Mapping[str, Any], pictures: Mapping[str, str]) -> Copy:
    """A call of a hosted API, as this server takes it, too; where the API cannot do it, its sentence."""
    title = f"curl: {sender.provider}"
    stand_in = _picture()
    subject = Subject(data=stand_in) if sender.uploads else Subject(url=ELSEWHERE)
    others = {each: stand_in for each in pictures if each != PICTURES[0]}
    try:
        sent = sender.encode(RelightRequest(**{**knobs, **others, "subject_image": stand_in}), subject)
    except ICLightError as error:
        return title, f"# {error}"
    return title, _call(sent, pictures["subject_image"], base64.b64encode(stand_in).decode())


def _call(sent: Sent, name: str, stand_in: str) -> str:
    """A call as curl makes it; the picture's base64 is taken from its file as the call is made."""
    lines = [f'curl {HERE}{sent.path} -H "x-api-key: $ICLIGHT_KEY"']
    for field, value in sent.form.items():
        lines.append(f"-F {shlex.quote(f'{field}={value}')}")
    lines += [f"-F {shlex.quote(f'{field}=@{name}')}" for field in sent.files]
    if sent.json is None:
        return _joined([*lines, "-o relit.png"])
    body = json.dumps(sent.json, ensure_ascii=False)
    quoted = shlex.quote(body)
    lines.append("-H 'content-type: application/json'")
    if stand_in not in body:
        return _joined([*lines, f"-d {quoted}", "-o relit.png"])
    # A whole picture is longer than a command line may be.
    before, _, after = body.partition(stand_in)
    parts = f"(printf %s {shlex.quote(before)}; base64 -w0 {shlex.quote(name)}; printf %s {shlex.quote(after)})"
    return f"{parts} |\n{_joined([*lines, '-d @-', '-o relit.png'])}"


def _joined(lines: list[str]) -> str:
    return " \\\n  ".join(lines)


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _picture() -> bytes:
    """A picture that can be found again in a call's text."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (90, 120, 150)).save(buffer, "png")
    return buffer.getvalue()


def _senders() -> list[Sender]:
    """Every hosted model that is known by name, once."""
    found = {
        (provider.dialect, provider.model): find_senders(provider.dialect)[provider.model]
        for provider in list_providers().values()
    }
    return list(found.values())
