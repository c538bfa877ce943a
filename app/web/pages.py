"""The pages people see where a program gets an answer of the API's shape: one style sheet, no script, nothing kept or
indexed."""

import base64
import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Response, make_response, render_template

from app.errors import AppError
from app.web import request_id

TEMPLATES = Path(__file__).parent / "templates"
# A refusal, page or JSON: 404 and 410 are cacheable unless told otherwise (RFC 9110 §15.1), and a restored link would
# stay dead in browsers.
PRIVATE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}

_STYLE = (TEMPLATES / "pages/style.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# No form-action: Chromium would block the way from a link's password to a target on another host (traps.md).
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"


@dataclass(frozen=True)
class WayOn:
    """A link to where the person can go on."""

    href: str
    text: str


def page(template: str, status: int = 200, **values: Any) -> Response:
    """A page of a template that extends `pages/base.html`."""
    html = render_template(template, style=_STYLE, **values)
    return make_response(html, status, {"Content-Security-Policy": _POLICY, **PRIVATE})


def refusal(error: AppError, heading: str | None = None, way_on: WayOn | None = None) -> Response:
    """The page that says what is wrong; without a heading the status is told by its name."""
    response = page(
        "pages/refusal.html",
        error.status,
        heading=heading or HTTPStatus(error.status).phrase,
        message=error.message,
        request_id=request_id.current() if error.status >= 500 else None,
        way_on=way_on,
    )
    response.headers.update(error.headers)
    return response
