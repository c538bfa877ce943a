"""Links as the audit log names them: `<host>/<code>`, and the public id of the owner."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from app.accounts.models import User
from app.audit import trail
from app.audit.trail import Event
from app.links import short_urls
from app.links.models import Domain, Link


def record(action: str, link: Link, **told: Any) -> None:
    """Record what became of a link; `told` as `trail.record` takes it."""
    trail.record(action, subject(link), owner=link.owner.public_id, **told)


def event(action: str, link: Link, **told: Any) -> Event:
    """The same for `trail.record_all`."""
    return trail.event(action, subject(link), link.owner.public_id, **told)


def events(connection: Connection, action: str, which: ColumnElement[bool]) -> Iterator[Event]:
    """The same of each link that meets the condition."""
    query = select(Domain.host, Link.code, User.public_id).join_from(Link, Domain).join(Link.owner)
    for host, code, owner in connection.execute(query.where(which)):
        yield trail.event(action, f"{host or short_urls.default_host()}/{code}", owner)


def subject(link: Link) -> str:
    return f"{short_urls.host_of(link.domain)}/{link.code}"
