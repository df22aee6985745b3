"""The OpenAPI document of the house's own API, derived from the declared parameters, and a page that shows it."""

from __future__ import annotations

from html import escape
from typing import Any, get_args

from pydantic import create_model

from iclight_local import __version__
from iclight_local.dialects.base import MEDIA_TYPES, State
from iclight_local.dialects.house import PICTURES, STATUS
from iclight_local.dialects.values import MAX_PROMPT
from iclight_local.fields import knob_fields
from iclight_local.request import RelightRequest

_KEYWORDS = ("type", "format", "enum", "anyOf", "minimum", "maximum", "multipleOf", "pattern")
_NULLABLE = ("started", "ended", "seed", "error")
_FILE = {"type": "string", "format": "binary"}
_TEXT = {"type": "string"}
_NUMBER = {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds after which to call again."}
_ERRORS = {
    400: "A bad value; the message says which and what is needed.",
    401: "No key, or none that is known.",
    404: "No such job or result.",
    413: "The body is too large.",
    422: "These weights or this machine cannot do it.",
    429: "Too many calls or jobs; retry-after says when.",
    500: "The engine or the server failed.",
    504: "The job goes on, but this call waits no longer; the message says where to ask for it.",
}
_OF_CALLERS = (401, 429, 500)
_OF_WORK = (400, 413, 422, *_OF_CALLERS)
_OF_A_JOB = (404, *_OF_CALLERS)
_SEED = {"x-seed-value": {"schema": {"type": "string", "pattern": "^[0-9]+$"}, "description": "Seed of the first one."}}
_JOB_ID = {"x-job-id": {"schema": _TEXT, "description": "What /relight/jobs knows the job by."}}
_CALL_ID = {"x-request-id": {"schema": _TEXT, "description": "What the server's log knows the call by."}}


def house_schema(url: str, *, keyed: bool) -> dict[str, Any]:
    """The OpenAPI 3.1 document.

    Args:
        url: where the server is.
        keyed: whether callers need a key.
    """
    keys: list[dict[str, list[str]]] = [{"key": []}, {"bearer": []}]
    return {
        "openapi": "3.1.0",
        "info": {"title": "iclight-local", "version": __version__, "description": "Relight pictures on this machine."},
        "servers": [{"url": url}],
        "security": keys if keyed else [{}, *keys],
        "paths": {**_work_paths(), **_job_paths(), **_plain_paths()},
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "schemas": {
                "Relight": _relight(_told_picture()),
                "RelightForm": _relight({"anyOf": [_FILE, _told_picture()]}),
                "Job": _job(),
                "Jobs": _jobs(),
                "Error": _error(),
            },
        },
    }


def _work_paths() -> dict[str, Any]:
    forms = {"application/json": "Relight", "multipart/form-data": "RelightForm"}
    forms["application/x-www-form-urlencoded"] = "Relight"
    content = {kind: {"schema": _ref(name)} for kind, name in forms.items()}
    asked = {"requestBody": {"required": True, "content": content}}
    at_once = _answer(
        "The first picture; the job, where JSON was asked for or it has several", _pictures() | _of("Job")
    )
    # A job as JSON tells its seed and its id itself.
    at_once["headers"] = {**_SEED, **_JOB_ID, **_CALL_ID}
    return {
        "/relight": {"post": _operation("Relight and wait", "relight", asked, {200: at_once}, (*_OF_WORK, 504))},
        "/relight/jobs": {
            "post": _operation("Relight as a job", "submit", asked, {202: _answer("A job", _of("Job"))}, _OF_WORK),
            "get": _operation("The newest jobs", "list-jobs", {}, {200: _answer("Jobs", _of("Jobs"))}, _OF_CALLERS),
        },
    }


def _job_paths() -> dict[str, Any]:
    named = {"parameters": [_in_path("job")]}
    told = {200: _answer("The job", _of("Job"))}
    result = {"parameters": [_in_path("secret"), _in_path("name")]}
    shown = _operation(
        "A result; needs no key", "result", result, {200: _answer("The picture", _pictures())}, (404, 500)
    )
    return {
        "/relight/jobs/{job}": {
            "get": _operation("A job", "show-job", named, told, _OF_A_JOB),
            "delete": _operation("Cancel a job; it stays to be looked at", "cancel-job", named, told, _OF_A_JOB),
        },
        "/relight/results/{secret}/{name}": {"get": {**shown, "security": []}},
    }


def _plain_paths() -> dict[str, Any]:
    """What needs no key and tells of the server itself."""
    page_type = {"text/html": {"schema": _TEXT}}
    plain = {"text/plain": {"schema": _TEXT}}
    document = {"application/json": {"schema": {"type": "object", "required": ["openapi", "paths"]}}}
    calls = {
        "/relight/openapi.json": ("This document", "openapi", {200: _answer("The document", document)}),
        "/relight/docs": ("This document as a page", "docs", {200: _answer("The page", page_type)}),
        "/healthz": ("Whether the server is there", "health", {200: _answer("It is", plain)}),
        "/readyz": (
            "Whether jobs are taken",
            "ready",
            {200: _answer("They are", plain), 503: _answer("They are not", plain)},
        ),
        "/metrics": ("Figures for Prometheus", "metrics", {200: _answer("The figures", plain)}),
    }
    return {
        path: {"get": {**_operation(summary, name, {}, answers, (500,)), "security": []}}
        for path, (summary, name, answers) in calls.items()
    }


