"""The OpenAPI document that PixelDojo hands out at ``/api/openapi``, for the calls that are served here."""

from __future__ import annotations

from typing import Any

from iclight_local import __version__
from iclight_local.dialects.pixeldojo_fields import request_schema

_TEXT = {"type": "string"}
_WHOLE = {"type": "integer"}
_URL = {"type": "string", "format": "uri"}
_TIME = {"type": "string", "format": "date-time"}
_ERRORS = {
    401: "No key, or none that is known.",
    429: "Too many calls or jobs.",
    500: "The server failed.",
}


def openapi(url: str, api_id: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document.

    Args:
        url: where the server is.
        api_id: the one model's id in paths.
    """
    asked = {"requestBody": {"required": True, "content": {"application/json": {"schema": _call_schema()}}}}
    job = {"parameters": [{"name": "job", "in": "path", "required": True, "schema": _TEXT}]}
    models = {"models": {"type": "array", "items": _ref("Model")}, **dict.fromkeys(("total", "imageCount"), _WHOLE)}
    model = f"/api/v1/models/{api_id}"
    no_job = {404: "No such job."}
    paths: dict[str, dict[str, Any]] = {
        f"{model}/run": {"post": _operation("Submit a job", asked, {202: _ref("Submitted")}, {400: "A bad value."})},
        "/api/v1/jobs/{job}": {"get": _operation("A job", job, {200: _ref("Job")}, no_job)},
        "/api/v1/jobs": {"get": _operation("The newest jobs", {}, {200: _object({"jobs": _list("Job")})}, {})},
        "/api/v1/models": {"get": _operation("The models", {}, {200: _object(models)}, {})},
        model: {"get": _operation("The model", {}, {200: _ref("Model")}, {})},
        f"{model}/schema": {"get": _operation("Its parameters", {}, {200: _ref("Model")}, {})},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "PixelDojo image-relighting, served by iclight-local", "version": __version__},
        "servers": [{"url": url}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Submitted": _submitted(), "Job": _job(), "Model": _model(), "Error": _error()},
        },
    }


def _operation(
    summary: str, asked: dict[str, Any], answers: dict[int, dict[str, Any]], errors: dict[int, str]
) -> dict[str, Any]:
    told = {status: (summary, schema) for status, schema in answers.items()}
    told |= {status: (words, _ref("Error")) for status, words in {**_ERRORS, **errors}.items()}
    responses = {
        str(status): {"description": words, "content": {"application/json": {"schema": schema}}}
        for status, (words, schema) in sorted(told.items())
    }
    return {"summary": summary, **asked, "responses": responses}


def _call_schema() -> dict[str, Any]:
    return {name: value for name, value in request_schema().items() if name != "$schema"}


def _submitted() -> dict[str, Any]:
    properties = {
        "jobId": _TEXT,
        "status": {"const": "pending"},
        "statusUrl": _URL,
        "creditCost": _WHOLE,
        "creditsRemaining": _WHOLE,
        "expiresAt": _TIME,
    }
    return _object(properties)


def _job() -> dict[str, Any]:
    output = _object({"images": {"type": "array", "items": _URL}, "image": _URL})
    asset = _object({"url": _URL, "type": {"const": "image"}})
    always = {"jobId": _TEXT, "status": {"enum": ["pending", "processing", "completed", "failed"]}}
    always |= {"createdAt": _TIME, "expiresAt": _TIME}
    properties = {
        **always,
        "completedAt": _TIME,
        "output": output,
        "assets": {"type": "array", "items": asset},
        "creditCost": _WHOLE,
        "seed": _WHOLE,
        "error": _TEXT,
    }
    return {"type": "object", "properties": properties, "required": list(always)}


def _model() -> dict[str, Any]:
    texts = dict.fromkeys(("apiId", "name", "description", "modality"), _TEXT)
    properties = {**texts, "creditCost": {"type": "object"}, "capabilities": {"type": "array", "items": _TEXT}}
    return _object(properties)


def _error() -> dict[str, Any]:
    return _object({"error": _object({"code": _TEXT, "message": _TEXT, "status": _WHOLE})})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _ref(name)}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
