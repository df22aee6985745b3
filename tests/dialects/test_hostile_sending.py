"""Answers that no API gives: whatever comes, it is a value, and a refusal is one sentence."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from sending_cases import BOTH, LEAST, PNG, SENDERS, URL, received, request

from iclight_local.dialects.base import Link
from iclight_local.dialects.sending import Outcome, Pending, Pictures, Received, Refused, Sender, Sent
from iclight_local.dialects.understanding import media_type_of
from iclight_local.errors import EngineError, ICLightError

ID = "2c7f59ea-13f1-402c-9353-915a2b5a2124"
GATEWAY = [f"/v2/requests/{ID}/status", f"/v2/requests/{ID}"]
POLLS: dict[str, list[str]] = {
    **{"segmind_ic_light": GATEWAY, "segmind_relighting_v2": GATEWAY},
    **{"pixeldojo": [f"/api/v1/jobs/{ID}"], "photoroom": []},
}
PATHS = re.compile(r"/v2/requests/[\w.-]+(/status)?|/api/v1/jobs/[\w.-]+", re.ASCII)
GOOD: list[dict[str, Any]] = [
    {"request_id": ID, "status": "QUEUED", "metrics": {"cost": 1}},
    {"request_id": ID, "status": "COMPLETED", "output": URL, "images": [{"url": URL}], "seed": "42"},
    {"request_id": ID, "status": "FAILED", "error": "no"},
    {"images": ["aGVsbG8="], "seeds": [1]},
    {"jobId": ID, "status": "pending", "creditCost": 1, "creditsRemaining": 95},
    {"jobId": ID, "status": "completed", "output": {"images": [URL]}, "assets": [{"url": URL}], "creditCost": 1},
    {"jobId": ID, "status": "failed", "error": "no", "creditCost": 0},
    {"error": {"code": "invalid_request", "message": "bad", "detail": "bad", "status": 400}},
    {"error": "code", "error_description": "words", "detail": "words", "status_code": 401},
]
ODD: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 10**400, -(2**63), 1e308, float("nan"), float("inf"), "", " ", "\0", "\n\n"),
    *(
        "\ud800",
        "x" * 10_000,
        "ftp://host/p.png",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "data:image/png;base64,",
    ),
    *("http://", "https://h/\x00", "https://h/é", "https://h/" + "x" * 9000, "//host/p", "COMPLETED", "completed"),
    *([], {}, [[]], [None], [URL, 5], {"url": 5}, [{"url": None}], {"message": ["x"]}, {"code": {}}, "9" * 5000),
]
HEADERS = [
    *("content-type", "retry-after", "date", "x-cost", "x-remaining-credits", "x-seed-value", "x-request-id"),
    *("x-rate-limit-reset-at-utc", "pr-unsupported-attributes"),
]
STATUSES = [
    *[200] * 20,
    202,
    204,
    206,
    301,
    302,
    400,
    401,
    402,
    403,
    404,
    406,
    408,
    409,
    413,
    418,
    422,
    429,
    500,
    503,
    599,
    0,
]
SUBMIT = {each.model: each.encode(request(**LEAST.get(each.model, {})), BOTH) for each in SENDERS}


def mutated(dice: random.Random, value: Any) -> Any:
    """A body with some of its parts replaced or left out."""
    if dice.random() < 0.1:
        return dice.choice(ODD)
    if isinstance(value, dict):
        kept = {name: mutated(dice, each) for name, each in value.items() if dice.random() < 0.85}
        return kept | (
            {dice.choice(["error", "status", "output", "seed"]): dice.choice(ODD)} if dice.random() < 0.2 else {}
        )
    return [mutated(dice, each) for each in value] if isinstance(value, list) else value


def a_body(dice: random.Random) -> bytes:
    whole = json.dumps(mutated(dice, dice.choice(GOOD))).encode()
    kinds: list[Callable[[], bytes]] = [
        lambda: whole,
        lambda: whole,
        lambda: whole,
        lambda: whole[: dice.randint(0, len(whole))],
        lambda: dice.randbytes(dice.randint(0, 40)),
        lambda: PNG[: dice.randint(0, len(PNG))],
        lambda: b"<!doctype html><title>502</title>",
        lambda: b"[" * 100_000,
        lambda: b'{"error":' * 900 + b"1" + b"}" * 900,
        lambda: b'{"seed": ' + b"9" * 5000 + b"}",
    ]
    return dice.choice(kinds)()


def an_answer(dice: random.Random) -> Received:
    values = [str(each)[:9000] for each in ODD] + ["image/png", "text/html", "Wed, 21 Oct 2015 07:28:00 GMT"]
    headers = {name: dice.choice(values) for name in HEADERS if dice.random() < 0.3}
    return Received(dice.choice(STATUSES), headers, a_body(dice))


def check(found: Outcome) -> None:
    """What holds of every outcome."""
    if isinstance(found, Refused):
        sentence = str(found.error)
        assert isinstance(found.error, ICLightError)
        assert 10 < len(sentence) < 500 and sentence.isprintable() and sentence.endswith(".")
        assert found.after is None or 0 <= found.after < math.inf
        return
    for number in (found.bill.cost, found.bill.remaining):
        assert number is None or 0 <= number < math.inf
    if isinstance(found, Pending):
        assert (found.poll.method, found.poll.json) == ("GET", None)
        assert found.poll.job is not None and found.poll.job in found.poll.path and PATHS.fullmatch(found.poll.path)
        return
    assert isinstance(found, Pictures) and found.images
    assert found.used_seed is None or 0 <= found.used_seed < 2**63
    assert all(remark.isprintable() and len(remark) < 300 for remark in found.remarks)
    for image in found.images:
        if isinstance(image, Link):
            assert re.fullmatch(r"https?://[!-~]+", image.url, re.IGNORECASE) and len(image.url) <= 8192
        else:
            assert media_type_of(image) is not None


@pytest.mark.parametrize("each", SENDERS, ids=lambda each: each.model)
def test_whatever_comes_is_understood(each: Sender) -> None:
    dice = random.Random(each.model)
    polls = [Sent("GET", path, job=ID) for path in POLLS[each.dialect]]
    kinds = set()
    for _ in range(600):
        found = each.understand(an_answer(dice), dice.choice([SUBMIT[each.model], *polls]))
        check(found)
        kinds.add(type(found))
    assert kinds == {Refused, Pictures, *([Pending] if polls else [])}


@pytest.mark.parametrize("each", SENDERS, ids=lambda each: each.model)
@pytest.mark.parametrize(
    ("body", "kind", "found"),
    [
        (b"", "image/png", "0 bytes of image/png"),
        (b"<html>", "text/html; charset=utf-8", "6 bytes of text/html"),
        (b'{"status": "QUEU', "application/json", "16 bytes of application/json"),
        (b"GIF89a", "", "6 bytes of no stated type"),
        (b"[]", "a\nb", r"2 bytes of a\nb"),
    ],
)
def test_a_success_without_sense_says_what_came(each: Sender, body: bytes, kind: str, found: str) -> None:
    outcome = each.understand(received(200, body, {"content-type": kind}), SUBMIT[each.model])
    assert isinstance(outcome, Refused) and isinstance(outcome.error, EngineError)
    assert f"{each.provider} answered 200 with {found}, but " in str(outcome.error)
    assert (outcome.may_retry, outcome.unpaid) == (False, False)


@pytest.mark.parametrize("each", SENDERS, ids=lambda each: each.model)
def test_a_redirect_is_not_followed(each: Sender) -> None:
    outcome = each.understand(received(302, b"", {"location": "http://169.254.169.254/"}), SUBMIT[each.model])
    assert isinstance(outcome, Refused) and isinstance(outcome.error, EngineError)
    assert (outcome.may_retry, outcome.unpaid) == (False, False)
    assert "(302)" in str(outcome.error)


ADDRESSES = ["ftp://h/p.png", "file:///p", "http:///", "https://h/a b", "https://h/\u202e", "/p.png", "https://"]


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_of_an_odd_kind_is_no_picture(url: str) -> None:
    bodies = {
        "ic-light": {"request_id": ID, "status": "COMPLETED", "output": url, "images": [{"url": url}]},
        "magic-lighting": {"jobId": ID, "status": "completed", "output": {"images": [url]}},
    }
    for each in SENDERS:
        if each.model in bodies:
            sent = Sent("GET", POLLS[each.dialect][-1], job=ID)
            found = each.understand(received(200, bodies[each.model]), sent)
            assert isinstance(found, Refused) and found.may_retry


def test_one_bad_picture_of_several_spoils_the_answer() -> None:
    body = {"jobId": ID, "status": "completed", "output": {"images": [URL, "ftp://h/p"]}}
    magic = next(each for each in SENDERS if each.model == "magic-lighting")
    assert isinstance(magic.understand(received(200, body), Sent("GET", POLLS["pixeldojo"][0], job=ID)), Refused)


def test_a_long_message_is_cut() -> None:
    magic = next(each for each in SENDERS if each.model == "magic-lighting")
    said = "word \n\x1b[31m" * 1000
    found = magic.understand(received(400, {"error": {"message": said}}), SUBMIT["magic-lighting"])
    assert isinstance(found, Refused) and "\x1b" not in str(found.error) and len(str(found.error)) < 300