def page(schema: dict[str, Any]) -> str:
    """The document as one HTML page without scripts."""
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(str(each.get('x-default', '')))}</td>"
        f"<td>{escape(str(each.get('x-values', '')))}</td><td>{escape(each.get('description', ''))}</td></tr>"
        for name, each in schema["components"]["schemas"]["Relight"]["properties"].items()
    )
    calls = "".join(
        f"<li><code>{method.upper()} {escape(path)}</code> {escape(operation['summary'])}</li>"
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    )
    url = escape(schema["servers"][0]["url"])
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<title>iclight-local</title><style>body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;"
        "padding:0 1rem}table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:.3rem .6rem;text-align:left;"
        "vertical-align:top}code,pre{background:#f3f3f3}pre{padding:1rem;overflow:auto}</style>"
        f"<h1>iclight-local {escape(schema['info']['version'])}</h1><p>Relight pictures on this machine.</p>"
        f"<pre>curl {url}/relight -F subject_image=@photo.jpg -F 'light=left 3200K' -F fit=input -o relit.png</pre>"
        f"<h2>Calls</h2><ul>{calls}</ul>"
        "<p>As a document for programs: <a href=/relight/openapi.json>openapi.json</a>.</p>"
        "<h2>Parameters of a relight</h2><p>As JSON or as a form. A picture is a URL, a data URI, base64 or a file.</p>"
        f"<table><tr><th>name<th>default<th>values<th>what it does</tr>{rows}</table></html>"
    )


def _operation(
    summary: str, name: str, asked: dict[str, Any], answers: dict[int, dict[str, Any]], errors: tuple[int, ...]
) -> dict[str, Any]:
    responses = {str(status): answer for status, answer in answers.items()}
    for status in errors:
        found = responses[str(status)] = _answer(_ERRORS[status], _of("Error"))
        if status == 429:
            found["headers"] = {"retry-after": {**_NUMBER, "required": True}, **_CALL_ID}
    return {"summary": summary, "operationId": name, **asked, "responses": dict(sorted(responses.items()))}


def _answer(description: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "headers": _CALL_ID, "content": content}


def _of(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": _ref(name)}}


def _pictures() -> dict[str, Any]:
    return {kind: {"schema": _FILE} for kind in MEDIA_TYPES.values()}


def _told_picture() -> dict[str, Any]:
    """A picture that is no file: an http(s) URL, a data URI or base64."""
    return {"anyOf": [{**_TEXT, "format": "uri"}, {**_TEXT, "contentEncoding": "base64"}]}


def _relight(picture: dict[str, Any]) -> dict[str, Any]:
    """The parameters as they are declared; ``picture``: how a picture comes."""
    plain: dict[str, Any] = {
        name: (each.annotation, each) for name, each in RelightRequest.model_fields.items() if name not in PICTURES
    }
    declared = create_model("Values", **plain).model_json_schema()["properties"]
    properties = {}
    for field in knob_fields(RelightRequest):
        kept = {key: value for key, value in declared.get(field.name, picture).items() if key in _KEYWORDS}
        if kept.get("type") == "string" and "enum" not in kept and field.name not in PICTURES:
            kept["maxLength"] = MAX_PROMPT
        told = {"x-default": field.default, "x-values": field.range}
        properties[field.name] = {"description": field.description, **kept, **told}
    return {
        "type": "object",
        "required": ["subject_image"],
        "additionalProperties": False,
        "properties": properties,
    }


def _job() -> dict[str, Any]:
    number = {"type": "number"}
    image = {
        "url": {"type": "string", "format": "uri"},
        "media_type": {"enum": list(MEDIA_TYPES.values())},
        "bytes": {"type": "integer"},
    }
    properties: dict[str, Any] = {
        "id": _TEXT,
        "state": {"enum": list(get_args(State))},
        "position": {"type": "integer", "minimum": 0, "description": "Jobs that come before this one."},
        "progress": {"type": "number", "minimum": 0, "maximum": 1},
        "created": {**number, "description": "Seconds since 1970, as all times here."},
        "started": number,
        "ended": number,
        "expires": {**number, "description": "When the job and its images are removed."},
        "seed": {"type": "integer"},
        "images": {"type": "array", "items": {"type": "object", "required": list(image), "properties": image}},
        "error": _TEXT,
    }
    for name in _NULLABLE:
        properties[name] = {**properties[name], "type": [properties[name]["type"], "null"]}
    return {"type": "object", "required": list(properties), "properties": properties}


def _jobs() -> dict[str, Any]:
    return {"type": "object", "required": ["jobs"], "properties": {"jobs": {"type": "array", "items": _ref("Job")}}}


def _error() -> dict[str, Any]:
    told = {"type": {"enum": list(STATUS)}, "message": _TEXT}
    return {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "object", "required": list(told), "properties": told}},
    }


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
