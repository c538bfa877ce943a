"""From a batch to what the roll-ups of links and accounts gain by it, as rows: all that can be done before the
transaction begins."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app import database
from app.clicks.batch import Batch, Count, RollUp
from app.clicks.facetbound import FacetBound
from app.clicks.models import AccountFacet, ClickFacet
from app.clicks.owners import Owners
from app.clicks.times import QUARTER, stored_day, stored_quarter, stored_time

CountRow = tuple[int, str, int, int, int, int, str | None]
"""A row of `click_counts` or `account_counts` in the order of their columns."""
FacetRow = tuple[int, str, str, str, int]
"""A row of `click_facets` or `account_facets` in the order of their columns."""
VisitorRow = tuple[str, int, int]
"""A row of `daily_visitors` in the order of its columns."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What links or accounts gain by a batch. Uniques are known in the transaction only."""

    counts: dict[tuple[int, int], Count]
    facets: list[FacetRow]
    """In the order of their keys."""

    def count_rows(self) -> list[CountRow]:
        """In the order of their keys."""
        return [
            (
                subject,
                stored_quarter(quarter),
                count.humans,
                count.bots,
                count.prefetches,
                count.uniques,
                stored_time(count.last) if count.last >= 0 else None,
            )
            for (subject, quarter), count in sorted(self.counts.items(), key=lambda item: item[0])
        ]


@dataclass(frozen=True, slots=True)
class Entry:
    """One batch, worked out for links and accounts."""

    batch: Batch
    links: Gain
    accounts: Gain
    owners: dict[int, int]
    """Of the batch's links, where they have one."""
    owners_as_of: int
    """The number to `owners.hold` when it is stored."""
    visitors: dict[VisitorRow, tuple[int, int]]
    """Link and quarter of their first clicks, which may be unique; in the order of the rows."""

    def add_uniques(self, new: Iterable[VisitorRow]) -> None:
        """Count the first clicks of those visitors who were new to the database."""
        for (link_id, quarter), clicks in Counter(map(self.visitors.__getitem__, new)).items():
            self.links.counts[link_id, quarter].uniques += clicks
            if link_id in self.owners:
                self.accounts.counts[self.owners[link_id], quarter].uniques += clicks


class Accounting:
    """Works out batches one after the other; remembers owners and the values of facets between them."""

    def __init__(self) -> None:
        self._owners = Owners()
        self._link_values = FacetBound(ClickFacet)
        self._account_values = FacetBound(AccountFacet)

    def enter(self, batch: Batch) -> Entry:
        """Work out `batch`. Raises SQLAlchemyError when the database has to be asked and does not answer."""
        owners = self._owners_of(batch)
        accounts = batch.links.by_owner(owners)
        return Entry(
            batch,
            links=_gain(batch.links, self._link_values),
            accounts=_gain(accounts, self._account_values),
            owners=owners,
            owners_as_of=self._owners.number,
            visitors=_visitors(batch),
        )

    def forget_owners(self, number: int) -> None:
        """Look owners up anew: links were handed over, which `number` tells of."""
        self._owners.forget(number)

    def _owners_of(self, batch: Batch) -> dict[int, int]:
        link_ids = {link_id for link_id, _ in batch.links.counts}
        if unknown := self._owners.unknown(link_ids):
            with database.reading() as connection:
                self._owners.learn(connection, unknown)
        known = self._owners.known
        return {link_id: known[link_id] for link_id in link_ids if link_id in known}


def _visitors(batch: Batch) -> dict[VisitorRow, tuple[int, int]]:
    found = {}
    for day, link_id in sorted(batch.firsts):
        text, firsts = stored_day(day), batch.firsts[day, link_id]
        for visitor in sorted(firsts):
            found[text, link_id, visitor] = link_id, firsts[visitor] // QUARTER
    return found


def _gain(roll_up: RollUp, values: FacetBound) -> Gain:
    if unknown := values.unknown(roll_up.facets):
        with database.reading() as connection:
            values.look(connection, roll_up.facets, unknown)
    gain = Gain(roll_up.counts, list(_facet_rows(roll_up, values)))
    values.pass_on(roll_up.facets)
    return gain


def _facet_rows(roll_up: RollUp, values: FacetBound) -> Iterator[FacetRow]:
    for subject in sorted(roll_up.facets):
        key, day = subject[0], stored_day(subject[1])
        for dimension, found in values.bounded(subject, roll_up.facets[subject]).items():
            for value, clicks in sorted(found.items()):
                yield key, day, dimension, value, clicks
