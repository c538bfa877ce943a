"""The pages that links in mails lead to, where no frontend has its own (ACCOUNT_URL).

A page asks before it does anything, so that a scanner which opens the link does nothing. The token stands in the
fragment, which only the page's script reads; it is sent to the API in a body.
"""

from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Flask, Response, render_template, request, send_from_directory

from app.accounts import passwords
from app.errors import NotFound

FOLDER = Path(__file__).resolve().parent / "static" / "account"
FILES = ("page.js", "page.css")
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

blueprint = Blueprint("account_pages", __name__, url_prefix="/account", template_folder=FOLDER)


@dataclass(frozen=True)
class Page:
    """What a page tells and asks, and the call of the API that its button makes."""

    title: str
    call: str
    notice: str
    button: str = "Confirm"
    sets_password: bool = False
    """Or asks for the one that is."""


PAGES = {
    "verify": Page(
        "Confirm your e-mail address", "/auth/verify", "This confirms that you read what is sent to it."
    ),
    "email": Page(
        "Confirm your new e-mail address", "/auth/email/confirm", "From then on you sign in with it."
    ),
    "reset": Page(
        "Choose a new password",
        "/auth/password/reset",
        "All your devices will be signed out.",
        "Set the password",
        sets_password=True,
    ),
}


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/<name>")
def page(name: str) -> Response:
    """One of the pages, or a file that they load."""
    if name in FILES:
        response = send_from_directory(FOLDER, name, conditional=False)
    elif name in PAGES:
        bounds = {"shortest": passwords.shortest(), "longest": passwords.LONGEST}
        response = Response(render_template("account.html", page=PAGES[name], **bounds), mimetype="text/html")
        response.add_etag()
    else:
        raise NotFound()
    response.make_conditional(request)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
