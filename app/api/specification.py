"""What the OpenAPI document says of every operation, derived from its mark, its arguments and its refusals."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from marshmallow import Schema, fields

from app import errors
from app.accounts.answers import AnsweredMeanwhile
from app.api.access import Access
from app.api.conditional import CHANGES
from app.api.idempotency import HEADER, KEY_PATTERN, REPLAYED, IdempotencyMismatch
from app.errors import AppError


class FieldErrorSchema(Schema):
    field = fields.String(metadata={"description": "Dotted path into the body, or the name of a parameter."})
    message = fields.String()


class ErrorBodySchema(Schema):
    code = fields.String(required=True, metadata={"example": "VALIDATION_ERROR"})
    message = fields.String(required=True, metadata={"example": "Must be a web address."})
    field = fields.String(required=True, allow_none=True, metadata={"example": "url"})
    request_id = fields.String(required=True, metadata={"example": "req_8f3a2b1cJd0SKe3hQm7TzA"})
    reason = fields.String(metadata={"description": "Why, where one code has several reasons."})
    details = fields.List(fields.Nested(FieldErrorSchema), metadata={"description": "All field errors."})


class ErrorSchema(Schema):
    """The one shape of every error."""

    error = fields.Nested(ErrorBodySchema, required=True)


SECURITY_SCHEMES: dict[str, dict[str, str]] = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access_token of POST /auth/login; 15 minutes.",
    },
    "refreshToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The refresh_token of POST /auth/login; 7 days, good once.",
    },
}

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {"description": "The id of this request, as in the logs.", "schema": {"type": "string"}},
    "RateLimit": {"description": "What is left in each window.", "schema": {"type": "string"}},
    "RateLimit-Policy": {"description": "The windows that bound this call.", "schema": {"type": "string"}},
    "X-Error-Code": {"description": "`error.code`.", "schema": {"type": "string"}},
    "ETag": {
        "description": '`"<version>-<hash>"` of this answer (RFC 9110 §8.8.3).',
        "schema": {"type": "string"},
    },
    "Last-Modified": {
        "description": "When this content last changed, where that is known and over a second ago.",
        "schema": {"type": "string"},
    },
    REPLAYED: {
        "description": "`true` where the answer is that of an earlier request with the same key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "The challenge (RFC 6750).", "schema": {"type": "string"}},
}

_PRECONDITIONS = {
    name: {"name": name, "description": description, "schema": {"type": "string"}}
    for name, description in {
        "If-Match": "The ETag that was read; its version is compared: 412 where there is a later one.",
        "If-None-Match": "On GET the ETag that the client has: 304 while it is the same. On PUT `*`: make only.",
    }.items()
}
_KEY = {
    "name": HEADER,
    "description": "Chosen by the client, its own for each new resource. The same request with the same key within "
    "24 hours gets the same answer, and makes nothing a second time.",
    "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
    "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
}
_SCHEME_OF_TOKEN = {"access": "accessToken", "refresh": "refreshToken"}
_ALWAYS = (errors.ValidationFailed, errors.HTTPSRequired, errors.URITooLong, errors.RateLimited)
_FAULTS = (errors.InternalError, errors.Unavailable)
_WITH_BODY = (errors.MalformedJSON, errors.PayloadTooLarge, errors.UnsupportedMediaType)


def describe(view: Callable[..., Any], access: Access, rule: str, methods: Sequence[str]) -> None:
    """Write security, operation id, errors and headers into the view's `_apidoc`, where flask-smorest looks."""
    doc: dict[str, Any] = deepcopy(getattr(view, "_apidoc", {}))
    refusals = _refusals(view, access, rule, methods, doc)
    manual = doc.setdefault("manual_doc", {})
    manual.setdefault("operationId", view.__name__)
    manual["security"] = [{_SCHEME_OF_TOKEN[token]: []} for token in access.tokens]
    # By whole numbers, as flask-smorest keeps its own: "200" beside 200 would replace the schema, not join it.
    responses = manual.setdefault("responses", {})
    for status in doc.get("success_status_codes", []):
        responses.setdefault(status, {}).setdefault("headers", {}).update(
            _references("X-Request-ID", "RateLimit", "RateLimit-Policy")
        )
    for status in sorted({refusal.status for refusal in refusals}):
        responses[status] = _error([refusal for refusal in refusals if refusal.status == status])
    if getattr(view, "_conditional", False):
        _take_preconditions(manual, methods)
    if getattr(view, "_idempotent", False):
        _take_key(manual)
    if "PATCH" in methods:
        _take_merge_patch(doc)
    doc.get("arguments", {}).pop("responses", None)
    view._apidoc = doc  # type: ignore[attr-defined]  # where flask-smorest reads it


