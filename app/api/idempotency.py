"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a creating call that comes again is answered as it
was, and nothing is created twice (ADR 9)."""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import Response, current_app, g, request

from app.accounts import answers
from app.accounts.answers import Answer
from app.api import negotiation
from app.api.access import current_principal
from app.errors import AppError, FieldError, ValidationFailed
from app.extensions import db
from app.web.accept import JSON

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEY_PATTERN = "[!-~]{1,255}"
_KEPT_HEADERS = ("Location", "Content-Location", "Last-Modified")

View = Callable[..., Any]


class IdempotencyMismatch(AppError):
    status, code = 422, "IDEMPOTENCY_MISMATCH"
    message = "This Idempotency-Key was sent before, with another request."


@dataclass(frozen=True)
class _Call:
    """Who sent which key with what."""

    user_id: int
    key: str
    request: bytes


def idempotent(view: View) -> View:
    """Let the view be called twice and work once, where the client sends a key. Stands below the access mark."""

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = _call()
        if call is None:
            return view(*args, **kwargs)
        return _replay(call) or _first(call, lambda: view(*args, **kwargs))

    wrapper._idempotent = True  # type: ignore[attr-defined]  # a mark; Callable has no attributes
    return wrapper


def keep_nothing() -> None:
    """Nothing was done by this call: let it be answered anew when it comes again."""
    g.nothing_done = True


def holds_secrets(view: View) -> View:
    """Mark a view whose answers must not be kept: a key is refused there, as on every call of nobody known."""
    view._holds_secrets = True  # type: ignore[attr-defined]  # a mark; Callable has no attributes
    return view


def may_not_be_kept(view: View) -> bool:
    return getattr(view, "_holds_secrets", False)


def refuse_key() -> None:
    """For calls whose answers must not be kept. Raises ValidationFailed."""
    if request.method == "POST" and HEADER in request.headers:
        raise ValidationFailed.of([FieldError(HEADER, "This call takes none: its answer is not kept.")])


def _call() -> _Call | None:
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not re.fullmatch(KEY_PATTERN, key):
        raise ValidationFailed.of([FieldError(HEADER, "Must be 1 to 255 visible ASCII characters.")])
    return _Call(current_principal().user_id, key, _fingerprint())


def _fingerprint() -> bytes:
    """Keyed, since a body may hold a password that a plain hash would give away."""
    parts = (request.method.encode(), request.full_path.encode(), request.get_data())
    return hmac.digest(current_app.config["SECRET_KEY"].encode(), b"\n".join(parts), hashlib.sha256)


def _replay(call: _Call) -> Response | None:
    """The stored answer, if there is one. Raises IdempotencyMismatch where it is another request's."""
    stored = answers.find(call.user_id, call.key)
    if stored is None:
        return None
    if not hmac.compare_digest(stored.request, call.request):
        raise IdempotencyMismatch(field=HEADER)
    # JSON has two names; which of them is this request's choice.
    headers = {name: value for name, value in stored.headers.items() if name in _kept_headers()}
    headers |= {REPLAYED: "true", "Vary": "Accept"}
    return Response(stored.body, stored.status, headers, mimetype=negotiation.chosen())


def _kept_headers() -> tuple[str, ...]:
    """The tag is that of plain JSON; under its other name the answer has another one."""
    return (*_KEPT_HEADERS, "ETag") if negotiation.chosen() == JSON else _KEPT_HEADERS


def _first(call: _Call, answer_it: Callable[[], Response]) -> Response:
    """Answer the call, and store the answer of a success beside what it did.

    Two at once: the second waits for the first, be it at a row that both want or at the stored answer, is
    undone, and gets the first one's answer. A refusal may be the first one's doing too (CODE_TAKEN).
    """
    try:
        response = answer_it()
        if response.status_code < 300 and "nothing_done" not in g:
            headers = {name: response.headers[name] for name in _kept_headers() if name in response.headers}
            answer = Answer(call.request, response.status_code, headers, response.get_data())
            answers.store(call.user_id, call.key, answer)
        return response
    except AppError:
        db.session.rollback()
        twin = _replay(call)
        if twin is None:
            raise
        return twin
