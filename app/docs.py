"""Pages for people and crawlers: Swagger UI at /docs, robots.txt, security.txt."""

from collections.abc import Iterator
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from flask import Blueprint, Flask, Response, current_app, render_template, request, send_from_directory

from app import clock
from app.errors import AppError, NotFound

blueprint = Blueprint("docs", __name__, template_folder="static/docs")

PAGES = Path(__file__).resolve().parent / "static" / "docs"
OWN = ("start.js", "page.css")
ASSETS = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
# Swagger UI draws its icons from data: URLs and writes style attributes.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_TXT_LIFE = timedelta(days=180)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/docs")
def swagger_ui() -> Response:
    """The page in which a person signs in and tries every call."""
    return _page("index.html")


@blueprint.get("/docs/errors")
def error_codes() -> Response:
    """What each code means: where the `type` of a problem leads (RFC 9457 §3.1.1)."""
    told: dict[tuple[int, str], dict[str, None]] = {}
    for kind in _kinds(AppError):
        told.setdefault((kind.status, kind.code), {})[kind.message] = None
    return _as_page(
        Response(render_template("errors.html", codes=sorted(told.items())), mimetype="text/html")
    )


@blueprint.get("/docs/<path:name>")
def swagger_asset(name: str) -> Response:
    """What /docs loads: files of ours, and Swagger UI's from its package: no CDN."""
    if name in OWN:
        return _page(name)
    if name not in ASSETS:
        raise NotFound()
    response = _file(_distribution(), name)
    response.headers["Cache-Control"] = "public, max-age=86400"
    return response


@blueprint.get("/robots.txt")
def robots() -> Response:
    """Crawlers have no business in the API. Short links stay open: those who draw a link's card ask here first."""
    return Response("User-agent: *\nDisallow: /api/\nDisallow: /docs\n", mimetype="text/plain")


@blueprint.get("/.well-known/security.txt")
def security_txt() -> Response:
    """Where to report a vulnerability (RFC 9116); 404 until the operator sets SECURITY_CONTACT."""
    contact = current_app.config["SECURITY_CONTACT"]
    if not contact:
        raise NotFound()
    expires = (clock.now() + SECURITY_TXT_LIFE).strftime("%Y-%m-%dT00:00:00Z")
    return Response(f"Contact: {contact}\nExpires: {expires}\n", mimetype="text/plain")


def _kinds(base: type[AppError]) -> Iterator[type[AppError]]:
    yield base
    for kind in base.__subclasses__():
        yield from _kinds(kind)


def _page(name: str) -> Response:
    return _as_page(_file(PAGES, name))


def _as_page(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["Cache-Control"] = "no-cache"
    return response


def _file(folder: Path, name: str) -> Response:
    """A file, or 304. Ranges are ignored (RFC 9110 §14.2): a bad one would need an error of its own."""
    response = send_from_directory(folder, name, conditional=False)
    response.make_conditional(request)
    return response


def _distribution() -> Path:
    found = find_spec("flask_swagger_ui")
    if found is None or found.origin is None:
        raise NotFound()
    return Path(found.origin).parent / "dist"
