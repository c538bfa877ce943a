"""All that Slugline keeps about a person, read for that person (GDPR art. 15 and 20).

Lists are read while one goes through them, a thousand rows at a time: an account of a million links takes no more
memory than one of a thousand. Every table that names a user is read here, or is left out for a reason that stands in
`tests/guards/test_personal_data.py`.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row, func, select

from app.accounts import avatars, factors, users
from app.accounts.factors import Status
from app.accounts.models import (
    ApiKey,
    DeprecatedUse,
    Identity,
    KnownDevice,
    OneTimeToken,
    Passkey,
    Session,
    User,
)
from app.accounts.principals import SignedIn
from app.audit import listing
from app.clicks import stats
from app.clicks.stats import Totals
from app.database import Base
from app.extensions import db
from app.links import short_urls
from app.links.models import Domain, Link, Tag, link_tags
from app.mail import outbox
from app.mail.models import OutgoingMail
from app.sealing import BadSeal

_ROWS = 1_000  # read at a time

Model = TypeVar("Model", bound=Base)


@dataclass(frozen=True)
class KnownDevices:
    """Of devices nothing can be read but how many there are, and when one was last seen."""

    count: int
    last_seen_at: datetime | None


@dataclass(frozen=True)
class WaitingMail:
    """A mail that was not sent yet, without its text, which may hold a one-time token. Neither address nor subject is
    known where it was sealed under another SECRET_KEY."""

    to: str | None
    subject: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OwnLink:
    """A link in whatever state; `row` has the columns of `Link`."""

    row: Row[Any]
    host: str
    tags: list[str]
    clicks: Totals


@dataclass(frozen=True)
class OwnData:
    """What there is of a person. Each iterator can be gone through once, in the session that it was made in."""

    account: User
    avatar: bytes | None
    second_factor: Status
    known_devices: KnownDevices
    sessions: Iterator[Session]
    passkeys: Iterator[Passkey]
    identities: Iterator[Identity]
    api_keys: Iterator[ApiKey]
    tokens_sent: Iterator[OneTimeToken]
    mails_waiting: Iterator[WaitingMail]
    deprecated_calls: Iterator[DeprecatedUse]
    tags: Iterator[str]
    links: Iterator[OwnLink]
    events: Iterator[Any]
    """As rows of AuditEvent."""


def of(principal: SignedIn) -> OwnData:
    """All about the caller."""
    user_id, user = principal.user_id, users.get(principal.user_id)
    return OwnData(
        account=user,
        avatar=avatars.storage().read(user.avatar) if user.avatar else None,
        second_factor=factors.status(principal),
        known_devices=_known_devices(user_id),
        sessions=_all(Session, Session.user_id == user_id, Session.created_at),
        passkeys=_all(Passkey, Passkey.user_id == user_id, Passkey.created_at),
        identities=_all(Identity, Identity.user_id == user_id, Identity.created_at),
        api_keys=_all(ApiKey, ApiKey.user_id == user_id, ApiKey.created_at),
        tokens_sent=_all(OneTimeToken, OneTimeToken.user_id == user_id, OneTimeToken.purpose),
        mails_waiting=_mails(user.public_id),
        deprecated_calls=_all(DeprecatedUse, DeprecatedUse.caller == user.public_id, DeprecatedUse.day),
        tags=(tag.name for tag in _all(Tag, Tag.owner_id == user_id, Tag.id)),
        links=_links(user_id),
        events=listing.concerning(user.public_id),
    )


def _all(model: type[Model], own: ColumnElement[bool], order: Any) -> Iterator[Model]:
    query = select(model).where(own).order_by(order)
    with db.session.scalars(query, execution_options={"yield_per": _ROWS}) as found:
        yield from found


def _known_devices(user_id: int) -> KnownDevices:
    seen = select(func.count(), func.max(KnownDevice.last_seen_at)).where(KnownDevice.user_id == user_id)
    return KnownDevices(*db.session.execute(seen).one())


def _mails(user: str) -> Iterator[WaitingMail]:
    for mail in _all(OutgoingMail, OutgoingMail.owner == user, OutgoingMail.id):
        try:
            letter = outbox.opened(mail.sealed)
        except BadSeal:
            yield WaitingMail(None, None, mail.created_at, mail.expires_at)
        else:
            yield WaitingMail(letter.to, letter.subject, mail.created_at, mail.expires_at)


def _links(user_id: int) -> Iterator[OwnLink]:
    """As rows, the oldest first: a million models would take several times as long."""
    columns = Link.__table__.columns
    query = select(*columns, Domain.host).join_from(Link, Domain).where(Link.owner_id == user_id)
    query = query.order_by(Link.created_at, Link.id)
    with db.session.execute(query, execution_options={"yield_per": _ROWS}) as found:
        for rows in found.partitions():
            yield from _surrounded(rows)


def _surrounded(rows: Any) -> Iterator[OwnLink]:
    """The links with their tags and clicks, in two statements."""
    ids = [row.id for row in rows]
    tags, clicks = _tags(ids), stats.fresh_totals(ids)
    for row in rows:
        host = row.host or short_urls.default_host()
        yield OwnLink(row, host, sorted(tags[row.id]), clicks.get(row.id, Totals()))


def _tags(link_ids: list[int]) -> defaultdict[int, list[str]]:
    found: defaultdict[int, list[str]] = defaultdict(list)
    named = select(link_tags.c.link_id, Tag.name).join(Tag, Tag.id == link_tags.c.tag_id)
    for link_id, name in db.session.execute(named.where(link_tags.c.link_id.in_(link_ids))):
        found[link_id].append(name)
    return found
