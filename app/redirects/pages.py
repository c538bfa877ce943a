"""The pages people see instead of a redirect: one style sheet, no script, nothing kept or indexed."""

import base64
import hashlib
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Response, make_response, render_template, url_for

from app.errors import AppError
from app.links.resolve import Resolved
from app.redirects import rules
from app.redirects.unlocking import LONGEST
from app.web import request_id

# A refusal at this door, page or JSON: 404 and 410 are cacheable unless told otherwise (RFC 9110 §15.1), and a
# restored link would stay dead in browsers.
PRIVATE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}

_STYLE = (Path(__file__).parent / "templates/visitors/style.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# No form-action: Chromium would block the way from the password to a target on another host (traps.md).
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"

_HEADINGS = {
    "NOT_FOUND": "No such link",
    "BLOCKED": "Link blocked",
    "LINK_DELETED": "Link deleted",
    "LINK_DISABLED": "Link switched off",
    "LINK_EXPIRED": "Link expired",
    "LINK_EXHAUSTED": "Link used up",
}


def password_form(problem: AppError | None = None) -> Response:
    """The page that asks for the password, with what was wrong with the last try."""
    status = problem.status if problem else 200
    response = _page("password.html", status, problem=problem.message if problem else None, longest=LONGEST)
    # no-referrer would make browsers send `Origin: null` with our own form.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def limited() -> Response:
    """The page for what fetches ahead of people; a person who sees it after all can go on."""
    return _page("limited.html")


def preview(link: Resolved, code: str) -> Response:
    """The page that says where the link leads, or why it does not say.

    The target is text: who goes on does so through the link itself, where states, limits and counts are.
    """
    target = link.url if rules.shows_target(link) else None
    return _page("preview.html", target=target, href=url_for("redirects.follow", path=code))


def refusal(error: AppError) -> Response:
    """The page that says what is wrong."""
    heading = _HEADINGS.get(error.code) or HTTPStatus(error.status).phrase
    id_of_request = request_id.current() if error.status >= 500 else None
    response = _page(
        "refusal.html", error.status, heading=heading, message=error.message, request_id=id_of_request
    )
    response.headers.update(error.headers)
    return response


def _page(template: str, status: int = 200, **values: Any) -> Response:
    html = render_template(f"visitors/{template}", style=_STYLE, **values)
    return make_response(html, status, {"Content-Security-Policy": _POLICY, **PRIVATE})
