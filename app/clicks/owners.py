"""Whose a link is: its clicks are its owner's account's, too."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, select

from app.links.models import Link

_REMEMBERED = 100_000  # links, some 100 bytes each


class Owners:
    """The owners of links, remembered: an owner never changes."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._known: dict[int, int] = {}

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
        rows = connection.execute(select(Link.id, Link.owner_id).where(Link.id.in_(link_ids)))
        self._known.update((link_id, owner_id) for link_id, owner_id in rows)
