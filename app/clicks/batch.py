"""A batch of spool lines, worked out before its transaction begins: rows, roll-ups, and what was no click."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from app.clicks.agents import Agent, agent_facts
from app.clicks.countries import CountryOf
from app.clicks.line import BadLine, ClickLine, decode
from app.clicks.referrers import referrer_host

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Count:
    """Clicks of one link in one UTC hour."""

    humans: int = 0
    bots: int = 0
    prefetches: int = 0
    last_at: datetime | None = None


@dataclass(slots=True)
class Batch:
    """What one transaction stores."""

    clicks: list[dict[str, Any]] = field(default_factory=list)
    """Rows of `clicks`. Prefetches are not among them: nobody saw the target."""
    counts: dict[tuple[int, datetime], Count] = field(default_factory=dict)
    """By link and hour."""
    facets: Counter[tuple[int, date, str, str]] = field(default_factory=Counter)
    """Humans only, by link, day, dimension and value."""
    bad: list[bytes] = field(default_factory=list)

    def add(self, raw: bytes, country_of: CountryOf) -> None:
        """Take one line; what is not a click goes to `bad`."""
        try:
            line = decode(raw)
        except BadLine:
            self.bad.append(raw)
            return
        at = _EPOCH + timedelta(milliseconds=line.time)
        count = self.counts.setdefault((line.link_id, _hour(at)), Count())
        if line.kind == "prefetch":
            count.prefetches += 1
            return
        row = _row(line, at, agent_facts(line.user_agent), country_of(line.address))
        self.clicks.append(row)
        count.last_at = max(at, count.last_at or at)
        if row["bot"]:
            count.bots += 1
        else:
            count.humans += 1
            self._add_facets(row)

    def _add_facets(self, row: dict[str, Any]) -> None:
        for dimension in ("referrer", "country", "browser", "os", "device"):
            self.facets[row["link_id"], row["at"].date(), dimension, row[dimension]] += 1


def batch_of(lines: Iterable[bytes], country_of: CountryOf) -> Batch:
    """Work out the batch of `lines`, each with or without its newline."""
    batch = Batch()
    for raw in lines:
        batch.add(raw, country_of)
    return batch


def _row(line: ClickLine, at: datetime, agent: Agent, country: str) -> dict[str, Any]:
    return {
        "link_id": line.link_id,
        "at": at,
        "visitor": bytes.fromhex(line.visitor),
        "address": line.address,
        "country": country,
        "browser": agent.browser,
        "os": agent.os,
        "device": agent.device,
        "bot": agent.bot,
        "referrer": referrer_host(line.referrer),
        "query": line.query,
    }


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
