"""How many values a facet may have: what visitors send must not grow the roll-ups without end.

A referrer is free text, and so are the names in a User-Agent. Each subject (a link, an account) keeps at most
1,000 values of a dimension on one day; clicks with a further value count under `OTHER`. Several ingesters on one
database do not hear of each other's new values, nor does one that forgets of those it is just storing: the bound may
then be passed by as many as each adds.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, func, select

from app.clicks.batch import Facets, Values
from app.clicks.bulk import listed
from app.clicks.models import AccountFacet, ClickFacet
from app.clicks.times import day_of

OTHER = "(other)"
"""No host has such a name."""
MAX_VALUES = 1_000
_REMEMBERED = 200_000  # values, some 100 bytes each; 200 busy links have 30,000

Subject = tuple[int, int]
"""A link or an account, and a day."""


class FacetBound:
    """Knows of the subjects of one table of facets how many values they have at most, as far back as it remembers; of
    those who may come to the bound, which."""

    def __init__(self, model: type[ClickFacet] | type[AccountFacet], remembered: int = _REMEMBERED) -> None:
        self._columns = model.__table__.c
        self._remembered = remembered
        self._most: dict[Subject, int] = {}
        """Of all dimensions together. Values that come again are counted again."""
        self._known: dict[Subject, dict[str, set[str]]] = {}
        self._values = 0
        """Of those in `_known`."""
        self._before: Mapping[Subject, Facets] = {}

    def unknown(self, facets: Mapping[Subject, Facets]) -> list[Subject]:
        """Those that `look` has to look at before they are bounded: who is new, or might pass the bound by `facets`.

        Forgets everything first when that has become too much.
        """
        if len(self._most) + self._values > self._remembered:
            self._most, self._known, self._values, self._before = {}, {}, 0, {}
        return self._near(facets, facets)

    def look(
        self, connection: Connection, facets: Mapping[Subject, Facets], unknown: Iterable[Subject]
    ) -> None:
        """Count what values `unknown` have in the database, and read those of who still might pass the bound."""
        self._count(connection, unknown)
        self._learn(connection, self._near(facets, unknown))

    def _near(self, facets: Mapping[Subject, Facets], subjects: Iterable[Subject]) -> list[Subject]:
        return [
            subject
            for subject in subjects
            if self._most.get(subject, MAX_VALUES) + facets[subject].most > MAX_VALUES
            and subject not in self._known
        ]

    def _count(self, connection: Connection, subjects: Iterable[Subject]) -> None:
        key, day_column, *_ = self._columns
        for day, keys in _by_day(subjects).items():
            of = listed(connection, keys)
            values = select(func.count()).where(key == of, day_column == day_of(day)).scalar_subquery()
            for subject, most in connection.execute(select(of, values)):
                before = self._before.get((subject, day))
                self._most[subject, day] = most + (before.most if before else 0)

    def _learn(self, connection: Connection, subjects: Iterable[Subject]) -> None:
        found: dict[Subject, dict[str, set[str]]] = {subject: defaultdict(set) for subject in subjects}
        key, day_column, dimension, value, _ = self._columns
        for day, keys in _by_day(found).items():
            rows = select(key, dimension, value).where(day_column == day_of(day), key.in_(keys))
            for row in connection.execute(rows):
                found[row[0], day][row[1]].add(row[2])
        for subject in found.keys() & self._before.keys():
            for name, values in self._before[subject].dimensions().items():
                found[subject][name].update(values)
        # Not before all of it was read: half of it would pass for all there is.
        self._known.update(found)
        self._values += sum(sum(map(len, values.values())) for values in found.values())

    def bounded(self, subject: Subject, facets: Facets) -> dict[str, Values]:
        """The dimensions of `facets`, of a subject that was looked at; what is beyond the bound counts as `OTHER`."""
        dimensions = facets.dimensions()
        if subject not in self._known:
            self._most[subject] += sum(map(len, dimensions.values()))
            return dimensions
        known = self._known[subject]
        return {name: self._bounded(known[name], values) for name, values in dimensions.items()}

    def _bounded(self, known: set[str], values: Values) -> Values:
        if values.keys() <= known:
            return values
        new = {value for value in values if value not in known}
        room = MAX_VALUES - len(known)
        if len(new) > room:
            new = set(sorted(new)[: max(room, 0)])
            values = self._gathered(values, known | new)
        known |= new
        self._values += len(new)
        return values

    def pass_on(self, facets: Mapping[Subject, Facets]) -> None:
        """These were bounded, and may be stored while the next are."""
        self._before = facets

    @staticmethod
    def _gathered(values: Values, named: set[str]) -> Values:
        gathered: Values = {OTHER: 0}
        for value, clicks in values.items():
            if value in named:
                gathered[value] = gathered.get(value, 0) + clicks
            else:
                gathered[OTHER] += clicks
        return gathered


def _by_day(subjects: Iterable[Subject]) -> dict[int, list[int]]:
    days = defaultdict(list)
    for subject, day in subjects:
        days[day].append(subject)
    return days
