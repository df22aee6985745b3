"""Hostile calls: bodies that are bombs, or damaged, or could be read in two ways."""

from __future__ import annotations

import base64
import functools
import gzip
import json
from collections.abc import Callable

from tests.server.hostile import (
    API,
    HOUSE,
    HOUSE_JOBS,
    IC_LIGHT,
    IC_LIGHT_JOBS,
    PHOTOROOM,
    PICTURE,
    PIXELDOJO,
    PROPER,
    RELIGHTING_V2,
    TEXT,
    Hostile,
    form_body,
    part,
    sent_form,
    sent_json,
    uploads,
)
from tests.server.hostile_pictures import BOMBS, HARMLESS, NO_PICTURES

_AT_ONCE = (HOUSE, IC_LIGHT, RELIGHTING_V2, PHOTOROOM)
_FORM = {"content-type": "multipart/form-data; boundary=hostile-boundary"}


def _upload(path: str, make: Callable[[], bytes]) -> Callable[[], bytes]:
    return functools.cache(lambda: form_body(uploads(path, make())))


def _as_pixeldojo(make: Callable[[], bytes]) -> Callable[[], bytes]:
    @functools.cache
    def made() -> bytes:
        uri = f"data:image/png;base64,{base64.b64encode(make()).decode()}"
        return json.dumps({**PROPER[PIXELDOJO], "subject_image": uri}).encode()

    return made


def bombs() -> list[Hostile]:
    """Files that are larger than they look, and some that are no pictures, uploaded to every API."""
    found = []
    for what, make in {**BOMBS, **{name: lambda data=data: data for name, data in NO_PICTURES.items()}}.items():
        for path in _AT_ONCE:
            name = f"{API[path]} picture: {what}"
            found.append(Hostile(name, "POST", path, headers=_FORM, made=_upload(path, make)))
        kind = {"content-type": "application/json"}
        found.append(
            Hostile(f"pixeldojo picture: {what}", "POST", PIXELDOJO, 202, kind, made=_as_pixeldojo(make), fails=True)
        )
        for field, extra in _BESIDE.items():
            name = f"photoroom {field} file: {what}"
            found.append(Hostile(name, "POST", PHOTOROOM, headers=_FORM, made=_beside(field, extra, make)))
    for what, make in HARMLESS.items():
        for path in _AT_ONCE:
            found.append(Hostile(f"{API[path]} picture: {what}", "POST", path, 200, _FORM, made=_upload(path, make)))
    return found


_BESIDE = {"background.imageFile": {}, "background.guidance.imageFile": {"background.prompt": "a beach"}}
"""Where Photoroom takes pictures beside the first, and what they need there."""


def _beside(field: str, extra: dict[str, str], make: Callable[[], bytes]) -> Callable[[], bytes]:
    words = [part(name, value) for name, value in extra.items()]
    return functools.cache(
        lambda: form_body([*words, part("imageFile", PICTURE, "a.png"), part(field, make(), "b.png")])
    )


def _nested(depth: int, value: str = "1") -> bytes:
    return b'{"subject_image": "%s", "steps": %s}' % (
        TEXT.encode(),
        b"[" * depth + value.encode() + b"]" * depth,
    )


