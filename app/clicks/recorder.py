"""Recording a click, for the redirect door: one call, before the answer is sent."""

from dataclasses import dataclass

from flask import Flask, current_app

from app import addresses, clock
from app.clicks.daykeys import DayKeys
from app.clicks.line import MAX_QUERY, MAX_REFERRER, MAX_USER_AGENT, ClickLine, Kind, encode
from app.clicks.spool import Spool
from app.clicks.visitor import visitor_hash

_EXTENSION = "slugline_recorder"
_BYTES_PER_CHARACTER = 4  # at most, in UTF-8


@dataclass(frozen=True, slots=True)
class Visit:
    """What a visitor's request said. Texts as WSGI hands them on: bytes decoded as latin-1 (PEP 3333)."""

    address: str
    """The client's full address; it goes no further than this process's memory."""
    user_agent: str = ""
    referrer: str = ""
    query: str = ""


class Recorder:
    """Turns visits into spool lines."""

    def __init__(self, spool: Spool, day_keys: DayKeys) -> None:
        self.spool = spool
        self._day_keys = day_keys

    def record(self, link_id: int, kind: Kind, visit: Visit) -> bool:
        """Write one line; False when it was lost, which is counted and must not keep the visitor waiting."""
        now = clock.now()
        user_agent = _text(visit.user_agent, MAX_USER_AGENT)
        hashed = visitor_hash(self._day_keys.key(now.date()), visit.address, user_agent)
        line = ClickLine(
            time=int(now.timestamp() * 1000),
            link_id=link_id,
            kind=kind,
            visitor=hashed.hex(),
            address=addresses.truncated(visit.address),
            user_agent=user_agent,
            referrer=_text(visit.referrer, MAX_REFERRER),
            query=_text(visit.query, MAX_QUERY),
        )
        return self.spool.append(encode(line))


def init_app(app: Flask) -> None:
    """Give the application its recorder. Opens nothing: each worker's spool file is made after the fork."""
    spool = Spool(app.config["SPOOL_DIR"], app.config["SPOOL_MAX_BYTES"])
    app.extensions[_EXTENSION] = Recorder(spool, DayKeys())


def recorder() -> Recorder:
    """The current application's recorder."""
    current: Recorder = current_app.extensions[_EXTENSION]
    return current


def _text(value: str, limit: int) -> str:
    """Undo latin-1: the first `limit` characters of what the bytes mean in UTF-8, with replacement."""
    if value.isascii():
        return value[:limit]
    raw = value[: limit * _BYTES_PER_CHARACTER].encode("latin-1", "replace")
    return raw.decode("utf-8", "replace")[:limit]
