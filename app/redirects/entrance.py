"""What the fast entrances share: from a plain GET to its answer, with the click recorded, and no Flask.

`app.redirects.wsgi` asks for it in front of the application, `app.redirects.worker` in front of the server's
own parser. Whatever is not plain they let pass to the Flask route, which knows all the rules.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flask import Flask

from app import clock
from app.clicks.recorder import EXTENSION as RECORDER
from app.clicks.recorder import Recorder, Visit
from app.extensions import db
from app.links.lookup import Lookup
from app.links.on_postgresql import PostgreSQLLinks
from app.links.on_sqlite import SQLiteLinks
from app.redirects.plain import Plain, Preparation, Way
from app.redirects.rules import is_private
from app.web.headers import HSTS
from app.web.proxy import forwarded

EXTENSION = "slugline_entrance"
FIELDS = ("user-agent", "referer", "x-forwarded-for", "x-forwarded-proto", "sec-gpc", "dnt")
"""The header fields that a plain hit depends on, beside Host."""


class Hit(NamedTuple):
    """A GET of `code` that is known to have no body."""

    host: str
    code: str
    visit: Visit


class Entrance:
    """Answers plain hits of one application."""

    def __init__(self, app: Flask) -> None:
        self.prefix: str = app.config["SHORT_PREFIX"]
        self._extensions = app.extensions
        self._hops: int = app.config["PROXY_HOPS"]
        self._https: bool = app.config["FORCE_HTTPS"]
        with app.app_context():
            engine = db.engine
        self._source = SQLiteLinks(engine) if engine.dialect.name == "sqlite" else PostgreSQLLinks(engine)
        self.lookup: Lookup[Plain | Way] = Lookup(self._source, Preparation(HSTS if self._https else None))

    def start(self) -> None:
        """Begin to hear of changes, where that needs a thread; after the fork."""
        if isinstance(self._source, PostgreSQLLinks):
            self._source.listen(self.lookup)

    def hit(
        self, host: str, code: str, query: str, *, peer: str, scheme: str, said: Mapping[str, str]
    ) -> Hit | None:
        """The hit; None where the way that the request came needs thought.

        Texts are bytes decoded as latin-1 (PEP 3333), `peer` is the address that the connection comes from,
        `said` holds header fields by their names in lower case.
        """
        get = said.get
        address: str | None = peer
        if self._hops:
            address = forwarded(peer, get("x-forwarded-for"), self._hops)
            scheme = forwarded(scheme, get("x-forwarded-proto"), self._hops) or ""
        if address is None or (self._https and scheme != "https"):
            return None
        private = is_private(get("sec-gpc", ""), get("dnt", ""))
        return Hit(host, code, Visit(address, get("user-agent", ""), get("referer", ""), query, private))

    def follow(self, hits: Sequence[Hit], wait: bool) -> list[Plain | Way]:
        """The links to answer them with, in their order, clicks recorded by one write.

        Without `wait` nothing here takes longer than a small read; where that is not enough, LATER, and nothing is
        recorded.
        """
        now = clock.now()
        recorder: Recorder = self._extensions[RECORDER]
        if not (wait or recorder.is_ready(now)):
            return [Way.LATER] * len(hits)
        unknown = Way.ORDINARY if wait else Way.LATER
        found = self.lookup.find([hit[:2] for hit in hits], now, wait, unknown)
        clicks = []
        for place, (hit, link) in enumerate(zip(hits, found, strict=True)):
            if isinstance(link, Plain):
                if hit.visit.query and link.takes_query:
                    found[place] = Way.ORDINARY
                else:
                    clicks.append((link.link_id, hit.visit))
        if clicks:
            recorder.record_clicks(clicks, now)
        return found


def entrance_of(app: Flask) -> Entrance:
    """The application's entrance."""
    found: Entrance = app.extensions[EXTENSION]
    return found
