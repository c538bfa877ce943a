"""What waits in the database for the worker: mails, petitions, and events without their seals.

For `/metrics`, `/readyz` and whoever is woken by them.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask.ctx import AppContext
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from app import clock, database
from app.accounts.models import Petition
from app.audit.models import AuditEvent, AuditUnsealed
from app.mail.models import OutgoingMail


@dataclass(frozen=True, slots=True)
class Queue:
    """`age` in seconds of what waits for longest; 0 where nothing does."""

    name: str
    length: int
    age: float


class QueueCollector(Collector):
    """The queues for Prometheus, looked up when it asks: gauges of the database, which no process adds to."""

    def __init__(self, context: Callable[[], AppContext]) -> None:
        """`context`: the application's, since Prometheus is answered by a thread without one."""
        self._context = context

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Nothing where the database does not answer, which `/readyz` names."""
        lengths = GaugeMetricFamily("slugline_waiting", "What waits for the worker", labels=["queue"])
        ages = GaugeMetricFamily(
            "slugline_oldest_waiting_seconds", "Age of the oldest of it, 0 without any", labels=["queue"]
        )
        with suppress(SQLAlchemyError), self._context():
            for queue in queues():
                lengths.add_metric([queue.name], queue.length)
                ages.add_metric([queue.name], queue.age)
            yield from (lengths, ages)


def queues() -> list[Queue]:
    """All three. Raises SQLAlchemyError."""
    first = select(func.min(AuditUnsealed.event_id)).scalar_subquery()
    since = select(AuditEvent.at).where(AuditEvent.id == first).scalar_subquery()
    asked: dict[str, Any] = {
        "mails": select(func.count(OutgoingMail.id), func.min(OutgoingMail.created_at)),
        "petitions": select(func.count(Petition.id), func.min(Petition.created_at)),
        "seals": select(func.count(AuditUnsealed.event_id), since),
    }
    now = clock.now()
    with database.reading() as connection:
        found = {name: connection.execute(query).one() for name, query in asked.items()}
    return [
        Queue(name, length, max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)
        for name, (length, oldest) in found.items()
    ]
