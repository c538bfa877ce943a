"""Plain links: those that anybody may follow at once, with their redirect made in advance by the rules."""

from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple

from werkzeug.http import HTTP_STATUS_CODES

from app.errors import AppError
from app.links.resolve import Resolved
from app.redirects import rules
from app.redirects.rules import Asked, Redirection


class Way(Enum):
    """What is not a plain hit."""

    ORDINARY = auto()
    """It needs thought, which the Flask route has."""
    UNKNOWN = auto()
    """There is no such link; the Flask route need not ask again."""
    LATER = auto()
    """It is not known without waiting for the database."""


class Answer:
    """A redirect but for its target, ready to be sent; shared by all links that have it."""

    def __init__(self, redirection: Redirection, hsts: str | None) -> None:
        """`hsts` is the value of Strict-Transport-Security, if it is sent."""
        self.status = f"{redirection.status} {HTTP_STATUS_CODES[redirection.status].upper()}"
        fixed = {name: value for name, value in redirection.headers.items() if name != "Location"}
        if hsts:
            fixed["Strict-Transport-Security"] = hsts
        self.headers = [*fixed.items(), ("Content-Length", "0")]
        self.first = f"HTTP/1.1 {self.status}\r\n".encode()
        self.rest = "".join(f"\r\n{name}: {value}" for name, value in self.headers).encode() + b"\r\n\r\n"
        """All that follows the target on the wire."""


class Plain(NamedTuple):
    """A link whose GET is answered by `answer` with `location`."""

    link_id: int
    location: str
    target: bytes
    """The same, for the wire."""
    answer: Answer
    takes_query: bool
    """Whether a visitor's query would be forwarded, which needs thought."""


_UNTOUCHED = (True, None, None, None, 0, None, None, None)
"""`Resolved` from `enabled` on, of a link that nothing was set on: its redirect is the same at any time."""


class Preparation:
    """Makes Plain of links."""

    def __init__(self, hsts: str | None) -> None:
        self._hsts = hsts
        self._answers: dict[tuple[int, str], Answer] = {}
        self._untouched: dict[int, Answer | None] = {}

    def __call__(self, link: Resolved | None, now: datetime) -> Plain | Way:
        """The plain link at `now`, or why it is none."""
        if link is None:
            return Way.UNKNOWN
        if link[4:] != _UNTOUCHED:
            answer = self._answer(link, now)
        elif (answer := self._untouched.get(link.redirect_status)) is None:
            # The rules take 4 us, half of what it takes to read a link: most links are like this one.
            answer = self._untouched[link.redirect_status] = self._answer(link, now)
        if answer is None:
            return Way.ORDINARY
        return Plain(link.id, link.url, link.url.encode("ascii"), answer, bool(link.forward_query))

    def _answer(self, link: Resolved, now: datetime) -> Answer | None:
        try:
            redirection = rules.followed(rules.opened(link, now), Asked())
        except AppError:
            return None
        if not isinstance(redirection, Redirection) or redirection.spends:
            return None
        key = redirection.status, redirection.cache_control
        if key not in self._answers:
            self._answers[key] = Answer(redirection, self._hsts)
        return self._answers[key]
