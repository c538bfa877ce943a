"""What a visitor gets: pure functions from a link, what was asked, and the time to an answer.

The one set of rules for all entrances (contract, "Visitors"). Nothing here knows Flask or the database: an
entrance resolves the link, asks here, takes the click that an answer costs, records it, and sends.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple

from app.clicks.line import Kind
from app.errors import AppError, NotFound
from app.links.location import with_query
from app.links.resolve import Resolved
from app.links.states import State

# Who fetches a link because somebody pasted it into a chat or a post, by the part of the User-Agent that names
# the fetcher and not the app's own browser. iMessage and LINE call themselves facebookexternalhit, Signal WhatsApp.
PREVIEW_AGENTS = (
    "facebookexternalhit",
    "Facebot",
    "Twitterbot",
    "WhatsApp/",
    "TelegramBot",
    "Slackbot",
    "Discordbot",
    "LinkedInBot",
    "SkypeUriPreview",  # Teams too
    "redditbot",
    "Pinterestbot",
    "Bluesky Cardyb",
    "Mastodon/",
    "Synapse",  # Matrix
    "Snap URL Preview",
)
_PREVIEW_AGENT = re.compile("|".join(map(re.escape, PREVIEW_AGENTS)), re.IGNORECASE)

# All that may stand in a 30x, beside what belongs to the connection (`Date`). HSTS only where HTTPS is forced.
# No policy is among them that binds documents, since there is none. No `Referrer-Policy` either: the target
# learns where its visitors came from as far as the page with the link allows.
REDIRECT_HEADERS = frozenset(
    {"Location", "Cache-Control", "Content-Length", "X-Content-Type-Options", "Strict-Transport-Security"}
)

_NO_STORE = "no-store"
# Browsers keep an unbounded permanent redirect for ever: no take-down, no click. 90 s spare a visitor's second
# request and no more.
_SHORTLY = "private, max-age=90"
_PERMANENT = (301, 308)


class LinkBlocked(AppError):
    status, code, message = 451, "BLOCKED", "This link was blocked by the operators of this service."


class LinkDeleted(AppError):
    status, code, message = 410, "LINK_DELETED", "This link was deleted."


class LinkDisabled(AppError):
    status, code, message = 410, "LINK_DISABLED", "This link is switched off."


class LinkExpired(AppError):
    status, code, message = 410, "LINK_EXPIRED", "This link has expired."


class LinkExhausted(AppError):
    status, code, message = 410, "LINK_EXHAUSTED", "This link has been opened as often as it may be."


class PasswordRequired(AppError):
    """401 for programs; people get a form (RFC 9110 §15.5.2 wants the challenge)."""

    status, code, message = 401, "PASSWORD_REQUIRED", "This link has a password; send it by POST."

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "LinkPassword"})


# A scheduled link answers as one that does not exist: nobody learns of it before its time.
_REFUSALS: dict[State, type[AppError]] = {
    State.BLOCKED: LinkBlocked,
    State.DELETED: LinkDeleted,
    State.DISABLED: LinkDisabled,
    State.SCHEDULED: NotFound,
    State.EXPIRED: LinkExpired,
    State.EXHAUSTED: LinkExhausted,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a GET or HEAD the answer depends on."""

    head: bool = False
    query: bytes = b""
    """The raw query string, without the question mark."""
    json: bool = False
    """Whether errors go to a program."""
    prefetch: bool = False
    preview_agent: bool = False


class Redirection(NamedTuple):
    """A 30x. `spends`: first a click must be taken from the link, or this must not be sent. `records`: as what
    it is written to the spool before it is sent, if at all."""

    status: int
    location: str | None
    cache_control: str
    spends: bool = False
    records: Kind | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Its headers but `Content-Length: 0` and HSTS, which the entrance adds; all are in REDIRECT_HEADERS."""
        fixed = {"Cache-Control": self.cache_control, "X-Content-Type-Options": "nosniff"}
        return fixed if self.location is None else {"Location": self.location, **fixed}


class Page(Enum):
    """The 200 pages that stand in a redirect's place; neither shows the target, spends or records."""

    PASSWORD = auto()
    """Asks for the password."""
    LIMITED = auto()
    """For what fetches ahead of people, where each fetch would cost one of few clicks."""


def opened(link: Resolved | None, now: datetime) -> Resolved:
    """The link, if it exists and is to be followed now; the first question at every door.

    Raises NotFound, LinkBlocked, LinkDeleted, LinkDisabled, LinkExpired or LinkExhausted.
    """
    if link is None:
        raise NotFound()
    state = link.state(now)
    if state is not State.ACTIVE:
        raise _REFUSALS[state]()
    return link


def followed(link: Resolved, asked: Asked) -> Redirection | Page:
    """What GET or HEAD on an opened link gets. Raises PasswordRequired."""
    if link.password_hash is not None:
        if asked.json:
            raise PasswordRequired()
        return Page.PASSWORD
    limited = link.max_clicks is not None
    if limited and (asked.prefetch or asked.preview_agent):
        return Page.LIMITED
    # A prefetch is not kept, or the click that follows would come from the cache and never be counted.
    cache_control = _NO_STORE if asked.prefetch else _cache_control(link)
    if asked.head:
        location = None if limited else _location(link, asked.query)
        return Redirection(link.redirect_status, location, cache_control)
    return Redirection(
        link.redirect_status,
        _location(link, asked.query),
        cache_control,
        spends=limited,
        records="prefetch" if asked.prefetch else "click",
    )


def unlocked(link: Resolved, query: bytes) -> Redirection:
    """What the right password on an opened link gets: 303, so that the target is asked by GET."""
    spends = link.max_clicks is not None
    return Redirection(303, _location(link, query), _NO_STORE, spends=spends, records="click")


def shows_target(link: Resolved) -> bool:
    """Whether the preview page may show where the link leads."""
    return link.password_hash is None and link.max_clicks is None


def is_prefetch(*, sec_purpose: str, purpose: str, x_moz: str) -> bool:
    """Whether a browser fetches ahead of a click that may never come, by these headers' values.

    Sec-Purpose (Fetch §3.6) has parameters, as in ``prefetch;prerender``; the others are what it replaces.
    """
    return any(
        value.partition(";")[0].strip().lower() == "prefetch" for value in (sec_purpose, purpose, x_moz)
    )


def is_private(sec_gpc: str, dnt: str) -> bool:
    """Whether the visitor asks not to be told from others (Global Privacy Control §3.3, DNT)."""
    return sec_gpc.strip() == "1" or dnt.strip() == "1"


def is_preview_agent(user_agent: str) -> bool:
    """Whether this is one of PREVIEW_AGENTS."""
    return _PREVIEW_AGENT.search(user_agent) is not None


def _location(link: Resolved, query: bytes) -> str:
    return with_query(link.url, query) if link.forward_query else link.url


def _cache_control(link: Resolved) -> str:
    lasting = link.expires_at is None and link.max_clicks is None
    return _SHORTLY if lasting and link.redirect_status in _PERMANENT else _NO_STORE
