"""The cookie that binds a sign-in at a provider to the browser it was begun in."""

from typing import Any

from flask import Response, after_this_request, current_app, request

from app.accounts.oidc.flows import LIFE

_NAME = "slugline-oidc"


def keep(secret: str) -> None:
    """Have this browser keep the secret, for as long as the sign-in is good. Lax: it comes back when the provider
    sends the browser here, and with calls of pages of this site alone."""

    @after_this_request
    def send(response: Response) -> Response:
        response.set_cookie(_name(), secret, max_age=LIFE, **_attributes())
        return response


def kept() -> str:
    """The secret that this browser keeps; empty where there is none."""
    return request.cookies.get(_name(), "")


def drop() -> None:
    """Have this browser forget it."""

    @after_this_request
    def send(response: Response) -> Response:
        response.delete_cookie(_name(), **_attributes())
        return response


def _name() -> str:
    """With the prefix no other host of the site can set it (RFC 6265bis §4.1.3.2); that takes https."""
    return f"__Host-{_NAME}" if _is_https() else _NAME


def _attributes() -> dict[str, Any]:
    return {"secure": _is_https(), "httponly": True, "samesite": "Lax", "path": "/"}


def _is_https() -> bool:
    return str(current_app.config["PUBLIC_URL"]).startswith("https://")
