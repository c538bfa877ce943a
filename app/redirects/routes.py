"""The visitors' door in Flask: the entrance that can do everything (pages, passwords, limits, HEAD, errors)."""

from wsgiref.types import WSGIEnvironment

from flask import Blueprint, Response, current_app, request
from werkzeug.datastructures import Headers
from werkzeug.routing import BaseConverter

from app import clock
from app.clicks.recorder import recorder
from app.errors import MethodNotAllowed, NotFound
from app.links import visits
from app.links.location import Redirect
from app.links.resolve import Resolved, resolve
from app.redirects import pages, rules, unlocking, visitor
from app.redirects.metrics import FROM_FLASK
from app.redirects.rules import LinkBlocked, LinkExhausted, Page, Redirection
from app.redirects.wsgi import UNKNOWN
from app.web import errors, limits
from app.web.pages import PRIVATE
from app.web.proxy import client_address

PREVIEW = "+"


class Rest(BaseConverter):
    """All that follows the prefix, slashes and line breaks too: at the visitors' door that is a code or a page
    that says there is no such link."""

    regex = "(?s:.*)"
    part_isolating = False


class FixedRedirect(Redirect):
    """A 30x with an empty body and the headers that every entrance sends: what the application adds to all its
    answers (request id, policies for documents) stays off."""

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        headers = super().get_wsgi_headers(environ)
        return Headers([(name, value) for name, value in headers if name in rules.REDIRECT_HEADERS])


def blueprint(short_prefix: str) -> Blueprint:
    """The door's routes below `short_prefix`, or at the root of the site where that is empty."""
    door = Blueprint("redirects", __name__, template_folder="templates")
    # At the root only single segments are codes: /api/v1/typo must stay an error of the API.
    rule = f"/{short_prefix}/<rest:path>" if short_prefix else "/<path>"
    for method, view in (("GET", follow), ("POST", unlock)):
        door.add_url_rule(rule, view_func=view, methods=[method], provide_automatic_options=False)
    door.register_error_handler(Exception, _refuse)
    return door


def follow(path: str) -> Response:
    """GET and HEAD: the redirect, a page in its place, or with a `+` behind the code the preview."""
    code = path.removesuffix(PREVIEW)
    link = _opened(code)
    if path != code:
        return pages.preview(link, code)
    answer = rules.followed(link, visitor.asked())
    if answer is Page.PASSWORD:
        return pages.password_form()
    if answer is Page.LIMITED:
        return pages.limited()
    return _redirect(link, code, answer)


def unlock(path: str) -> Response:
    """POST of a password. Raises MethodNotAllowed where none is asked for."""
    code = path.removesuffix(PREVIEW)
    link = _opened(code)
    if link.password_hash is None or path != code:
        raise MethodNotAllowed(headers={"Allow": "GET, HEAD"})
    unlocking.refuse_cross_site()
    # Each try costs 130 ms of hashing, a right one too.
    limits.spend(limits.address_bucket("unlock", "LIMIT_MISSES"))
    visits.check_password(link, unlocking.password(), client_address())
    return _redirect(link, code, rules.unlocked(link, request.query_string))


def _opened(code: str) -> Resolved:
    """The link to go on with. Misses are limited for each address: a scan of random codes stays cheap for us."""
    try:
        link = None if request.environ.get(UNKNOWN) else resolve(_host(), code)
        return rules.opened(link, clock.now())
    except NotFound:
        limits.spend(limits.address_bucket("misses", "LIMIT_MISSES"))
        raise


def _redirect(link: Resolved, code: str, answer: Redirection) -> Response:
    if answer.spends and not visits.spend(link.id, clock.now()):
        # Somebody took the last click, or the owner closed the link, since it was read.
        rules.opened(resolve(_host(), code), clock.now())
        raise LinkExhausted()
    if answer.records:
        recorder().record(link.id, answer.records, visitor.visit(), clock.now())
    FROM_FLASK.inc()
    return FixedRedirect(status=answer.status, headers=answer.headers)


def _refuse(error: Exception) -> Response:
    """Every error at this door: a page for people, the shape of the API for programs."""
    refusal = errors.refusal(error)
    if isinstance(refusal, LinkBlocked):  # who blocks it, not who asked for that (RFC 7725 §4)
        refusal.headers["Link"] = f'<{current_app.config["PUBLIC_URL"]}>; rel="blocked-by"'
    if not visitor.wants_json():
        again = request.method == "POST" and refusal.field == "password"
        return pages.password_form(refusal) if again else pages.refusal(refusal)
    response = errors.render(refusal)
    response.headers.update(PRIVATE)
    return response


def _host() -> str:
    return request.headers.get("Host", "")
