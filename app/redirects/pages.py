"""The pages people see instead of a redirect."""

from flask import Response, url_for

from app.errors import AppError
from app.links.resolve import Resolved
from app.redirects import rules
from app.redirects.unlocking import LONGEST
from app.web import pages

_HEADINGS = {
    "NOT_FOUND": "No such link",
    "BLOCKED": "Link blocked",
    "LINK_DELETED": "Link deleted",
    "LINK_DISABLED": "Link switched off",
    "LINK_EXPIRED": "Link expired",
    "LINK_EXHAUSTED": "Link used up",
}


def password_form(problem: AppError | None = None) -> Response:
    """The page that asks for the password, with what was wrong with the last try."""
    status = problem.status if problem else 200
    message = problem.message if problem else None
    response = pages.page("visitors/password.html", status, problem=message, longest=LONGEST)
    # no-referrer would make browsers send `Origin: null` with our own form.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def limited() -> Response:
    """The page for what fetches ahead of people; a person who sees it after all can go on."""
    return pages.page("visitors/limited.html")


def preview(link: Resolved, code: str) -> Response:
    """The page that says where the link leads, or why it does not say.

    The target is text: who goes on does so through the link itself, where states, limits and counts are.
    """
    target = link.url if rules.shows_target(link) else None
    href = url_for("redirects.follow", path=code)
    return pages.page("visitors/preview.html", target=target, href=href)


def refusal(error: AppError) -> Response:
    """The page that says what is wrong."""
    return pages.refusal(error, _HEADINGS.get(error.code))
