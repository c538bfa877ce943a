"""The pages that links in mails lead to, where no frontend has its own (ACCOUNT_URL).

A page asks before it does anything, so that a scanner which opens the link does nothing. The token stands in the
fragment, which only the page's script reads; it is sent to the API in a body.
"""

from pathlib import Path

from flask import Blueprint, Flask, Response, request, send_from_directory

from app.errors import NotFound

blueprint = Blueprint("account_pages", __name__, url_prefix="/account")

FOLDER = Path(__file__).resolve().parent / "static" / "account"
PAGES = ("verify", "reset", "email")
FILES = ("page.js", "page.css")
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/<name>")
def page(name: str) -> Response:
    """One of the pages, or a file that they load."""
    if name not in PAGES + FILES:
        raise NotFound()
    response = send_from_directory(FOLDER, f"{name}.html" if name in PAGES else name, conditional=False)
    response.make_conditional(request)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
