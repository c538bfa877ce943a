"""Recording a click, for the redirect door: one call, before the answer is sent."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from flask import Flask, current_app

from app import addresses
from app.clicks.daykeys import DayKeys
from app.clicks.line import MAX_QUERY, MAX_REFERRER, MAX_USER_AGENT, ClickLine, Kind, encode
from app.clicks.spool import Spool
from app.clicks.visitor import visitor_hash
from app.extensions import db

EXTENSION = "slugline_recorder"
_BYTES_PER_CHARACTER = 4  # at most, in UTF-8


class Visit(NamedTuple):
    """What a visitor's request said. Texts as WSGI hands them on: bytes decoded as latin-1 (PEP 3333)."""

    address: str
    """The client's full address; it goes no further than this process's memory."""
    user_agent: str = ""
    referrer: str = ""
    query: str = ""
    private: bool = False
    """Whether the visitor asked not to be told from others: the click counts, and nothing of them is kept."""


class Recorder:
    """Turns visits into spool lines."""

    def __init__(self, spool: Spool, day_keys: DayKeys) -> None:
        self.spool = spool
        self._day_keys = day_keys

    def is_ready(self, now: datetime) -> bool:
        """Whether a click could be recorded without asking the database for the day's key."""
        return self._day_keys.knows(now.date())

    def record(self, link_id: int, kind: Kind, visit: Visit, now: datetime) -> bool:
        """Write one line; False when it was lost, which is counted and must not keep the visitor waiting."""
        return self.spool.append(self._line(link_id, kind, visit, now))

    def record_clicks(self, visits: Iterable[tuple[int, Visit]], now: datetime) -> bool:
        """The same for clicks on links, by their ids, all in one write; False when any was lost."""
        return self.spool.append(*[self._line(link_id, "click", visit, now) for link_id, visit in visits])

    def _line(self, link_id: int, kind: Kind, visit: Visit, now: datetime) -> bytes:
        user_agent = _text(visit.user_agent, MAX_USER_AGENT)
        time = int(now.timestamp() * 1000)
        if visit.private:  # the agent stays, for the worker to tell programs by
            return encode(ClickLine(time, link_id, kind, "", "", user_agent, "", ""))
        network, counted = addresses.kept_and_counted(visit.address)
        line = ClickLine(
            time,
            link_id,
            kind,
            visitor_hash(self._day_keys.key(now.date()), counted, user_agent).hex(),
            network,
            user_agent,
            visit.referrer and _text(visit.referrer, MAX_REFERRER),
            visit.query and _text(visit.query, MAX_QUERY),
        )
        return encode(line)


def init_app(app: Flask) -> None:
    """Give the application its recorder. Opens nothing: each worker's spool file is made after the fork."""
    names = ("SPOOL_DIR", "SPOOL_MAX_BYTES", "SPOOL_LIMIT_BYTES", "SPOOL_FSYNC")
    spool = Spool(*(app.config[name] for name in names))
    with app.app_context():
        app.extensions[EXTENSION] = Recorder(spool, DayKeys(db.engine))


def recorder() -> Recorder:
    """The current application's recorder."""
    current: Recorder = current_app.extensions[EXTENSION]
    return current


def _text(value: str, limit: int) -> str:
    """Undo latin-1: the first `limit` characters of what the bytes mean in UTF-8, with replacement."""
    if value.isascii():
        return value[:limit]
    raw = value[: limit * _BYTES_PER_CHARACTER].encode("latin-1", "replace")
    return raw.decode("utf-8", "replace")[:limit]