_JSON: dict[str, bytes | Callable[[], bytes]] = {
    "nothing": b"",
    "a number": b"5",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"subject_image"',
    "half an object": b'{"subject_image": "',
    "a comma too many": b'{"subject_image": "a",}',
    "single quotes": b"{'subject_image': 'a'}",
    "a comment": b'{"subject_image": "a" /* b */}',
    "two objects": b"{}{}",
    "NUL": b"\0",
    "a NUL in an object": b'{"subject_image": "a\0"}',
    "no UTF-8": b'{"subject_image": "\xff\xfe\xfa"}',
    "UTF-8 that is too long": b'{"subject_image": "\xc0\xaf"}',
    "UTF-32 that is none": b"\xff\xfe\0\0\x11\x22\x33\x44",
    "YAML": b"subject_image: !!python/object/apply:os.system ['id']",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "NaN": b'{"subject_image": "a", "cfg": NaN}',
    "Infinity": b'{"subject_image": "a", "cfg": -Infinity}',
    "a number of 5000 digits": b'{"subject_image": "a", "seed": ' + b"9" * 5000 + b"}",
    "1e400": b'{"subject_image": "%s", "cfg": 1e400}' % TEXT.encode(),
    "a name twice": b'{"subject_image": "%s", "steps": 5, "steps": 6}' % TEXT.encode(),
    "a name that is half a letter": b'{"subject_image": "%s", "\\ud800": 1, "steps": 0}' % TEXT.encode(),
    "a name that is empty": b'{"subject_image": "%s", "": 1, "steps": 0}' % TEXT.encode(),
    "a name of a megabyte": b'{"subject_image": "%s", "%s": 1}' % (TEXT.encode(), b"n" * (1 << 20)),
    "names of Python": b'{"subject_image": "%s", "__class__": 1, "self": 1, "__init__": 1, "steps": 0}' % TEXT.encode(),
    "100 000 open brackets": b"[" * 100_000,
    "100 000 open objects": b'{"a":' * 100_000,
    "a million empty objects": lambda: b'{"steps": [' + b"{}," * 1_000_000 + b"{}]}",
    "200 000 names": lambda: b"{" + b",".join(b'"%d":0' % each for each in range(200_000)) + b"}",
    **{f"{depth} lists in each other": _nested(depth) for depth in (17, 500, 900, 950, 980, 1500)},
    "a number of a million digits": lambda: b'{"subject_image": "a", "seed": ' + b"9" * 1_000_000 + b"}",
    "a text of a million digits": lambda: json.dumps(
        {"subject_image": TEXT, "prompt": "a", "cfg": "9" * 1_000_000 + "x", "output_quality": "9" * 1_000_000 + "x"}
    ).encode(),
    "a million letters of base64 that are none": lambda: b'{"subject_image": "' + b"A" * 1_000_000 + b'!"}',
    "a million spaces": lambda: b" " * 1_000_000,
}


def json_bodies() -> list[Hostile]:
    """JSON that is none, or too much."""
    found = []
    for path in (HOUSE, IC_LIGHT_JOBS, PIXELDOJO):
        for what, body in _JSON.items():
            call = sent_json(f"{API.get(path, 'ic-light job')} JSON: {what}", path, b"" if callable(body) else body)
            made = body if callable(body) else None
            found.append(Hostile(call.name, "POST", path, headers=call.headers, body=call.body, made=made))
    deep = sent_json("v2 and photoroom JSON: lists in each other", RELIGHTING_V2, _nested(900))
    return [*found, deep, sent_json("photoroom JSON: lists in each other", PHOTOROOM, _nested(900))]


def _headed(head: str, data: bytes = b"x") -> bytes:
    return head.encode() + b"\r\n\r\n" + data


