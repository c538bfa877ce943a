"""What the OpenAPI document says of every operation, derived from its mark, its arguments and its refusals."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from flask_smorest.utils import load_info_from_docstring
from marshmallow import fields

from app import errors
from app.accounts.answers import AnsweredMeanwhile
from app.accounts.presented_keys import ForeignAddress
from app.api import deprecation, leading, negotiation
from app.api.access import Access, InsufficientScope
from app.api.conditional import CHANGES
from app.api.csrf import HEADER as CSRF_HEADER
from app.api.csrf import CSRFFailed
from app.api.error_schemas import ErrorSchema, ProblemSchema
from app.api.idempotency import HEADER, KEY_PATTERN, REPLAYED, IdempotencyMismatch
from app.api.security_schemes import SCHEMES_OF_TOKEN
from app.errors import AppError
from app.web.safe_methods import SAFE_METHODS

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {"description": "The id of this request, as in the logs.", "schema": {"type": "string"}},
    "RateLimit": {
        "description": "What is left in each window; absent for a caller without limits.",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": "The windows that bound this call; absent for a caller without limits.",
        "schema": {"type": "string"},
    },
    "Vary": {"description": "`Accept` chooses among the types.", "schema": {"type": "string"}},
    "Accept": {"description": "With 415: the types a body may have.", "schema": {"type": "string"}},
    "Accept-Patch": {"description": "With 415: the types a patch may have.", "schema": {"type": "string"}},
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
    "description": "Chosen by the client, its own for each new resource: a UUID, say. The same request with the same "
    "key within 24 hours gets the same answer, and makes nothing a second time.",
    # No example: Swagger UI would fill it in, and the second thing that somebody makes there would be a 422.
    "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
}
_CSRF_TOKEN = {
    "name": CSRF_HEADER,
    "description": "The csrf_token of this session, where the credential is a cookie.",
    "schema": {"type": "string"},
}
_SCHEMES_OF_KEYS = ("apiKey", "apiKeyHeader", "apiKeyBasic")
_ALWAYS = (
    errors.ValidationFailed,
    errors.HTTPSRequired,
    errors.PreconditionFailed,
    errors.URITooLong,
    errors.RateLimited,
)
_FAULTS = (errors.InternalError, errors.Unavailable)
_WITH_FILES = (errors.PayloadTooLarge, errors.UnsupportedMediaType)
_WITH_BODY = (errors.MalformedJSON, *_WITH_FILES)


def describe(view: Callable[..., Any], access: Access, rule: str, methods: Sequence[str]) -> None:
    """Write security, operation id, errors and headers into the view's `_apidoc`, where flask-smorest looks."""
    doc: dict[str, Any] = deepcopy(getattr(view, "_apidoc", {}))
    refusals = _refusals(view, access, rule, methods, doc)
    mark = deprecation.deprecation_of(view)
    manual = doc.setdefault("manual_doc", {})
    manual.setdefault("operationId", view.__name__)
    manual["security"] = [{scheme: []} for token in access.tokens for scheme in SCHEMES_OF_TOKEN[token]]
    if access.scope:
        _take_keys(manual, view, access.scope)
    # By whole numbers, as flask-smorest keeps its own: "200" beside 200 would replace the schema, not join it.
    responses = manual.setdefault("responses", {})
    sent = ["X-Request-ID", "RateLimit", "RateLimit-Policy", *(["Vary"] if negotiation.offered(view) else [])]
    for status in doc.get("success_status_codes", []):
        responses.setdefault(status, {}).setdefault("headers", {}).update(_references(*sent))
    for status in sorted({refusal.status for refusal in refusals}):
        told = "Accept-Patch" if "PATCH" in methods else "Accept"
        found = [refusal for refusal in refusals if refusal.status == status]
        # Shared by reference, but for those of a deprecated call, which tell so in their headers.
        responses[status] = _error_response(found, told) if mark else _error(found, told)
    if getattr(view, "_conditional", False):
        _take_preconditions(doc, methods)
    if getattr(view, "_idempotent", False):
        _take_key(doc)
    if access.tokens and not SAFE_METHODS & set(methods):
        _take_headers(doc, _CSRF_TOKEN)
    if mark:
        deprecation.describe(doc, mark, view, rule)
    leading.describe(doc, view)
    _fill_in_example(doc)
    _answer_under_both_names(doc)
    _take_bodies(doc, negotiation.PATCHES if "PATCH" in methods else negotiation.BODIES)
    doc.get("arguments", {}).pop("responses", None)
    view._apidoc = doc  # type: ignore[attr-defined]  # where flask-smorest reads it


def _take_keys(manual: dict[str, Any], view: Callable[..., Any], scope: str) -> None:
    """What an API key needs, for programs (OpenAPI 3.1 §4.8.30 lets any scheme name roles) and for people."""
    manual["security"] += [{scheme: [scope]} for scheme in _SCHEMES_OF_KEYS]
    told = load_info_from_docstring(view.__doc__, delimiter="---").get("description", "")
    manual["description"] = f"{told}\n\nAn API key needs the scope `{scope}`.".strip()


