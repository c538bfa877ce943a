"""Every refusal Slugline can give, as exceptions; `app.web.errors` renders them. Imports nothing of ours.

A refusal that belongs to one noun is a subclass beside its rule. The names of codes and their statuses
are the table of the public contract (`docs/errors.md`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FieldError:
    """One refused input: `field` is a dotted path into the body, or the name of a query parameter."""

    field: str
    message: str


class AppError(Exception):
    """A refusal with an HTTP status and a stable code.

    `keeps` marks a refusal that must leave a trace (an ended token family, say): the transaction wrapper
    commits what was done before it answers; every other error rolls back.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL_ERROR"
    message: str = "Something went wrong on our side."
    keeps: ClassVar[bool] = False

    def __init__(
        self,
        message: str | None = None,
        *,
        field: str | None = None,
        details: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> None:
        self.message = message or type(self).message
        self.field = field
        self.details = tuple(details)
        self.headers = dict(headers or {})
        self.reason = reason
        super().__init__(self.message)


class ValidationFailed(AppError):
    """400: a field or parameter is not acceptable; `details` lists all of them."""

    status, code, message = 400, "VALIDATION_ERROR", "The request is not valid."

    @classmethod
    def of(cls, errors: Iterable[FieldError]) -> "ValidationFailed":
        """Collect several field errors into one refusal; the first names `field` and the message."""
        found = tuple(errors)
        # One that belongs to no field (a body that is no object) is told by the message alone.
        return cls(found[0].message, field=found[0].field or None, details=[e for e in found if e.field])


class MalformedJSON(AppError):
    status, code, message = 400, "MALFORMED_JSON", "The body is not valid JSON."


class AuthRequired(AppError):
    """401 with the challenge of RFC 6750 §3; `reason="expired"` when a token was good but is too old."""

    status, code, message = 401, "AUTH_REQUIRED", "Sign in first: send an access token as Bearer."

    def __init__(self, message: str | None = None, *, reason: str | None = None) -> None:
        challenge = 'Bearer error="invalid_token"' if reason else "Bearer"
        super().__init__(message, reason=reason, headers={"WWW-Authenticate": challenge})


class InvalidToken(AppError):
    status, code, message = 401, "INVALID_TOKEN", "The token is not valid here."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


class Forbidden(AppError):
    status, code, message = 403, "FORBIDDEN", "You may not do this."


class HTTPSRequired(AppError):
    status, code, message = 403, "HTTPS_REQUIRED", "This API answers over HTTPS only."


class NotFound(AppError):
    status, code, message = 404, "NOT_FOUND", "There is nothing here."


class MethodNotAllowed(AppError):
    status, code, message = 405, "METHOD_NOT_ALLOWED", "This resource does not answer that method."


class NotAcceptable(AppError):
    """406: nothing that the resource can be shown as is acceptable to the client (RFC 9110 §15.5.7)."""

    status, code, message = 406, "NOT_ACCEPTABLE", "This does not come in a type that Accept takes."


class Conflict(AppError):
    status, code, message = 409, "CONFLICT", "The resource changed at the same time; read it and try again."


class Gone(AppError):
    """410: the call has passed its sunset (`app.api.deprecation`)."""

    status, code, message = 410, "GONE", "This call has ended; Link names its successor."


class PreconditionFailed(AppError):
    status, code, message = 412, "PRECONDITION_FAILED", "The resource is not what the request takes it for."


class PreconditionRequired(AppError):
    """428 (RFC 6585 §3): this service takes no change that does not say what it changes."""

    status, code, message = 428, "PRECONDITION_REQUIRED", "Send If-Match with the ETag that GET showed."


class PayloadTooLarge(AppError):
    status, code, message = 413, "PAYLOAD_TOO_LARGE", "The body is too large."


class URITooLong(AppError):
    status, code, message = 414, "URI_TOO_LONG", "The path and query are too long."


class UnsupportedMediaType(AppError):
    status, code, message = 415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json."


class RateLimited(AppError):
    """429; `retry_after` in whole seconds, at least 1, after which the same call is let through."""

    status, code, message = 429, "RATE_LIMITED", "Too many requests; wait a little."

    def __init__(self, retry_after: int, message: str | None = None) -> None:
        super().__init__(message, headers={"Retry-After": str(max(1, retry_after))})


class InternalError(AppError):
    """500: what an unexpected exception becomes; says nothing of its cause."""


class BadGateway(AppError):
    """502: somebody whom we had to ask gave no answer that we can use."""

    status, code, message = 502, "BAD_GATEWAY", "A service that is needed for this gave no good answer."


class GatewayTimeout(AppError):
    """504: somebody whom we had to ask did not answer in time."""

    status, code, message = (
        504,
        "GATEWAY_TIMEOUT",
        "A service that is needed for this did not answer in time.",
    )


class Unavailable(AppError):
    """503: a part behind us (database, limiter store) does not answer; obeying `Retry-After` is worth a try."""

    status, code, message = 503, "UNAVAILABLE", "The service is busy or in maintenance; try again shortly."

    def __init__(self, message: str | None = None, *, retry_after: int = 2) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after)})
