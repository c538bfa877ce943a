"""Conditional requests (RFC 9110 §13): validators of single resources, 304, and changes that say what they change.

An entity tag is `"<version>-<12 hex of SHA-256 of the body>"`; of any type but plain JSON the name is hashed too:
representations that share a tag are one to a cache (RFC 9110 §8.8.1). If-None-Match compares all of it, since the
state of a link changes with time alone; If-Match on PUT, PATCH and DELETE compares the version, in SQL (contract,
"Conditional").
"""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from flask import Response, current_app, g, request
from werkzeug.datastructures import ETags

from app import clock
from app.api import negotiation
from app.errors import PreconditionFailed, PreconditionRequired
from app.preconditions import Precondition, Versions
from app.web.accept import JSON
from app.web.safe_methods import SAFE_METHODS

CHANGES = frozenset({"PUT", "PATCH", "DELETE"})
PRECONDITIONS = ("If-Match", "If-None-Match", "If-Unmodified-Since")
TAG = "([0-9]{1,18})-[0-9a-f]{12}"
_SECOND = timedelta(seconds=1)

View = Callable[..., Any]


def conditional(view: View) -> View:
    """Send the validators that the view `carry`s, and answer 304 to who has it all. Stands below the access mark.

    Where REQUIRE_PRECONDITIONS is set a change without any precondition is refused (RFC 6585 §3).
    """

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if request.method in CHANGES and current_app.config["REQUIRE_PRECONDITIONS"] and not is_conditional():
            raise PreconditionRequired()
        response = _validated(view(*args, **kwargs))
        return _evaluated(response) if request.method in SAFE_METHODS else response

    wrapper._conditional = True  # type: ignore[attr-defined]  # a mark; Callable has no attributes
    return wrapper


def carry(version: int, changed_at: datetime | None, href: str) -> None:
    """Let this answer have an ETag and, where it is known when its content last changed, Last-Modified. They are
    those of the resource at `href`, whichever call shows it."""
    g.validators = (version, changed_at, href)


def refuse_match(view: View) -> None:
    """For calls that compare no entity tags: none can match there (RFC 9110 §13.1.1). Raises PreconditionFailed."""
    compares = getattr(view, "_conditional", False) and request.method != "POST"
    if not compares and "If-Match" in request.headers and not request.if_match.star_tag:
        raise PreconditionFailed("There is no entity tag here that could match.")


def precondition() -> Precondition:
    """What the request takes the resource for."""
    headers = request.headers
    match = _versions(request.if_match) if "If-Match" in headers else None
    none_match = _versions(request.if_none_match) if "If-None-Match" in headers else None
    # RFC 9110 §13.1.4: not looked at beside If-Match.
    return Precondition(match, none_match, request.if_unmodified_since if match is None else None)


def is_conditional() -> bool:
    """Whether the request says what it changes, or that it only makes; a date that is none says nothing."""
    sent = precondition()
    return sent.match is not None or sent.none_match == "*" or sent.unmodified_since is not None


def _versions(tags: ETags) -> Versions:
    """Strong tags alone: a weak one matches nothing here (RFC 9110 §8.8.3.2)."""
    if tags.star_tag:
        return "*"
    found = (re.fullmatch(TAG, tag or "") for tag in tags.as_set())  # Werkzeug reads the tag "" as None
    return frozenset(int(tag[1]) for tag in found if tag)


def _validated(response: Response) -> Response:
    if "validators" not in g:
        return response
    version, changed_at, href = g.validators
    name = b"" if (chosen := negotiation.chosen()) == JSON else chosen.encode()
    response.set_etag(f"{version}-{hashlib.sha256(name + response.get_data()).hexdigest()[:12]}")
    # A change within the same second would go unseen (RFC 9110 §8.8.2.2): no date until that second is over.
    if changed_at is not None and changed_at + _SECOND <= clock.now():
        response.last_modified = changed_at
    if request.method in SAFE_METHODS:
        response.headers["Cache-Control"] = "private, no-cache"
        response.vary.update(("Authorization", "X-API-Key", "Cookie"))
    else:
        response.headers["Content-Location"] = href
    return response


def _evaluated(response: Response) -> Response:
    """The answer, or 304 in its place. Raises PreconditionFailed (RFC 9110 §13.2.2)."""
    tag = response.get_etag()[0]
    if tag is None:
        return response
    if "If-Match" in request.headers and not request.if_match.is_strong(tag):
        raise PreconditionFailed()
    if "If-None-Match" in request.headers:
        unchanged = request.if_none_match.contains_weak(tag)
    else:
        since, changed_at = request.if_modified_since, response.last_modified
        unchanged = since is not None and changed_at is not None and changed_at <= since
    if unchanged:
        response.status_code = 304
        response.set_data(b"")
    return response
