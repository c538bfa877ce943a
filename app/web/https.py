"""FORCE_HTTPS: the API refuses plain HTTP, since a redirect would come after the secret was sent in clear;
visitors and readers are sent to https. Health and metrics answer anyhow: they are asked from inside."""

from urllib.parse import quote

from flask import Flask, current_app, redirect, request
from werkzeug.wrappers import Response

from app.errors import HTTPSRequired
from app.links import domains
from app.links.resolve import domain_host

_INSIDE = ("/healthz", "/readyz", "/metrics")


def init_app(app: Flask) -> None:
    if app.config["FORCE_HTTPS"]:
        app.before_request(_require)


def _require() -> Response | None:
    if request.is_secure or request.path in _INSIDE:
        return None
    if request.path.startswith("/api/"):
        raise HTTPSRequired()
    return redirect(_origin() + _target(), 301)


def _origin() -> str:
    """Where to: a domain of ours, else PUBLIC_URL. Never just the Host header's, or the redirect would be
    somebody else's tool; and not always PUBLIC_URL, where the same code may be another link."""
    host = domain_host(request.headers.get("Host", ""))
    return f"https://{host}" if host and domains.is_known(host) else str(current_app.config["PUBLIC_URL"])


def _target() -> str:
    """Path and query as they came, escaped anew: WSGI has decoded the path, so a line break may stand in it."""
    path = quote(request.environ["PATH_INFO"].encode("latin-1"), safe="/!$&'()*+,:;=@")
    query = quote(request.query_string, safe="/!$&'()*+,:;=@?%")
    return f"{path}?{query}" if query else path
