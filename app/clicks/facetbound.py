"""How many values a facet may have: what visitors send must not grow the roll-ups without end.

A referrer is free text, and so are the names in a User-Agent. Each subject (a link, an account) keeps at most
1,000 values of a dimension on one day; clicks with a further value count under `OTHER`. Several ingesters on one
database do not hear of each other's new values, nor does one that forgets of those it is just storing: the bound may
then be passed by as many as each adds.
"""

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import Connection, select

from app.clicks.batch import Values
from app.clicks.models import AccountFacet, ClickFacet
from app.clicks.times import day_of

OTHER = "(other)"
"""No host has such a name."""
MAX_VALUES = 1_000
_REMEMBERED = 200_000  # values, some 100 bytes each; 200 busy links have 30,000


class FacetBound:
    """Knows the values that the subjects of one table of facets have, as far back as it remembers."""

    def __init__(self, model: type[ClickFacet] | type[AccountFacet], remembered: int = _REMEMBERED) -> None:
        self._columns = model.__table__.c
        self._remembered = remembered
        self._size = 0
        self._known: dict[tuple[int, int], dict[str, set[str]]] = {}

    def unknown(self, subjects: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """The pairs of subject and day that `learn` has to read before values of theirs are counted.

        Forgets everything first when that has become too much: the busy subjects are read again at once.
        """
        if self._size > self._remembered:
            self._known.clear()
            self._size = 0
        return [subject for subject in subjects if subject not in self._known]

    def learn(self, connection: Connection, subjects: Iterable[tuple[int, int]]) -> None:
        """Read the values that `subjects` have in the database."""
        days = defaultdict(list)
        found: dict[tuple[int, int], dict[str, set[str]]] = {}
        for subject, day in subjects:
            days[day].append(subject)
            found[subject, day] = defaultdict(set)
        key, day_column, dimension, value, _ = self._columns
        for day, keys in days.items():
            rows = select(key, dimension, value).where(day_column == day_of(day), key.in_(keys))
            for row in connection.execute(rows):
                found[row[0], day][row[1]].add(row[2])
        # Not before all of it was read: half of it would pass for all there is.
        self._known.update(found)
        self._size += sum(1 + sum(map(len, values.values())) for values in found.values())

    def bounded(self, subject: tuple[int, int], dimension: str, values: Values) -> Values:
        """Return `values` of a subject that was learnt, with those beyond the bound added up under `OTHER`."""
        known = self._known[subject][dimension]
        if values.keys() <= known:
            return values
        new = {value for value in values if value not in known}
        room = MAX_VALUES - len(known)
        if len(new) > room:
            new = set(sorted(new)[: max(room, 0)])
            values = self._gathered(values, known | new)
        known |= new
        self._size += len(new)
        return values

    @staticmethod
    def _gathered(values: Values, named: set[str]) -> Values:
        gathered: Values = {OTHER: 0}
        for value, clicks in values.items():
            if value in named:
                gathered[value] = gathered.get(value, 0) + clicks
            else:
                gathered[OTHER] += clicks
        return gathered