def _take_preconditions(manual: dict[str, Any], methods: Sequence[str]) -> None:
    """What `app.api.conditional` adds: validators, 304, headers that ask."""
    for status, response in manual["responses"].items():
        if status in (200, 201):
            response["headers"].update(_references("ETag", "Last-Modified"))
    if "GET" in methods:
        manual["responses"][304] = {
            "description": "What the client has is still so.",
            "headers": _references("X-Request-ID", "ETag", "Last-Modified"),
        }
        _take_headers(manual, _PRECONDITIONS["If-None-Match"])
    elif CHANGES & set(methods):
        _take_headers(manual, *_PRECONDITIONS.values())


def _take_key(manual: dict[str, Any]) -> None:
    """What `app.api.idempotency` adds."""
    for status, response in manual["responses"].items():
        if status in (200, 201):
            response["headers"].update(_references(REPLAYED))
    _take_headers(manual, _KEY)


def _take_headers(manual: dict[str, Any], *headers: dict[str, Any]) -> None:
    manual.setdefault("parameters", []).extend({"in": "header", "required": False, **h} for h in headers)


def _take_merge_patch(doc: dict[str, Any]) -> None:
    """PATCH takes its body under a second name (RFC 7396)."""
    for parameter in doc.get("arguments", {}).get("parameters", []):
        if parameter["in"] == "json":
            body = {"content": {"application/merge-patch+json": {"schema": parameter["schema"]}}}
            doc["manual_doc"]["requestBody"] = body


def path_id(name: str, description: str, example: str) -> list[dict[str, Any]]:
    """The documentation of an opaque id in a path."""
    schema = {"type": "string"}
    return [
        {
            "in": "path",
            "name": name,
            "required": True,
            "description": description,
            "schema": schema,
            "example": example,
        }
    ]


def _refusals(
    view: Callable[..., Any], access: Access, rule: str, methods: Sequence[str], doc: dict[str, Any]
) -> list[type[AppError]]:
    found: list[type[AppError]] = [*_ALWAYS, *getattr(view, "_raises", ())]
    if any(parameter["in"] == "json" for parameter in doc.get("arguments", {}).get("parameters", [])):
        found += _WITH_BODY
    if getattr(view, "_conditional", False) and CHANGES & set(methods):
        found += [errors.PreconditionFailed, errors.PreconditionRequired]
    elif getattr(view, "_conditional", False):
        found.append(errors.PreconditionFailed)
    if getattr(view, "_idempotent", False):
        found += [IdempotencyMismatch, AnsweredMeanwhile]
    if access.kind != "public":
        found += [errors.AuthRequired, errors.InvalidToken]
    if access.role != "user":
        found.append(errors.Forbidden)
    if "<" in rule:
        found.append(errors.NotFound)
    return [*dict.fromkeys(found), *_FAULTS]


def _error(refusals: list[type[AppError]]) -> dict[str, Any]:
    """One response object for all refusals of one status."""
    names = ["X-Request-ID", "X-Error-Code"]
    names += ["Retry-After"] if refusals[0].status in (429, 503) else []
    names += ["WWW-Authenticate"] if refusals[0].status == 401 else []
    return {
        "description": "\n".join(f"- `{refusal.code}`: {refusal.message}" for refusal in refusals),
        "headers": _references(*names),
        "content": {
            "application/json": {
                "schema": ErrorSchema,
                "examples": {refusal.code: {"value": _example(refusal)} for refusal in refusals},
            }
        },
    }


def _example(refusal: type[AppError]) -> dict[str, Any]:
    body = {
        "code": refusal.code,
        "message": refusal.message,
        "field": None,
        "request_id": "req_8f3a2b1cJd0SKe3hQm7TzA",
    }
    return {"error": body}


def _references(*names: str) -> dict[str, dict[str, str]]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
