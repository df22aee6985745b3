"""A relight of the page in other words: a command line, Python, and a call of each API that this server speaks."""

from __future__ import annotations

import base64
import io
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from iclight_local.dialects import find_senders
from iclight_local.dialects.base import Link
from iclight_local.dialects.sending import Sender, Sent, Subject
from iclight_local.errors import ICLightError
from iclight_local.fields import option_words
from iclight_local.jobs.base import Job
from iclight_local.providers import list_providers
from iclight_local.request import RelightRequest

HERE = "http://127.0.0.1:8188"
"""The server's usual address; where it is told, the one that the browser knows stands for it."""
SUBJECT = "subject_image"
PICTURE, ELSEWHERE = "photo.jpg", "https://example.org/photo.jpg"
"""What stands for the picture where its name is not known, and for its address."""
_KEY = '-H "x-api-key: $ICLIGHT_KEY"'
_NAME = re.compile(r"[\w.-]+\.\w+")
"""Names of files that no program takes for more than that; what is called otherwise is called :data:`PICTURE`."""
_JOBS = "pixeldojo"
"""The dialect whose calls are answered with a job."""
_AT_ONCE = {"/v2/ic-light": "/v1/ic-light", "/v2/segmind-relighting-v2": "/v1/segmind-relighting-v2"}
"""Where the same call is answered with the picture, by where it is answered with a job."""
Copy = tuple[str, str]
"""What it is, and the text."""


@dataclass(frozen=True)
class _Asked:
    """A job in the words of a request.

    Attributes:
        knobs: by name, with the seed that was used.
        drawn: whether nobody asked for that seed.
        pictures: their files, or addresses, by name.
        output: file of the result.
    """

    knobs: Mapping[str, Any]
    drawn: bool
    pictures: Mapping[str, str]
    output: str

    @property
    def many(self) -> bool:
        """Whether there are several results."""
        return int(self.knobs.get("number_of_images", 1)) > 1


def copies(job: Job, record: Mapping[str, Any]) -> list[Copy]:
    """A job that is done, to be done again elsewhere.

    Args:
        job: of the house's dialect.
        record: of its first result, for the picture's name.
    """
    knobs = {**job.asked.values, "seed": job.seeds[0]} if job.seeds else dict(job.asked.values)
    subject = record.get("subject")
    known = str(subject.get("name", "")) if isinstance(subject, Mapping) else ""
    files = {each: f"{each}.png" for each in job.asked.pictures}
    files[SUBJECT] = known if _NAME.fullmatch(known) and not known.startswith("-") else PICTURE
    links = {each: found.url for each, found in job.asked.pictures.items() if isinstance(found, Link)}
    suffix = str(knobs.get("output_format", "png"))
    asked = _Asked(knobs, "seed" not in job.asked.values, {**files, **links}, f"relit.{suffix}")
    return [
        ("Command line", _command(asked)),
        ("Python", _python(asked)),
        ("curl: this server's own API", _house(asked)),
        *(_hosted(sender, asked) for sender in _senders()),
    ]


def _command(asked: _Asked) -> str:
    words = ["iclight", "relight", asked.pictures[SUBJECT]]
    others = {each: file for each, file in asked.pictures.items() if each != SUBJECT}
    for each, value in {**others, **asked.knobs}.items():
        words += option_words(each, value) if value is not False else []
    return shlex.join([*words, "-o", asked.output])


def _python(asked: _Asked) -> str:
    values = "".join(f"    {each}={value!r},\n" for each, value in {**asked.pictures, **asked.knobs}.items())
    name, _, suffix = asked.output.partition(".")
    saved = (
        f'for number, image in enumerate(result.images, 1):\n    image.save(f"{name}-{{number}}.{suffix}")'
        if asked.many
        else f'result.images[0].save("{asked.output}")'
    )
    return (
        "from iclight_local import RelightRequest, open_engine\n\n"
        f"engine = open_engine()\nresult = engine.relight(RelightRequest(\n{values}))\n{saved}"
    )


def _house(asked: _Asked) -> str:
    lines = [f"curl {HERE}/relight {_KEY}"]
    for each, file in asked.pictures.items():
        lines.append(_part(each, file) if _is_address(file) else f"-F {each}=@{file}")
    lines += [_part(each, _said(value)) for each, value in asked.knobs.items()]
    # Several pictures come as links to them.
    return _joined([*lines, f"-o {'relit.json' if asked.many else asked.output}"])


def _hosted(sender: Sender, asked: _Asked) -> Copy:
    """A call of a hosted API, as this server takes it, too; where the API cannot do it, its sentence."""
    title, stand_in = f"curl: {sender.provider}", _picture()
    try:
        sent = _sent(sender, asked, stand_in)
    except ICLightError as error:
        return title, f"# {error}"
    # A job is answered, which is asked for later.
    output = "" if sender.dialect == _JOBS else f"-o {asked.output}"
    return title, _call(sent, asked, stand_in, output)


def _sent(sender: Sender, asked: _Asked, stand_in: bytes) -> Sent:
    address = asked.pictures[SUBJECT] if _is_address(asked.pictures[SUBJECT]) else ELSEWHERE
    subject = Subject(data=stand_in) if sender.uploads else Subject(url=address)
    others = {each: stand_in for each in asked.pictures if each != SUBJECT}

    def encoded(knobs: Mapping[str, Any]) -> Sent:
        return sender.encode(RelightRequest(**{**knobs, **others, SUBJECT: stand_in}), subject)

    try:
        return encoded(asked.knobs)
    except ICLightError:
        if not asked.drawn:
            raise
        # Not every API knows seeds, and nobody asked for this one.
        return encoded({name: value for name, value in asked.knobs.items() if name != "seed"})


def _call(sent: Sent, asked: _Asked, stand_in: bytes, output: str) -> str:
    """A call as curl makes it; the picture's base64 is taken from its file as the call is made."""
    name = PICTURE if _is_address(asked.pictures[SUBJECT]) else asked.pictures[SUBJECT]
    lines = [f"curl {HERE}{_AT_ONCE.get(sent.path, sent.path)} {_KEY}"]
    lines += [_part(field, value) for field, value in sent.form.items()]
    lines += [f"-F {field}=@{name}" for field in sent.files]
    if sent.json is None:
        return _joined([*lines, output])
    body, text = json.dumps(sent.json, ensure_ascii=False), base64.b64encode(stand_in).decode()
    lines.append("-H 'content-type: application/json'")
    if text not in body:
        return _joined([*lines, f"-d {shlex.quote(body)}", output])
    # A whole picture is longer than a command line may be; not every system's base64 knows options.
    before, _, after = body.partition(text)
    coded = f"base64 < {name} | tr -d '\\n'"
    parts = f"(printf %s {shlex.quote(before)}; {coded}; printf %s {shlex.quote(after)})"
    return f"{parts} |\n{_joined([*lines, '-d @-', output])}"


def _part(name: str, value: str) -> str:
    """A part of a form as it stands: with -F a value may name a file."""
    return f"--form-string {shlex.quote(f'{name}={value}')}"


def _is_address(picture: str) -> bool:
    return "://" in picture


def _joined(lines: list[str]) -> str:
    return " \\\n  ".join(filter(None, lines))


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _picture() -> bytes:
    """A picture that can be found again in a call's text."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (90, 120, 150)).save(buffer, "png")
    return buffer.getvalue()


def _senders() -> list[Sender]:
    """Of every dialect the model that this server's own engine answers for: the first."""
    dialects = dict.fromkeys(provider.dialect for provider in list_providers().values())
    return [next(iter(find_senders(dialect).values())) for dialect in dialects]
