"""A batch of spool lines, worked out before its transaction begins: rows, roll-ups, and what was no click.

Each line costs some 5 us here, so that it is tuples, whole numbers and plain dictionaries that it passes through.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from struct import Struct

from app.clicks.agents import Agent, agent_facts
from app.clicks.countries import CountryOf
from app.clicks.line import BadLine, Fields, fields_of
from app.clicks.referrers import referrer_host
from app.clicks.times import DAY, QUARTER, stored_time

ClickRow = tuple[int, str, bytearray, str, str, str, str, str, int, str, str]
"""A row of `clicks` in the order of its columns, without the id. `bytes` and `bool` cost 0.3 us more each: `sqlite3`
looks for an adapter of whatever is not a number, a text or a bytearray."""
_signed = Struct(">q").unpack
Values = dict[str, int]
"""Clicks by the values of one dimension."""


@dataclass(slots=True)
class Count:
    """Clicks of one subject in a quarter of an hour."""

    humans: int = 0
    bots: int = 0
    prefetches: int = 0
    uniques: int = 0
    last: int = -1
    """The latest click in ms since the epoch; -1 while there were only prefetches."""

    def add(self, other: "Count") -> None:
        """Add the clicks of another subject in the same quarter."""
        self.humans += other.humans
        self.bots += other.bots
        self.prefetches += other.prefetches
        self.uniques += other.uniques
        self.last = max(self.last, other.last)


@dataclass(slots=True)
class Facets:
    """Human clicks of one subject on one day. By agents as a whole: a line adds to three numbers, not to five."""

    agents: defaultdict[Agent, int] = field(default_factory=lambda: defaultdict(int))
    countries: Values = field(default_factory=lambda: defaultdict(int))
    referrers: Values = field(default_factory=lambda: defaultdict(int))

    def add(self, other: "Facets") -> None:
        """Add the clicks of another subject on the same day."""
        for agent, clicks in other.agents.items():
            self.agents[agent] += clicks
        for country, clicks in other.countries.items():
            self.countries[country] += clicks
        for referrer, clicks in other.referrers.items():
            self.referrers[referrer] += clicks

    @property
    def most(self) -> int:
        """No fewer than its values, of all dimensions together."""
        return 3 * len(self.agents) + len(self.countries) + len(self.referrers)

    def dimensions(self) -> dict[str, Values]:
        """Clicks by dimension and value, the dimensions in the order of their names."""
        browsers: Values = defaultdict(int)
        devices: Values = defaultdict(int)
        systems: Values = defaultdict(int)
        for agent, clicks in self.agents.items():
            browsers[agent.browser] += clicks
            devices[agent.device] += clicks
            systems[agent.os] += clicks
        return {
            "browser": browsers,
            "country": self.countries,
            "device": devices,
            "os": systems,
            "referrer": self.referrers,
        }


@dataclass(slots=True)
class RollUp:
    """What a batch adds to the clicks of its subjects: links, or accounts. Quarters and days since the epoch."""

    counts: dict[tuple[int, int], Count] = field(default_factory=lambda: defaultdict(Count))
    """By subject and quarter of an hour."""
    facets: dict[tuple[int, int], Facets] = field(default_factory=lambda: defaultdict(Facets))
    """By subject and day."""

    def by_owner(self, owners: Mapping[int, int]) -> "RollUp":
        """The same clicks by the owners of the links; a link that has none is left out."""
        total = RollUp()
        for (link_id, quarter), count in self.counts.items():
            if link_id in owners:
                total.counts[owners[link_id], quarter].add(count)
        for (link_id, day), facets in self.facets.items():
            if link_id in owners:
                total.facets[owners[link_id], day].add(facets)
        return total


@dataclass(slots=True)
class Batch:
    """What one transaction stores."""

    clicks: list[ClickRow] = field(default_factory=list)
    """Prefetches are not among them: nobody saw the target."""
    links: RollUp = field(default_factory=RollUp)
    firsts: dict[tuple[int, int], dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    """By day and link: the time of each visitor's first human click, in ms since the epoch."""
    bad: list[bytes] = field(default_factory=list)


def batch_of(lines: Iterable[bytes], country_of: CountryOf) -> Batch:
    """Work out the batch of `lines`, each with or without its newline; what is no click goes to `bad`."""
    batch = Batch()
    for raw in lines:
        try:
            fields = fields_of(raw)
        except BadLine:
            batch.bad.append(raw)
        else:
            _add(batch, fields, country_of)
    return batch


def _add(batch: Batch, fields: Fields, country_of: CountryOf) -> None:
    """Take one line. Of a private one (no visitor) only time, link and bot are kept."""
    time, link_id, kind, visitor, address, user_agent, referrer, query = fields
    links = batch.links
    count = links.counts[link_id, time // QUARTER]
    if kind == "prefetch":
        count.prefetches += 1
        return
    agent = agent_facts(user_agent)
    browser, os, device, bot = agent
    if bot:
        count.bots += 1
    else:
        count.humans += 1
    count.last = max(count.last, time)
    at = stored_time(time)
    if not visitor:
        batch.clicks.append((link_id, at, bytearray(), "", "", "", "", "", int(bot), "", ""))
        return
    hashed = bytearray.fromhex(visitor)
    country = country_of(address)
    host = referrer_host(referrer)
    batch.clicks.append((link_id, at, hashed, address, country, browser, os, device, int(bot), host, query))
    if bot:
        return
    day = time // DAY
    facets = links.facets[link_id, day]
    facets.agents[agent] += 1
    facets.countries[country] += 1
    facets.referrers[host] += 1
    firsts = batch.firsts[day, link_id]
    (number,) = _signed(hashed)
    if time < firsts.get(number, time + 1):
        firsts[number] = time