def forms() -> list[Hostile]:
    """Forms that are damaged, ambiguous or too much."""
    picture = part("subject_image", PICTURE, "a.png")
    cases: dict[str, list[bytes]] = {
        "10 000 fields": [picture, *(part(f"a{each}", "1") for each in range(10_000))],
        "10 000 files": [part(f"a{each}", "1", "a") for each in range(10_000)],
        "a field twice": [picture, part("steps", "5"), part("steps", "6")],
        "a file twice": [picture, picture],
        "a field and a file of one name": [picture, part("subject_image", TEXT)],
        "an empty file": [part("subject_image", b"", "a.png")],
        "a part without a name": [_headed("Content-Disposition: form-data")],
        "a part without a header": [b"\r\nx"],
        "a header of a megabyte": [_headed('Content-Disposition: form-data; name="a"\r\nX: ' + "a" * (1 << 20))],
        "a name of a megabyte": [picture, part("n" * (1 << 20), "1")],
        "a thousand headers": [_headed('Content-Disposition: form-data; name="a"' + "\r\nX: a" * 1000)],
        "a file where none is taken": [picture, part("prompt", "x", "../../etc/passwd")],
        "an unknown name": [picture, part("../../etc/passwd", "x")],
        "a line end in a name": [picture, _headed('Content-Disposition: form-data; name="steps\r\n evil"')],
    }
    found = [sent_form(f"house form: {what}", HOUSE, parts) for what, parts in cases.items()]
    for file in ("../../../etc/passwd", "/etc/passwd", "..\\..\\a.png", "a\0.png", "C:\\a.png", "x" * 3000):
        # The name of a file is nothing here: what is wrong is another field.
        parts = [part("subject_image", PICTURE, file), part("steps", "0")]
        found.append(sent_form(f"house form: a file named {file[:24]!r}", HOUSE, parts, says="steps"))
    whole = form_body([picture])
    for what, kind in {
        "no boundary": "multipart/form-data",
        "an empty boundary": "multipart/form-data; boundary=",
        "another boundary": "multipart/form-data; boundary=other",
        "a boundary of 10 000 letters": f"multipart/form-data; boundary={'a' * 10_000}",
        "a boundary that is a pattern": "multipart/form-data; boundary=(a+)+$",
    }.items():
        found.append(Hostile(f"house form: {what}", "POST", HOUSE, headers={"content-type": kind}, body=whole))
    slow = form_body([picture, part("prompt", b"a-" + b"b" * 1_000_000)])
    for charset in ("punycode", "idna", "zlib", "unicode_escape", "utf-7", "utf-16", "raw_unicode_escape", "rot13"):
        kind = f"multipart/form-data; boundary=hostile-boundary; charset={charset}"
        found.append(
            Hostile(f"house form: the charset {charset}", "POST", HOUSE, headers={"content-type": kind}, body=slow)
        )
    found.append(
        Hostile(
            "house form: cut off", "POST", HOUSE, headers=_FORM, body=form_body([picture, part("steps", "5")])[:-60]
        )
    )
    query = {"content-type": "application/x-www-form-urlencoded"}
    many = "&".join(f"a{each}=1" for each in range(10_000)).encode()
    found.append(Hostile("house query form: 10 000 fields", "POST", HOUSE, headers=query, body=many))
    found.append(
        Hostile("house query form: nothing but separators", "POST", HOUSE, headers=query, body=b"&=" * 200_000)
    )
    return found


def kinds() -> list[Hostile]:
    """Bodies of other types, and compressed ones."""
    body = json.dumps(PROPER[HOUSE]).encode()
    found = []
    for kind in (
        "",
        "text/plain",
        "application/xml",
        "image/png",
        "application/json/x",
        "*/*",
        "a" * 5000,
        "text/html",
    ):
        head = {"content-type": kind} if kind else {}
        found.append(
            Hostile(
                f"house type: {kind[:24] or 'none'}",
                "POST",
                HOUSE,
                headers=head,
                body=body,
                says="Invalid content type",
            )
        )
    for coding in ("gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip"):
        head = {"content-type": "application/json", "content-encoding": coding}
        packed = gzip.compress(b'{"prompt": "' + bytes(20_000_000) + b'"}')
        for path in (HOUSE, IC_LIGHT_JOBS, PIXELDOJO):
            name = f"{API.get(path, 'ic-light job')} coding: {coding}"
            found.append(Hostile(name, "POST", path, headers=head, body=packed, says="compressed"))
    found.append(
        Hostile(
            "photoroom query: parameters in the query of a POST",
            "POST",
            f"{PHOTOROOM}?a=b",
            headers=_FORM,
            body=form_body([]),
        )
    )
    found.append(
        Hostile("photoroom query: a parameter twice", "GET", f"{PHOTOROOM}?imageUrl=http://a.test/&imageUrl=b")
    )
    found.append(Hostile("photoroom query: a path", "GET", f"{PHOTOROOM}?imageUrl=/etc/passwd&lighting.mode=ai.auto"))
    found.append(sent_json("house jobs: a list of pictures", HOUSE_JOBS, {"subject_image": [TEXT, TEXT]}))
    large = {"content-type": "application/json"}
    for path in (HOUSE, IC_LIGHT, PIXELDOJO, PHOTOROOM):
        status = 413 if path == HOUSE else 400
        found.append(
            Hostile(
                f"{API[path]} size: 70 MB",
                "POST",
                path,
                status,
                large,
                made=lambda: bytes(70 << 20),
                says="larger than",
            )
        )
    return found
