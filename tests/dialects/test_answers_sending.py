"""Answers that the APIs document, and those of the server's own direction: each is understood."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from sending_cases import BOTH, LEAST, PNG, SENDERS, URL, of_server, picture, received, request, sender

from iclight_local.dialects import find_dialect, photoroom, pixeldojo, segmind, segmind_ic_light
from iclight_local.dialects.base import Asked, Delivered, Fault, JobView, Link, Output
from iclight_local.dialects.sending import Bill, Pending, Pictures, Refused, Sender, Sent, Why
from iclight_local.errors import EngineError, InvalidRequest, Unsupported

BASE = "https://relight.example:8443"
ID = "2c7f59ea-13f1-402c-9353-915a2b5a2124"
FILES = tuple(Output(f"{BASE}/files/{name}.webp", "image/webp", f"{name}.webp", 99) for name in "ab")
LINKS = tuple(Link(each.url) for each in FILES)
QUEUED = JobView(ID, "queued", created=100.0, expires=3700.0)
RUNNING = replace(QUEUED, state="running", started=100.1)
DONE = replace(RUNNING, state="done", ended=103.2, used_seed=42, outputs=FILES)
FAILED = replace(RUNNING, state="failed", ended=101.1, error="subject_image is empty")
SEGMIND, V2, MAGIC, PHOTOROOM = (
    sender(model) for model in ("ic-light", "segmind-relighting-v2", "magic-lighting", "edit")
)
RESULT = Sent("GET", f"/v2/requests/{ID}", job=ID)
STATUS = Sent("GET", f"/v2/requests/{ID}/status", job=ID)
JOB = Sent("GET", f"/api/v1/jobs/{ID}", job=ID)
ASKED = Asked({"number_of_images": 2}, {})
SUBMIT = {each.model: each.encode(request(**LEAST.get(each.model, {})), BOTH) for each in SENDERS}


def refused(each: Sender, status: int, body: object, sent: Sent | None = None, **headers: str) -> Refused:
    found = each.understand(received(status, body, headers), SUBMIT[each.model] if sent is None else sent)
    assert isinstance(found, Refused)
    return found


@pytest.mark.parametrize("each", [SEGMIND, V2], ids=lambda each: each.model)
def test_a_segmind_job_is_followed_to_its_pictures(each: Sender) -> None:
    submit = SUBMIT[each.model]
    found = each.understand(of_server(segmind.submitted(QUEUED, BASE)), submit)
    assert found == Pending(STATUS, 2.0, running=False, bill=Bill(request_id=ID))
    found = each.understand(of_server(segmind.status(RUNNING, BASE)), STATUS)
    assert found == Pending(STATUS, 2.0, running=True, bill=Bill(request_id=ID))
    found = each.understand(of_server(segmind.status(DONE, BASE)), STATUS)
    assert found == Pending(RESULT, 0.0, running=False, bill=Bill(request_id=ID))
    found = each.understand(of_server(segmind.outcome(DONE, BASE)), RESULT)
    assert found == Pictures(LINKS, Bill(0, 999, ID), used_seed=42)


@pytest.mark.parametrize("answer", [segmind.status(FAILED, BASE), segmind.outcome(FAILED, BASE)])
def test_a_segmind_job_that_failed_is_free(answer: Any) -> None:
    found = SEGMIND.understand(of_server(answer), STATUS)
    assert isinstance(found, Refused) and isinstance(found.error, EngineError)
    assert str(found.error) == "Segmind's ic-light could not relight the picture: subject_image is empty."
    assert (found.why, found.may_retry, found.unpaid) == ("failed", False, True)


def test_a_segmind_picture_that_is_made_at_once() -> None:
    headers = segmind.success_headers(ID, 2**63 - 1, 3.1)
    found = SEGMIND.understand(received(200, picture("WEBP"), headers), SUBMIT["ic-light"])
    assert found == Pictures((picture("WEBP"),), Bill(0, 999, ID), used_seed=2**63 - 1)


def test_several_segmind_pictures_at_once() -> None:
    body = segmind_ic_light.several([Delivered(PNG, "image/png")] * 2, [7, 7])
    assert SEGMIND.understand(received(200, body), SUBMIT["ic-light"]) == Pictures((PNG, PNG), used_seed=7)
    body = {"image": base64.b64encode(PNG).decode()}
    assert SEGMIND.understand(received(200, body), SUBMIT["ic-light"]) == Pictures((PNG,))


@pytest.mark.parametrize("output", [URL, [URL]])
def test_a_segmind_result_with_an_output_alone(output: Any) -> None:
    body = {"status": "COMPLETED", "request_id": ID, "output": output, "metrics": {"cost": "0.05"}}
    assert SEGMIND.understand(received(200, body), RESULT) == Pictures((Link(URL),), Bill(0.05, None, ID))


def test_a_segmind_result_without_pictures_is_not_asked_for_for_ever() -> None:
    found = SEGMIND.understand(received(200, {"status": "COMPLETED", "request_id": ID}), RESULT)
    assert isinstance(found, Refused) and "was needed" in str(found.error)


def test_the_key_goes_to_no_address_of_an_answer() -> None:
    evil = {
        "poll_url": "https://evil.example/",
        "status_url": "https://evil.example/s",
        "response_url": "http://10.0.0.1",
    }
    found = SEGMIND.understand(received(200, {"request_id": ID, "status": "QUEUED", **evil}), SUBMIT["ic-light"])
    assert isinstance(found, Pending) and found.poll == STATUS
    body = {"jobId": ID, "status": "pending", "statusUrl": "https://evil.example/"}
    found = MAGIC.understand(received(202, body), SUBMIT["magic-lighting"])
    assert isinstance(found, Pending) and found.poll == JOB


@pytest.mark.parametrize("job", ["..", ".", "a/b", "a?b", "a b", "", "x" * 201, 5, None, "é", "a\n"])
def test_a_job_whose_name_fits_no_path_is_none(job: Any) -> None:
    for each, body in (
        (SEGMIND, {"request_id": job, "status": "QUEUED"}),
        (MAGIC, {"jobId": job, "status": "pending"}),
    ):
        found = each.understand(received(200, body), SUBMIT[each.model])
        assert isinstance(found, Refused) and not found.may_retry and not found.unpaid


def test_a_pixeldojo_job_is_followed_to_its_pictures() -> None:
    answer = of_server(pixeldojo.submitted(ASKED, QUEUED, f"{BASE}/api/v1/jobs/{ID}"))
    found = MAGIC.understand(answer, SUBMIT["magic-lighting"])
    assert found == Pending(JOB, 2.0, running=False, bill=Bill(2, 1_000_000, ID))
    found = MAGIC.understand(received(200, pixeldojo.job_body(ASKED, RUNNING)), JOB)
    assert found == Pending(JOB, 2.0, running=True, bill=Bill(request_id=ID))
    found = MAGIC.understand(received(200, pixeldojo.job_body(ASKED, DONE)), JOB)
    assert found == Pictures(LINKS, Bill(2, None, ID), used_seed=42)


@pytest.mark.parametrize(
    "said",
    [
        {"output": {"images": [URL]}},
        {"output": {"image": URL}},
        {"assets": [{"url": URL, "type": "image"}]},
        {"output": {}, "assets": [{"url": URL}]},
    ],
)
def test_pixeldojo_pictures_in_the_three_places(said: dict[str, Any]) -> None:
    body = {"jobId": "job_abc123...", "status": "completed", "creditCost": 1, **said}
    sent = Sent("GET", "/api/v1/jobs/job_abc123", job="job_abc123")
    assert MAGIC.understand(received(200, body), sent) == Pictures((Link(URL),), Bill(1, None, "job_abc123"))


@pytest.mark.parametrize(("cost", "unpaid"), [({"creditCost": 0}, True), ({}, False), ({"creditCost": 1}, False)])
def test_a_pixeldojo_job_that_failed(cost: dict[str, int], unpaid: bool) -> None:
    found = refused(MAGIC, 200, {"jobId": ID, "status": "failed", "error": "No face.", **cost}, JOB)
    assert str(found.error) == "PixelDojo's magic-lighting could not relight the picture: No face."
    assert (found.why, found.may_retry, found.unpaid) == ("failed", False, unpaid)
    ended = MAGIC.understand(received(200, pixeldojo.job_body(ASKED, FAILED)), JOB)
    assert isinstance(ended, Refused) and ended.unpaid and "subject_image is empty" in str(ended.error)


def test_a_photoroom_picture_with_what_it_did_not_do() -> None:
    asked = Asked({}, {}, ("background.inner",))
    found = PHOTOROOM.understand(received(200, PNG, photoroom.headers(asked)), SUBMIT["edit"])
    assert found == Pictures((PNG,), remarks=("Photoroom says: Unsupported attributes: background.inner.",))
    assert PHOTOROOM.understand(received(200, PNG), SUBMIT["edit"]) == Pictures((PNG,))


FAULTS: list[tuple[Fault, Why]] = [
    *[("invalid", "invalid"), ("too_large", "invalid"), ("unauthorized", "unauthorized"), ("not_found", "not_found")],
    *[("not_allowed", "failed"), ("busy", "busy"), ("failed", "failed")],
]


@pytest.mark.parametrize("each", SENDERS, ids=lambda each: each.model)
@pytest.mark.parametrize(("fault", "why"), FAULTS)
def test_refusals_of_the_servers_direction_are_understood(each: Sender, fault: Fault, why: Why) -> None:
    answer = of_server(find_dialect(each.dialect).refusal(fault, "The sentence."), {"retry-after": "7"})
    found = each.understand(answer, SUBMIT[each.model])
    assert isinstance(found, Refused)
    assert (found.why, found.unpaid, found.may_retry) == (why, fault != "failed", why == "busy")
    assert each.provider in str(found.error)
    assert ("The sentence" in str(found.error)) or (each is PHOTOROOM and fault == "unauthorized")
    assert found.after == 7


@pytest.mark.parametrize(
    ("each", "status", "body", "why", "kind"),
    [
        (SEGMIND, 401, {"error": "invalid_token", "error_description": "Key gone."}, "unauthorized", Unsupported),
        (SEGMIND, 403, {"error": "Model not permitted"}, "unauthorized", Unsupported),
        (SEGMIND, 402, {"error": "Pay"}, "no_credits", Unsupported),
        (SEGMIND, 406, {"error": "Not enough credits"}, "no_credits", Unsupported),
        (SEGMIND, 406, b"", "no_credits", Unsupported),
        (SEGMIND, 406, {"error": "Invalid content type"}, "invalid", InvalidRequest),
        (SEGMIND, 400, {"error": "steps must be between 1 and 100"}, "invalid", InvalidRequest),
        (SEGMIND, 422, {"error": "Prompt is Mandatory and must be string"}, "invalid", InvalidRequest),
        (SEGMIND, 405, b"<html>not allowed</html>", "failed", EngineError),
        (V2, 502, b"<html>bad gateway</html>", "failed", EngineError),
        (MAGIC, 402, {"error": {"code": "insufficient_credits", "message": "0 left"}}, "no_credits", Unsupported),
        (MAGIC, 403, {"error": {"code": "insufficient_credits", "message": "0 left"}}, "no_credits", Unsupported),
        (MAGIC, 404, {"error": {"code": "model_not_found", "message": "gone"}}, "not_found", Unsupported),
        (PHOTOROOM, 402, {"error": {"detail": "API credits exhausted. Visit"}}, "no_credits", Unsupported),
        (PHOTOROOM, 403, b"", "unauthorized", Unsupported),
        (PHOTOROOM, 400, {"error": {"message": "x", "code": "unsupported_locally"}}, "unsupported", Unsupported),
        (PHOTOROOM, 413, {"detail": "too large"}, "unsupported", Unsupported),
        (PHOTOROOM, 500, {"error": {"message": "An unexpected error occurred."}}, "failed", EngineError),
    ],
)
def test_documented_refusals(each: Sender, status: int, body: object, why: Why, kind: type[Exception]) -> None:
    found = refused(each, status, body)
    assert (found.why, type(found.error)) == (why, kind)
    assert found.unpaid == (status < 500)
    assert not found.may_retry
    assert f"({status}" in str(found.error) and str(found.error).endswith((".", "it.", "later."))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_only_what_costs_nothing_may_be_tried_again(status: int) -> None:
    for each, poll in ((SEGMIND, STATUS), (MAGIC, JOB)):
        assert refused(each, status, b"", poll).may_retry
        assert refused(each, status, b"").may_retry == (status == 429)
    assert refused(PHOTOROOM, status, b"", Sent("GET", "/v2/edit", query={"imageUrl": URL})).may_retry == (
        status == 429
    )


def test_a_job_that_is_gone_is_no_wrong_request() -> None:
    found = SEGMIND.understand(of_server(segmind.unknown_request(ID)), STATUS)
    assert isinstance(found, Refused)
    assert (type(found.error), found.may_retry, found.unpaid) == (EngineError, False, False)
    assert f"Request {ID} not found" in str(found.error)


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        ({}, None),
        ({"retry-after": "30"}, 30),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": "Wed, 21 Oct 2015 07:27:30 GMT"}, 30),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": "Wed, 21 Oct 2015 08:00:00 GMT"}, 0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 -0000", "date": "Wed, 21 Oct 2015 07:27:30 GMT"}, None),
        ({**segmind.rate_limit_headers(1445412480), "date": "Wed, 21 Oct 2015 07:27:30 GMT"}, 30),
    ],
    ids=str,
)
def test_how_long_to_wait(headers: dict[str, str], after: float | None) -> None:
    found = SEGMIND.understand(received(429, {"error": "Too many"}, headers), SUBMIT["ic-light"])
    assert isinstance(found, Refused) and found.after == after
