"""What a visitor's request says: for the rules, for the spool, and for the choice of page or JSON."""

from flask import request
from werkzeug.datastructures import MIMEAccept

from app.clicks.recorder import Visit
from app.redirects import rules
from app.redirects.rules import Asked
from app.web.accept import JSON, PAGE, PROBLEM
from app.web.proxy import client_address


def asked() -> Asked:
    """What the rules want to know of a GET or HEAD."""
    headers = request.headers
    return Asked(
        head=request.method == "HEAD",
        query=request.query_string,
        json=wants_json(),
        prefetch=rules.is_prefetch(
            sec_purpose=headers.get("Sec-Purpose", ""),
            purpose=headers.get("Purpose", ""),
            x_moz=headers.get("X-Moz", ""),
        ),
        preview_agent=rules.is_preview_agent(headers.get("User-Agent", "")),
    )


def visit() -> Visit:
    """What the spool wants to know."""
    # A password comes from our own form, which is nobody's referrer.
    referrer = "" if request.method == "POST" else request.headers.get("Referer", "")
    return Visit(
        address=client_address(),
        user_agent=request.headers.get("User-Agent", ""),
        referrer=referrer,
        query=request.environ.get("QUERY_STRING", ""),
        private=rules.is_private(request.headers.get("Sec-GPC", ""), request.headers.get("DNT", "")),
    )


def wants_json() -> bool:
    """Whether the answer goes to a program: one that prefers JSON, or sent it and does not mind.

    ``*/*`` alone (curl) and no Accept at all get the page; ``application/json, */*`` gets JSON, as the more
    specific of two equals (RFC 9110 §12.5.1).
    """
    offers = (JSON, PAGE) if request.mimetype == JSON else (PAGE, JSON)
    # Without parameters: `application/json; charset=utf-8` means JSON. Who wants problems wants no pages.
    named = [(value.partition(";")[0].strip(), quality) for value, quality in request.accept_mimetypes]
    ranges = [(JSON if value == PROBLEM else value, quality) for value, quality in named]
    return MIMEAccept(ranges).best_match(offers, default=offers[0]) == JSON
