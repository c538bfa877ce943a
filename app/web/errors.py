"""Every error of the service in the one shape of the contract, headers kept (RFC 9110: Allow, Retry-After,
WWW-Authenticate). The classes say what is wrong; this only renders."""

from typing import Any

from flask import Flask, Response, current_app, has_request_context, request
from sqlalchemy.exc import DBAPIError, TimeoutError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from app import errors
from app.errors import AppError
from app.logs import log
from app.web import accept, request_id

_BY_STATUS: dict[int, type[AppError]] = {
    400: errors.ValidationFailed,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    409: errors.Conflict,
    413: errors.PayloadTooLarge,
    414: errors.URITooLong,
    415: errors.UnsupportedMediaType,
}


def init_app(app: Flask) -> None:
    app.register_error_handler(Exception, _handle)


def payload(error: AppError, id_of_request: str) -> dict[str, Any]:
    """The body of an error: ``{"error": {code, message, field, request_id[, reason][, details]}}``."""
    body: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "field": error.field,
        "request_id": id_of_request,
    }
    if error.reason:
        body["reason"] = error.reason
    if error.details:
        body["details"] = [{"field": detail.field, "message": detail.message} for detail in error.details]
    return {"error": body}


def problem(error: AppError, id_of_request: str) -> dict[str, Any]:
    """The same as RFC 9457 has it: `type` leads to a page about the code, `instance` names this request; all that
    `payload` says besides comes along."""
    told = payload(error, id_of_request)["error"]
    detail = told.pop("message")
    return {
        "type": f"{current_app.config['PUBLIC_URL']}/docs/errors#{error.code}",
        "title": type(error).message,
        "status": error.status,
        "detail": detail,
        "instance": f"urn:slugline:request:{id_of_request}",
        **told,
    }


def header_text(message: str) -> str:
    """`message` as a header may carry it: ASCII, no control characters."""
    return "".join(char if " " <= char <= "~" else "?" for char in message)[:200]


def render(error: AppError) -> Response:
    """The response for `error`, as `Accept` wants it told."""
    as_problem = has_request_context() and accept.prefers_problem(request.headers.get("Accept", ""))
    body = (problem if as_problem else payload)(error, request_id.current())
    response = Response(current_app.json.dumps(body), mimetype=accept.PROBLEM if as_problem else accept.JSON)
    response.vary.add("Accept")
    response.status_code = error.status
    response.headers.update(error.headers)
    response.headers["X-Error-Code"] = error.code
    response.headers["X-Error-Message"] = header_text(error.message)
    return response


def refusal(error: Exception) -> AppError:
    """What an exception means to the client. Unexpected ones are logged with their traceback."""
    if isinstance(error, AppError):
        return error
    if isinstance(error, HTTPException) and error.code in _BY_STATUS:
        headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
        return _BY_STATUS[error.code](headers=headers)
    if isinstance(error, TimeoutError) or (isinstance(error, DBAPIError) and _is_outage(error)):
        log.error(
            "database unavailable", error=str(error.orig) if isinstance(error, DBAPIError) else str(error)
        )
        return errors.Unavailable()
    log.error("unexpected error", exc_info=error)
    return errors.InternalError()


def _is_outage(error: DBAPIError) -> bool:
    """Locked, full, unreachable: OperationalError on both drivers, and a lost connection under any name."""
    return error.connection_invalidated or type(error).__name__ == "OperationalError"


def _handle(error: Exception) -> Response | RequestRedirect:
    if isinstance(error, RequestRedirect):
        return error
    return render(refusal(error))
