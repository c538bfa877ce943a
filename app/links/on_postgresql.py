"""Reading links on PostgreSQL, and hearing of changes: a trigger notifies in the transaction that makes them.

One thread of each process listens. What was asked for lately it reads anew twice a second in one statement, so
that a link in use stays known beyond its second, and a change shows even if no notification comes.
"""

import threading
from collections.abc import Callable, Collection, Sequence
from typing import Any

import psycopg
from sqlalchemy import Engine, Row, Select, any_, bindparam, select
from sqlalchemy.exc import SQLAlchemyError

from app import clock, database
from app.database_on_postgresql import connecting
from app.links.lookup import Lookup, NotNow
from app.links.models import Domain, Link
from app.links.resolve import COLUMNS, LINKS, Resolved
from app.logs import log

CHANNEL = "slugline_links"
"""The payload is "<domain id>:<code>" of a link, or empty when domains changed (migrations/)."""

_RENEWAL = 0.5  # seconds
_RETRY = 1.0  # seconds
_DOMAINS = select(Domain.host, Domain.id).where(Domain.host == any_(bindparam("hosts")))
_BY_CODE = LINKS.where(Link.code == any_(bindparam("codes")))
_BY_ID = select(*COLUMNS).where(Link.id == any_(bindparam("ids")))


class PostgreSQLLinks:
    """The links in a PostgreSQL database. Until `listen` was called nothing is remembered, each link is read."""

    def __init__(self, engine: Engine) -> None:
        self.changes = 0
        self._engine = engine
        self._stamp: object | None = None

    def stamp(self) -> object | None:
        """One object for as long as one connection listens."""
        return self._stamp

    def domain_ids(self, hosts: Collection[str], wait: bool) -> dict[str, int]:
        return {row.host: row.id for row in self._rows(_DOMAINS, {"hosts": list(hosts)}, wait)}

    def links(self, domain_id: int, codes: Collection[str], wait: bool) -> dict[str, Resolved]:
        rows = self._rows(_BY_CODE, {"domain_id": domain_id, "codes": list(codes)}, wait)
        return {row[0]: Resolved._make(row[1:]) for row in rows}

    def _rows(
        self, statement: Select[*tuple[Any, ...]], values: dict[str, Any], wait: bool
    ) -> Sequence[Row[Any]]:
        if not wait:
            raise NotNow
        try:
            with database.reading(self._engine) as connection:
                return connection.execute(statement, values).all()
        except SQLAlchemyError as error:
            raise NotNow from error

    def listen(self, lookup: Lookup[Any]) -> Callable[[], None]:
        """Start the thread that keeps `lookup` fresh, once in a process, after the fork; return what ends it."""
        stop = threading.Event()
        thread = threading.Thread(target=self._listen_on, args=(lookup, stop), name="links", daemon=True)
        thread.start()

        def end() -> None:
            stop.set()
            thread.join()

        return end

    def _listen_on(self, lookup: Lookup[Any], stop: threading.Event) -> None:
        url = self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        told: Any = connecting(self._engine.url)
        while not stop.is_set():
            try:
                with psycopg.connect(url, autocommit=True, **told) as connection:
                    self._follow(connection, lookup, stop)
            except (
                Exception
            ) as error:  # whatever it is: without this thread each link is read for each visitor
                log.warning("changes of links are not heard; each is read anew", error=type(error).__name__)
                stop.wait(_RETRY)
            finally:
                self._stamp = None

    def _follow(self, connection: psycopg.Connection, lookup: Lookup[Any], stop: threading.Event) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        self._stamp = object()  # a new one: what changed while nobody listened is not known
        while not stop.is_set():
            for notification in connection.notifies(timeout=_RENEWAL):
                self.changes += 1
                domain_id, _, code = notification.payload.partition(":")
                if code and domain_id.isdecimal():
                    lookup.forget((int(domain_id), code))
                elif not notification.payload:
                    lookup.forget_hosts()
            self._renew(lookup)

    def _renew(self, lookup: Lookup[Any]) -> None:
        changes, keys = self.changes, lookup.used()
        if not keys:
            return
        now = clock.now()
        with database.reading(self._engine) as connection:
            rows = connection.execute(_BY_ID, {"ids": list(keys)}).all()
        lookup.renew(((keys[row.id], Resolved._make(row)) for row in rows), changes, now)
