"""What Segmind's gateway answers beside pictures: refusals, headers, and the bodies of the asynchronous calls."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from iclight_local.dialects import segmind
from iclight_local.dialects.base import Dialect, Fault, JobView, Output
from iclight_local.dialects.segmind_ic_light import DIALECT as IC_LIGHT
from iclight_local.dialects.segmind_relighting_v2 import DIALECT as RELIGHTING_V2

BASE = "https://relight.example:8443"
ID = "2c7f59ea-13f1-402c-9353-915a2b5a2124"
STATUS_URL, RESPONSE_URL = f"{BASE}/v2/requests/{ID}/status", f"{BASE}/v2/requests/{ID}"
PICTURES = (
    Output(f"{BASE}/files/a.webp", "image/webp", "a.webp", 1234),
    Output(f"{BASE}/files/b.webp", "image/webp", "b.webp", 99),
)
QUEUED = JobView(ID, "queued", created=100.0, expires=3700.0, position=2)
RUNNING = replace(QUEUED, state="running", started=100.1, position=0)
DONE = replace(RUNNING, state="done", ended=103.2, used_seed=42, outputs=PICTURES)
FAILED = replace(RUNNING, state="failed", ended=101.1, error="subject_image is empty")


@pytest.mark.parametrize("dialect", [IC_LIGHT, RELIGHTING_V2], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("invalid", 400),
        ("too_large", 400),
        ("unsupported", 400),
        ("unauthorized", 401),
        ("not_found", 404),
        ("not_allowed", 405),
        ("busy", 429),
        ("failed", 500),
        ("late", 504),
    ],
)
def test_a_refusal_is_one_sentence_under_error(dialect: Dialect, fault: Fault, status: int) -> None:
    answer = dialect.refusal(fault, "steps must be between 1 and 100")
    assert (answer.status, answer.body) == (status, {"error": "steps must be between 1 and 100"})


def test_a_client_that_calls_too_often_is_told_until_when() -> None:
    assert segmind.rate_limit_headers(0) == {"x-rate-limit-reset-at-utc": "1970-01-01T00:00:00Z"}


def test_headers_of_a_picture() -> None:
    assert segmind.success_headers(ID, 2**63 - 1, 3.14159) == {
        "x-remaining-credits": "999",
        "x-cost": "0",
        "x-generation-time": "3.142",
        "x-seed-value": "9223372036854775807",
        "x-request-id": ID,
    }


@pytest.mark.parametrize("base", [BASE, f"{BASE}/"])
def test_a_submitted_job_has_absolute_addresses(base: str) -> None:
    answer = segmind.submitted(QUEUED, base)
    assert (answer.status, answer.body) == (
        200,
        {
            "request_id": ID,
            "status": "QUEUED",
            "poll_url": f"{BASE}/v1/requests/{ID}",
            "status_url": STATUS_URL,
            "response_url": RESPONSE_URL,
        },
    )


@pytest.mark.parametrize(("job", "word"), [(QUEUED, "QUEUED"), (RUNNING, "PROCESSING")])
def test_a_job_under_way_says_where_to_look_again(job: JobView, word: str) -> None:
    expected = {
        "status": word,
        "request_id": ID,
        "status_url": STATUS_URL,
        "response_url": RESPONSE_URL,
        "metrics": {},
    }
    for answer in (segmind.status(job, BASE), segmind.outcome(job, BASE)):
        assert (answer.status, answer.body) == (200, expected)


def test_the_status_of_a_job_that_is_done_holds_no_pictures() -> None:
    answer = segmind.status(DONE, BASE)
    assert answer.status == 200
    assert answer.body == {"status": "COMPLETED", "request_id": ID, "metrics": {"inference_time": 3.1}}


def test_the_outcome_lists_all_pictures() -> None:
    answer = segmind.outcome(DONE, BASE)
    assert answer.status == 200
    assert answer.body == {
        "status": "COMPLETED",
        "request_id": ID,
        "output": f"{BASE}/files/a.webp",
        "images": [
            {"url": f"{BASE}/files/a.webp", "content_type": "image/webp", "file_name": "a.webp", "file_size": "1234"},
            {"url": f"{BASE}/files/b.webp", "content_type": "image/webp", "file_name": "b.webp", "file_size": "99"},
        ],
        "seed": "42",
        "metrics": {
            "cost": 0,
            "remaining_credits": 999,
            "inference_time": 3.1,
            "queue_time": 0.1,
            "total_time": 3.2,
        },
    }


def test_a_seed_that_nobody_knows_is_left_out() -> None:
    assert "seed" not in segmind.outcome(replace(DONE, used_seed=None), BASE).body


@pytest.mark.parametrize(
    ("job", "error", "times"),
    [
        (FAILED, "subject_image is empty", (1.0, 0.1, 1.1)),
        (replace(FAILED, started=None), "subject_image is empty", (0.0, 1.1, 1.1)),
        (replace(QUEUED, state="cancelled", ended=102.0), "The job was cancelled", (0.0, 2.0, 2.0)),
    ],
)
def test_a_failed_job_is_422_and_free(job: JobView, error: str, times: tuple[float, ...]) -> None:
    metrics = dict(zip(("inference_time", "queue_time", "total_time"), times, strict=True))
    expected: dict[str, Any] = {"status": "FAILED", "request_id": ID, "error": error, "metrics": metrics}
    for answer in (segmind.status(job, BASE), segmind.outcome(job, BASE)):
        assert (answer.status, answer.body) == (422, expected)


def test_an_unknown_job_is_named() -> None:
    answer = segmind.unknown_request("abc")
    assert (answer.status, answer.body) == (404, {"error": "Request abc not found"})


@pytest.mark.parametrize("job", [QUEUED, RUNNING, DONE, FAILED], ids=lambda job: job.state)
def test_every_body_is_json(job: JobView) -> None:
    for answer in (segmind.submitted(job, BASE), segmind.status(job, BASE), segmind.outcome(job, BASE)):
        assert json.loads(json.dumps(answer.body)) == answer.body