def _take_preconditions(doc: dict[str, Any], methods: Sequence[str]) -> None:
    """What `app.api.conditional` adds: validators, 304, headers that ask."""
    for status, response in doc["manual_doc"]["responses"].items():
        if status in (200, 201):
            response["headers"].update(_references("ETag", "Last-Modified"))
    if "GET" in methods:
        doc["manual_doc"]["responses"][304] = {
            "description": "What the client has is still so.",
            "headers": _references("X-Request-ID", "ETag", "Last-Modified"),
        }
        _take_headers(doc, _PRECONDITIONS["If-None-Match"])
    elif CHANGES & set(methods):
        _take_headers(doc, *_PRECONDITIONS.values())


def _take_key(doc: dict[str, Any]) -> None:
    """What `app.api.idempotency` adds."""
    for status, response in doc["manual_doc"]["responses"].items():
        if status in (200, 201):
            response["headers"].update(_references(REPLAYED))
    _take_headers(doc, _KEY)


def _take_headers(doc: dict[str, Any], *headers: dict[str, Any]) -> None:
    """Beside the query's parameters: those of `manual_doc` would replace them."""
    parameters = doc.setdefault("arguments", {}).setdefault("parameters", [])
    parameters.extend({"in": "header", "required": False, **header} for header in headers)


def _fill_in_example(doc: dict[str, Any]) -> None:
    """A body to begin with, of the fields' examples: without it Swagger UI fills in each field's default."""
    for parameter in doc.get("arguments", {}).get("parameters", []):
        if parameter["in"] == "json":
            declared: dict[str, fields.Field[Any]] = parameter["schema"]._declared_fields
            examples = {name: field.metadata.get("example") for name, field in declared.items()}
            parameter["example"] = {name: value for name, value in examples.items() if value is not None}


def _answer_under_both_names(doc: dict[str, Any]) -> None:
    """JSON comes under the name of its version too (`app.api.negotiation`)."""
    for status, answers in doc.get("response", {}).get("responses", {}).items():
        for answer in answers:
            if "schema" in answer and not answer["content_type"]:
                content = {negotiation.VERSIONED: {"schema": answer["schema"]}}
                doc["manual_doc"]["responses"][status].update(content=content)


def _take_bodies(doc: dict[str, Any], names: Sequence[str]) -> None:
    """JSON is taken under each of `names`; flask-smorest knows the first."""
    for parameter in doc.get("arguments", {}).get("parameters", []):
        if parameter["in"] == "json":
            content = {name: {part: parameter[part] for part in ("schema", "example")} for name in names[1:]}
            doc["manual_doc"]["requestBody"] = {"content": content}


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
    taken = {parameter["in"] for parameter in doc.get("arguments", {}).get("parameters", [])}
    found += _WITH_BODY if "json" in taken else ()
    found += _WITH_FILES if "files" in taken else ()
    if getattr(view, "_conditional", False) and CHANGES & set(methods):
        found.append(errors.PreconditionRequired)
    if getattr(view, "_idempotent", False):
        found += [IdempotencyMismatch, AnsweredMeanwhile]
    if negotiation.offered(view):
        found.append(errors.NotAcceptable)
    if access.kind != "public":
        found += [errors.AuthRequired, errors.InvalidToken, CSRFFailed]
    if access.kind == "scope":
        found += [InsufficientScope, ForeignAddress]
    if access.kind == "session" or access.role != "user":
        found.append(errors.Forbidden)
    if "<" in rule:
        found.append(errors.NotFound)
    if deprecation.deprecation_of(view):
        found.append(errors.Gone)
    return [*dict.fromkeys(found), *_FAULTS]


ERRORS: dict[str, dict[str, Any]] = {}
"""The responses that operations refer to, by what each tells of."""


def _error(refusals: list[type[AppError]], told: str) -> dict[str, str]:
    """A reference to one response for all refusals of one status; `told`: the header that says what is taken."""
    names = [refusal.__name__ for refusal in refusals]
    names += [told] if refusals[0].status == 415 else []
    name = ".".join(names)
    ERRORS[name] = _error_response(refusals, told)
    return {"$ref": f"#/components/responses/{name}"}


def _error_response(refusals: list[type[AppError]], told: str) -> dict[str, Any]:
    names = ["X-Request-ID", "X-Error-Code", "RateLimit", "RateLimit-Policy", "Vary"]
    names += [told] if refusals[0].status == 415 else []
    names += ["Retry-After"] if refusals[0].status in (429, 503) else []
    names += ["WWW-Authenticate"] if refusals[0].status == 401 else []
    return {
        "description": "\n".join(f"- `{refusal.code}`: {refusal.message}" for refusal in refusals),
        "headers": _references(*names),
        "content": {
            "application/json": {
                "schema": ErrorSchema,
                "examples": {refusal.code: {"value": _example(refusal)} for refusal in refusals},
            },
            "application/problem+json": {"schema": ProblemSchema},
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
