"""Content negotiation (RFC 9110 §12): in which type an answer comes, and which types a body may have.

What a route offers is what its `response` decorators document. The choice falls after access and before the view,
so that an Accept that takes nothing on offer changes nothing. An answer without content has nothing to choose.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Flask, Response, g, request

from app.errors import NotAcceptable, UnsupportedMediaType
from app.web import accept
from app.web.accept import JSON

VERSIONED = "application/vnd.slugline.v1+json"
MERGE_PATCH = "application/merge-patch+json"
LINKED_DATA = "application/ld+json"

BODIES = (JSON, VERSIONED)
PATCHES = (JSON, MERGE_PATCH, VERSIONED)

View = TypeVar("View", bound=Callable[..., Any])


def init_app(app: Flask) -> None:
    app.after_request(_tell_patches)


def offered(view: Callable[..., Any]) -> tuple[str, ...]:
    """The types in which a view can answer, the one it prefers first.

    A documented answer without a type of its own is JSON, under either of its names.
    """
    answers = getattr(view, "_apidoc", {}).get("response", {}).get("responses", {}).values()
    found: list[str] = []
    for answer in (answer for alternatives in answers for answer in alternatives):
        if answer["content_type"]:
            found.append(answer["content_type"])
        elif "schema" in answer:
            found += [JSON, VERSIONED]
    return tuple(dict.fromkeys(found))


def choose(offers: tuple[str, ...]) -> str:
    """Settle in which of the types this request is answered. Raises NotAcceptable, naming them."""
    best = accept.best(request.headers.get("Accept", ""), offers)
    if best is None:
        raise NotAcceptable(f"This comes as {' or '.join(offers)} only.")
    g.media_type = best
    return best


def chosen() -> str:
    """The type in which this request is answered."""
    return str(g.get("media_type", JSON))


def labelled(view: View) -> View:
    """Let the answer of a view say what was chosen, and that there was a choice."""

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        response: Response = view(*args, **kwargs)
        if "media_type" in g:
            response.vary.add("Accept")
        if response.mimetype == JSON and chosen() in (VERSIONED, LINKED_DATA):
            response.mimetype = chosen()
        return response

    return cast(View, wrapper)


def check_body() -> None:
    """Raise UnsupportedMediaType for a body that is not JSON in UTF-8, plain or as a merge patch (RFC 7396).

    What is taken is told as RFC 9110 §15.5.16 and, for PATCH, RFC 5789 §2.2 want it.
    """
    taken, told = (PATCHES, "Accept-Patch") if request.method == "PATCH" else (BODIES, "Accept")
    if request.mimetype not in taken:
        raise UnsupportedMediaType(
            f"Send the body as {' or '.join(taken)}.", headers={told: ", ".join(taken)}
        )
    if request.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("Send the body in UTF-8.", headers={told: ", ".join(taken)})
    if request.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType("Send the body uncompressed.", headers={"Accept-Encoding": "identity"})


def _tell_patches(response: Response) -> Response:
    """OPTIONS says what PATCH takes (RFC 5789 §3.1)."""
    if request.method == "OPTIONS" and "PATCH" in response.allow and request.path.startswith("/api/"):
        response.headers["Accept-Patch"] = ", ".join(PATCHES)
    return response
