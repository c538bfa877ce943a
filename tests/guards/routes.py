"""The routes of the API, read from the application itself, so that a new one is guarded by itself."""

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Flask
from werkzeug.routing import Rule

from app import create_app
from app.api import negotiation
from app.api.access import Access, access_of
from app.web import body
from config import load
from tests.conftest import environment

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PREFIX = "/api/v1"


@dataclass(frozen=True)
class Route:
    """One method on one path, with every variable part filled in."""

    method: str
    path: str
    endpoint: str
    rule: str
    access: Access
    takes_body: bool
    takes_file: bool
    conditional: bool
    offers: tuple[str, ...]
    """The media types of its answers; none where there is no content."""
    largest_body: int

    def __str__(self) -> str:
        return f"{self.method} {self.rule}"


@cache
def _app() -> Flask:
    folder = Path(tempfile.gettempdir())
    return create_app(load(environment(f"sqlite:///{folder}/never-opened.db", folder)))


@cache
def api_routes() -> tuple[Route, ...]:
    """Every call of version 1 but the specification, which is a document and not a call."""
    app = _app()
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("v1_")]
    return tuple(
        _route(app, rule, method) for rule in rules for method in METHODS if method in (rule.methods or ())
    )


def paths() -> dict[str, set[str]]:
    """Each path of the API, and the methods it answers: a link may have the code `batch`."""
    urls = _app().url_map.bind("sho.rt")
    return {route.path: set(urls.allowed_methods(route.path)) - {"HEAD", "OPTIONS"} for route in api_routes()}


def _route(app: Flask, rule: Rule, method: str) -> Route:
    view = app.view_functions[rule.endpoint]
    parameters = getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", [])
    path = app.url_map.bind("sho.rt").build(rule.endpoint, dict.fromkeys(rule.arguments, "x1"), method)
    with app.app_context():
        largest_body = body.largest(view)
    return Route(
        method=method,
        path=path,
        endpoint=rule.endpoint,
        rule=rule.rule,
        access=access_of(view),
        takes_file=any(parameter["in"] == "files" for parameter in parameters),
        takes_body=any(parameter["in"] == "json" for parameter in parameters),
        conditional=getattr(view, "_conditional", False),
        offers=negotiation.offered(view),
        largest_body=largest_body,
    )
