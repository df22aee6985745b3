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

_PICTURE = {"type": "string", "format": "binary"}
_KEYWORDS = ("type", "format", "enum", "anyOf", "minimum", "maximum", "multipleOf", "pattern")
_OF_WORK = "400 401 413 422 429 500"
_NULLABLE = ("started", "ended", "seed", "error")
_ERRORS = {
    400: "A bad value; the message says which and what is needed.",
    401: "No key, or none that is known.",
    404: "No such job or result.",
    413: "The body is too large.",
    422: "These weights or this machine cannot do it.",
    429: "Too many calls or jobs; retry-after says when.",
    500: "The engine failed.",
}


def house_schema(url: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document; ``url``: where the server is."""
    body = {"content": {kind: {"schema": _ref("Relight")} for kind in ("application/json", "multipart/form-data")}}
    picture = {"schema": {"type": "string", "format": "binary"}}
    pictures = dict.fromkeys(MEDIA_TYPES.values(), picture)
    job = {"application/json": {"schema": _ref("Job")}}
    jobs = {"type": "object", "required": ["jobs"], "properties": {"jobs": {"type": "array", "items": _ref("Job")}}}
    asked = {"requestBody": {**body, "required": True}}
    named = {"parameters": [_in_path("job")]}
    result = {"parameters": [_in_path("secret"), _in_path("name")]}
    return {
        "openapi": "3.1.0",
        "info": {"title": "iclight-local", "version": __version__, "description": "Relight pictures on this machine."},
        "servers": [{"url": url}],
        "security": [{"key": []}, {"bearer": []}, {}],
        "paths": {
            "/relight": {
                "post": _operation("Relight and wait", "relight", asked, {200: {**pictures, **job}}, _OF_WORK)
            },
            "/relight/jobs": {
                "post": _operation("Relight as a job", "submit", asked, {202: job}, _OF_WORK),
                "get": _operation(
                    "The newest jobs", "list-jobs", {}, {200: {"application/json": {"schema": jobs}}}, "401 429"
                ),
            },
            "/relight/jobs/{job}": {
                "get": _operation("A job", "show-job", named, {200: job}, "401 404 429"),
                "delete": _operation("Cancel a job", "cancel-job", named, {200: job}, "401 404 429"),
            },
            "/relight/results/{secret}/{name}": {
                "get": _operation("A result; needs no key", "result", result, {200: pictures}, "404")
            },
        },
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "schemas": {"Relight": _relight(), "Job": _job(), "Error": _error()},
        },
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
    summary: str, name: str, asked: dict[str, Any], answers: dict[int, dict[str, Any]], errors: str
) -> dict[str, Any]:
    responses = {str(status): {"description": summary, "content": content} for status, content in answers.items()}
    for status in errors.split():
        content = {"application/json": {"schema": _ref("Error")}}
        responses[status] = {"description": _ERRORS[int(status)], "content": content}
    open_to_all: dict[str, Any] = {"security": []} if "401" not in errors else {}
    return {"summary": summary, "operationId": name, **asked, "responses": responses, **open_to_all}


def _relight() -> dict[str, Any]:
    """The parameters as they are declared; a picture is text here, or a part of a form."""
    plain: dict[str, Any] = {
        name: (each.annotation, each) for name, each in RelightRequest.model_fields.items() if name not in PICTURES
    }
    declared = create_model("Values", **plain).model_json_schema()["properties"]
    properties = {}
    for field in knob_fields(RelightRequest):
        kept = {key: value for key, value in declared.get(field.name, _PICTURE).items() if key in _KEYWORDS}
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
    number, text = {"type": "number"}, {"type": "string"}
    image = {"url": {"type": "string", "format": "uri"}, "media_type": text, "bytes": {"type": "integer"}}
    properties: dict[str, Any] = {
        "id": text,
        "state": {"enum": list(get_args(State))},
        "position": {"type": "integer", "minimum": 0, "description": "Jobs that come before this one."},
        "progress": {"type": "number", "minimum": 0, "maximum": 1},
        "created": {**number, "description": "Seconds since 1970, as all times here."},
        "started": number,
        "ended": number,
        "expires": {**number, "description": "When the job and its images are removed."},
        "seed": {"type": "integer"},
        "images": {"type": "array", "items": {"type": "object", "required": list(image), "properties": image}},
        "error": text,
    }
    for name in _NULLABLE:
        properties[name] = {**properties[name], "type": [properties[name]["type"], "null"]}
    return {"type": "object", "required": list(properties), "properties": properties}


def _error() -> dict[str, Any]:
    told = {"type": {"enum": list(STATUS)}, "message": {"type": "string"}}
    return {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "object", "required": list(told), "properties": told}},
    }


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
