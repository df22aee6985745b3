"""The house's own OpenAPI document, held against the server that hands it out."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import FlakyFailure
from schemathesis import checks
from schemathesis.schemas import BaseSchema

from iclight_local.server.keys import KeyFile
from tests.server.live import PICTURE, Live, serving

TEXT = base64.b64encode(PICTURE).decode()
CALLS = {
    *{("POST", "/relight"), ("POST", "/relight/jobs"), ("GET", "/relight/jobs"), ("GET", "/relight/jobs/{job}")},
    *{("DELETE", "/relight/jobs/{job}"), ("GET", "/relight/results/{secret}/{name}"), ("GET", "/relight/docs")},
    *{("GET", "/relight/openapi.json"), ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")},
}
HELD = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.missing_required_header,
    checks.unsupported_method,
]
"""Not among them is that whatever the document allows is taken: it cannot say what is a picture or a light."""
EXAMPLES = 12


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, str]]:
    """A server that needs a key, and the key."""
    folder: Path = tmp_path_factory.mktemp("schema")
    keys = KeyFile(folder / "keys.json")
    with serving(folder / "jobs", keys=keys, waiting=5) as live:
        yield live, keys.add("ann")


def usable(case: schemathesis.Case, known: dict[str, str] | None) -> schemathesis.Case:
    """What is right but for its picture gets one, and, where they are given, names that the server knows."""
    if isinstance(case.body, dict):
        case.body = {name: value for name, value in case.body.items() if not name.endswith("_image")}
        case.body["subject_image"] = TEXT
    if known is not None and case.path_parameters:
        case.path_parameters = {name: known[name] for name in case.path_parameters}
    return case


def hold(operation: Any, known: dict[str, str] | None, headers: dict[str, str]) -> set[int]:
    """Call an operation with generated cases, bad ones where nothing is ``known``; the statuses that came back."""
    seen: set[int] = set()
    turns = itertools.cycle([known, None])
    mode = schemathesis.GenerationMode.NEGATIVE if known is None else schemathesis.GenerationMode.POSITIVE

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
        sent = case if known is None else usable(case, next(turns))
        seen.add(sent.call_and_validate(checks=HELD, headers=headers).status_code)

    try:
        trial()
    except FlakyFailure as error:
        # In CPython 3.11 ast.parse, with which hypothesis describes lambdas, can lose count beside other threads.
        if not all(isinstance(each, SystemError) for each in error.exceptions):
            raise
        trial()
    return seen


def test_it_tells_of_every_call(live: Live) -> None:
    paths = live.get("/relight/openapi.json").json["paths"]
    assert {(method.upper(), path) for path, calls in paths.items() for method in calls} == CALLS


@pytest.mark.parametrize("named", sorted(CALLS), ids=lambda named: " ".join(named))
def test_the_server_does_what_it_says(named: tuple[str, str], keyed: tuple[Live, str]) -> None:
    live, key = keyed
    headers = {"x-api-key": key}
    document: BaseSchema = schemathesis.openapi.from_url(f"{live.url}/relight/openapi.json")
    method, path = named
    told = live.json("/relight", {"subject_image": TEXT}, {**headers, "accept": "application/json"}).json
    secret, name = told["images"][0]["url"].split("/")[-2:]
    seen = hold(document[path][method], {"job": told["id"], "secret": secret, "name": name}, headers)
    assert {200, 202} & seen
    assert ("{" in path) == (404 in seen)
    if method == "POST":
        assert 400 in hold(document[path][method], None, headers)


def test_a_keyed_server_says_that_it_needs_one(keyed: tuple[Live, str], live: Live) -> None:
    for each, needed in ((keyed[0], True), (live, False)):
        document = each.get("/relight/openapi.json").json
        assert ({} not in document["security"]) == needed
        assert each.get("/relight/jobs").status == (401 if needed else 200)
        assert document["paths"]["/relight/results/{secret}/{name}"]["get"]["security"] == []
