"""Calls that will end: announced on every answer, marked in the specification, counted for the operator, and after
their sunset refused where SUNSET_ENFORCED says so (docs/versioning.md)."""

import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, TypeVar
from urllib.parse import quote

from flask import Flask, Response, current_app, g, request
from flask_smorest.utils import load_info_from_docstring
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.http import http_date

from app import clock
from app.accounts import uses
from app.errors import Gone
from app.logs import log

View = TypeVar("View", bound=Callable[..., Any])

USED = Counter("slugline_api_deprecated_calls", "Calls of deprecated operations", ["operation"])
_HEADERS = {
    "Deprecation": "Since when it is deprecated (RFC 9745): `@` and a Unix time.",
    "Sunset": "When it may stop answering (RFC 8594).",
    "Link": "`successor-version`: what to call instead; `deprecation` and `sunset`: where to read more.",
}


@dataclass(frozen=True)
class Deprecation:
    """From the start of `since` on (UTC) a call is deprecated, at the start of `sunset` it may end.

    `successor` is the path of what to call instead; ``{code}`` in it stands for the call's own parameter.
    """

    since: date
    sunset: date
    successor: str

    def __post_init__(self) -> None:
        if self.sunset <= self.since:
            raise ValueError(f"a sunset ({self.sunset}) lies after the deprecation ({self.since})")

    @property
    def ended(self) -> bool:
        return clock.now() >= _midnight(self.sunset)


def init_app(app: Flask) -> None:
    app.after_request(_announce)


def deprecated(*, since: date, sunset: date, successor: str) -> Callable[[View], View]:
    """Mark a view, below its route and access mark. `since` may lie in the future: clients are told ahead.

    Raises ValueError unless `sunset` is later.
    """
    mark = Deprecation(since, sunset, successor)

    def decorator(view: View) -> View:
        view._deprecation = mark  # type: ignore[attr-defined]  # a mark; Callable has no attributes
        return view

    return decorator


def deprecation_of(view: Callable[..., Any] | None) -> Deprecation | None:
    """The mark of a view, if it has one."""
    mark: Deprecation | None = getattr(view, "_deprecation", None)
    return mark


def enforce(mark: Deprecation) -> None:
    """Count the call of a view with this mark. Raises Gone after the sunset where SUNSET_ENFORCED says so."""
    operation = _operation()
    USED.labels(operation).inc()
    principal = g.get("principal")
    try:
        uses.count(operation, principal.user if principal else uses.ANONYMOUS)
    except (SQLAlchemyError, OSError) as error:  # locked, full, gone: a count is no reason to fail the call
        log.warning("use of a deprecated call not counted", operation=operation, error=type(error).__name__)
    if mark.ended and current_app.config["SUNSET_ENFORCED"]:
        raise Gone()


def describe(doc: dict[str, Any], mark: Deprecation, view: Callable[..., Any], rule: str) -> None:
    """Mark the operation in `doc` (a view's `_apidoc`, its responses written) as deprecated.

    Raises ValueError where the successor names a parameter that `rule` has not.
    """
    named = {name for _, name, _, _ in string.Formatter().parse(mark.successor) if name}
    if strange := named - set(re.findall(r"(\w+)>", rule)):
        raise ValueError(f"{rule} has no {', '.join(sorted(strange))} for {mark.successor}")
    own = load_info_from_docstring(view.__doc__, delimiter="---")
    told = (own | doc["manual_doc"]).get("description", "")
    notice = f"Deprecated since {mark.since}, may end on {mark.sunset}; use `{mark.successor}` instead."
    doc["manual_doc"] |= {
        "deprecated": True,
        "description": f"{told}\n\n{notice}".strip(),
        "x-sunset": mark.sunset.isoformat(),
    }
    for response in doc["manual_doc"]["responses"].values():
        for name, text in _HEADERS.items():
            headers = response.setdefault("headers", {})
            headers.setdefault(name, {"description": text, "schema": {"type": "string"}})


def _announce(response: Response) -> Response:
    """Tell of the deprecation on every answer of the call, errors too."""
    mark = deprecation_of(current_app.view_functions.get(request.endpoint or ""))
    if mark is None or request.method == "OPTIONS":  # which asks about the path, not for this call
        return response
    response.headers["Deprecation"] = f"@{int(_midnight(mark.since).timestamp())}"
    response.headers["Sunset"] = http_date(_midnight(mark.sunset))
    response.headers["Link"] = ", ".join(filter(None, [response.headers.get("Link"), _links(mark)]))
    return response


def _links(mark: Deprecation) -> str:
    own = {name: quote(str(value), safe="") for name, value in (request.view_args or {}).items()}
    tag, _, operation = str(request.endpoint).partition("_")[2].partition(".")
    page = f"</docs#/{tag}/{operation}>"
    return (
        f'<{mark.successor.format(**own)}>; rel="successor-version", '
        f'{page}; rel="deprecation"; type="text/html", {page}; rel="sunset"; type="text/html"'
    )


def _operation() -> str:
    """The call as the specification names it: ``GET /api/v1/links/{code}``."""
    method = "GET" if request.method == "HEAD" else request.method
    path = str(request.url_rule).replace("<", "{").replace(">", "}")
    return f"{method} {path}"


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
