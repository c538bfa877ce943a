"""Links as the fast entrances look them up: from memory while nothing has changed, else by one small read.

An entry is trusted while its source's stamp is the one that was taken before it was read, and for a second at
most: that is the belt should the stamp ever fail. The source says how a change shows: `app.links.on_sqlite`,
`app.links.on_postgresql`. What there is no link for is remembered too, for as long and within the same bounds.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from prometheus_client import Counter

from app.links.models import DEFAULT_DOMAIN_ID
from app.links.resolve import Resolved, domain_host

T = TypeVar("T")

_LOOKUPS = Counter("slugline_link_lookups", "Links told to the fast entrances: known, or read", ["result"])
_HITS, _MISSES = _LOOKUPS.labels("hit"), _LOOKUPS.labels("miss")

LONGEST = 1.0  # seconds that an entry is trusted without a new read
GENERATION = 8_192  # entries; two generations are kept, of some 600 bytes an entry
MAX_HOSTS = 64

Key = tuple[int, str]
"""A domain's id and a code."""


class NotNow(Exception):
    """The answer would have to be waited for, or the database does not give one."""


class Source(Protocol):
    """Where links are read from, and how a change shows."""

    changes: int
    """Moves with every change that the source hears of."""

    def stamp(self) -> object | None:
        """What stays the same object while nothing changes; None while the source cannot tell."""

    def domain_ids(self, hosts: Collection[str], wait: bool) -> dict[str, int]:
        """Those of the hosts, as `domain_host` spells them, that are domains of ours. Raises NotNow."""

    def links(self, domain_id: int, codes: Collection[str], wait: bool) -> dict[str, Resolved]:
        """Those links of the domain that there are, by code. Raises NotNow unless it may `wait`."""


class Entry(Generic[T]):
    """What is known of one code."""

    __slots__ = ("link_id", "stamp", "until", "used", "value")

    def __init__(self, stamp: object, until: float, link_id: int, value: T) -> None:
        self.stamp = stamp
        self.until = until
        """Seconds since the epoch; a link's own times end it too."""
        self.link_id = link_id
        """0 where there is no link."""
        self.value = value
        self.used = False


class Lookup(Generic[T]):
    """A bounded memory over `source`, of what `prepare` makes of a link, or of None where there is none.

    Safe for threads: each step is one operation on a dictionary, and what is put there is taken out again if
    something changed meanwhile.
    """

    def __init__(self, source: Source, prepare: Callable[[Resolved | None, datetime], T]) -> None:
        self._source = source
        self._prepare = prepare
        self._hosts: dict[str, Entry[int]] = {}
        # Two generations instead of a list of last uses: what is hit in the old one moves to the young one.
        self._young: dict[Key, Entry[T]] = {}
        self._old: dict[Key, Entry[T]] = {}

    def find(self, asked: Sequence[tuple[str, str]], now: datetime, wait: bool, unknown: T) -> list[T]:
        """What there is of each host and code, as fresh as a read would tell. One statement reads the domains that
        are not known, one the links of each domain.

        `unknown`, and neither a hit nor a miss, where the host is malformed, where one would have to wait and may
        not, or where the database does not answer.
        """
        stamp, changes = self._source.stamp(), self._source.changes
        time = now.timestamp()
        found, missing, hits, misses = [unknown] * len(asked), [], 0, 0
        domain_ids = self._domain_ids({host for host, _ in asked}, stamp, time, wait)
        for place, (host, code) in enumerate(asked):
            domain_id = domain_ids.get(host)
            if domain_id is None:
                continue
            key = domain_id, code
            entry = self._young.get(key) or self._older(key, changes)
            if entry is not None and entry.stamp is stamp and time < entry.until:
                entry.used = True
                found[place] = entry.value
                hits += 1
            else:
                missing.append((place, key))
        _HITS.inc(hits)
        if missing:
            read = self._read({key for _, key in missing}, stamp, now, wait)
            for place, key in missing:
                if key in read:
                    found[place] = read[key]
                    misses += 1
            _MISSES.inc(misses)
        return found

    def forget(self, key: Key) -> None:
        """Trust what is known of one code no more."""
        self._young.pop(key, None)
        self._old.pop(key, None)

    def forget_hosts(self) -> None:
        self._hosts = {}

    def used(self) -> dict[int, Key]:
        """The links that were asked for since this was last asked, by id."""
        found = {}
        for key, entry in [*self._old.items(), *self._young.items()]:
            if entry.used and entry.link_id:
                entry.used = False
                found[entry.link_id] = key
        return found

    def renew(self, links: Iterable[tuple[Key, Resolved]], changes: int, now: datetime) -> None:
        """Take over what was just read, from when the source's `changes` were as given on."""
        stamp = self._source.stamp()
        for key, link in links:
            self._keep(key, self._entry(link, stamp, now), changes)

    def _domain_ids(self, hosts: Collection[str], stamp: object, time: float, wait: bool) -> dict[str, int]:
        """The domains that hosts name, but for those that are malformed, or not known now."""
        changes, found, missing = self._source.changes, {}, {}
        for host in hosts:
            entry = self._hosts.get(host)
            if entry is not None and entry.stamp is stamp and time < entry.until:
                found[host] = entry.value
            elif (name := domain_host(host)) is not None:
                missing[host] = name
        if missing:
            try:
                ours = self._source.domain_ids({*missing.values()}, wait)
            except NotNow:
                return found
            for host, name in missing.items():
                found[host] = ours.get(name, DEFAULT_DOMAIN_ID)
                if stamp is not None:
                    self._keep_host(host, Entry(stamp, time + LONGEST, 0, found[host]))
            if self._source.changes != changes:
                self.forget_hosts()
        return found

    def _keep_host(self, host: str, entry: Entry[int]) -> None:
        if len(self._hosts) >= MAX_HOSTS:
            self._hosts = {}
        self._hosts[host] = entry

    def _older(self, key: Key, changes: int) -> Entry[T] | None:
        entry = self._old.get(key)
        if entry is not None:
            self._keep(key, entry, changes)
        return self._young.get(key)

    def _read(self, keys: set[Key], stamp: object, now: datetime, wait: bool) -> dict[Key, T]:
        """What there is of each key; nothing of those that cannot be read now. Once the database did not answer it is
        asked no more."""
        changes, found = self._source.changes, {}
        for domain_id in {key[0] for key in keys}:
            codes = [code for domain, code in keys if domain == domain_id]
            try:
                links = self._source.links(domain_id, codes, wait)
            except NotNow:
                break
            for code in codes:
                entry = self._entry(links.get(code), stamp, now)
                found[domain_id, code] = entry.value
                if stamp is not None:
                    self._keep((domain_id, code), entry, changes)
        return found

    def _entry(self, link: Resolved | None, stamp: object, now: datetime) -> Entry[T]:
        until = now.timestamp() + LONGEST
        if link is None:
            return Entry(stamp, until, 0, self._prepare(None, now))
        for moment in (link.starts_at, link.expires_at):
            if moment is not None and moment > now:
                until = min(until, moment.timestamp())
        return Entry(stamp, until, link.id, self._prepare(link, now))

    def _keep(self, key: Key, entry: Entry[T], changes: int) -> None:
        if len(self._young) >= GENERATION:
            self._old, self._young = self._young, {}
        self._young[key] = entry
        # In this order: a change that is heard of before this line shows here, a later one forgets the entry.
        if self._source.changes != changes:
            self.forget(key)
