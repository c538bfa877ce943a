"""Whose a link is: its clicks are its owner's account's, too.

A link is handed over when its owner's account is closed (`app.clicks.handover`), beside ingesters that remember who
owned it. So each stores a batch under a shared lock, and only while nothing was handed over since it began to
remember; a handover takes that lock alone, as does who sums weeks (`app.clicks.summing`). On SQLite,
where one writes at a time, there is nothing to lock.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, func, select

from app.clicks import versions
from app.clicks.bulk import listed
from app.links.models import Link

_REMEMBERED = 100_000  # links, some 100 bytes each


_LOCK = 0x536C75676C696E65  # "Slugline": the key of an advisory lock of PostgreSQL


class OwnersChanged(Exception):
    """Links may have been handed over since their owners were remembered; `number` is the one to remember as of."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


def hold(connection: Connection, number: int) -> None:
    """Let nobody hand links over, or sum their weeks, until this transaction ends.

    `number` is what was current when owners began to be remembered. Raises OwnersChanged, after which the transaction
    must be rolled back.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock_shared(_LOCK)))
    now = versions.of_everybody(connection)
    if now != number:
        raise OwnersChanged(now)


def alone(connection: Connection) -> None:
    """Wait for the batches that are being stored, and let no other begin until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def change(connection: Connection) -> None:
    """Begin to hand links over: alone, and let the next batches look anew."""
    alone(connection)
    versions.add_steps(connection, [versions.EVERYBODY])


class Owners:
    """The owners of links, remembered."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._known: dict[int, int] = {}
        self.number = 0
        """As of which number of `hold` they are known."""

    def forget(self, number: int) -> None:
        """Remember anew, what is so as of `number`."""
        self._known.clear()
        self.number = number

    @property
    def known(self) -> Mapping[int, int]:
        """The owner's id by the link's."""
        return self._known

    def unknown(self, link_ids: Iterable[int]) -> set[int]:
        """The links that `learn` has to look up; among them, each time, those that nobody owns.

        Forgets everything first when that has become too much.
        """
        if len(self._known) > self._remembered:
            self._known.clear()
        return set(link_ids) - self._known.keys()

    def learn(self, connection: Connection, link_ids: Iterable[int]) -> None:
        """Look up the owners of `link_ids`."""
        rows = connection.execute(
            select(Link.id, Link.owner_id).where(Link.id.in_(select(listed(connection, link_ids))))
        )
        self._known.update((link_id, owner_id) for link_id, owner_id in rows)
