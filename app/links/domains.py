"""Domains: the hosts that short links live on."""

import re

from ada_url import URL
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from app import database
from app.audit import trail
from app.errors import Conflict, FieldError, NotFound, ValidationFailed
from app.extensions import db
from app.keyset import Key, Listing
from app.links import hosts, short_urls
from app.links.models import DEFAULT_DOMAIN_ID, Domain


class DomainInUse(Conflict):
    """409: a code once given out stays taken, so a domain goes only before its first link."""

    message = "There are links on this domain, or were."

    def __init__(self) -> None:
        super().__init__(reason="in_use")


def add(host: str) -> Domain:
    """Let links be made on `host`. Raises ValidationFailed for what is no host, Conflict for a known one."""
    domain = Domain(host=_canonical(host))
    try:
        with db.session.begin_nested():
            db.session.add(domain)
    except IntegrityError:
        raise Conflict("This domain is there already.", field="host") from None
    trail.record("domain.added", domain.host, owner=None)
    return domain


def known() -> Listing[Domain]:
    """All domains, the default one first, then as they were added."""
    return Listing(Domain, [], (Key(Domain.id.expression),))


def get(host: str) -> Domain:
    """The domain with this host, as clients see it. Raises NotFound."""
    try:
        # What cannot be printed is no host, and PostgreSQL would not compare a NUL.
        domain = db.session.get(Domain, short_urls.domain_id(host)) if host.isprintable() else None
    except ValidationFailed:
        domain = None
    if domain is None:
        raise NotFound()
    return domain


def remove(host: str) -> None:
    """Let no links be made on a host where there never was one. Raises NotFound, DomainInUse."""
    domain = get(host)
    if domain.id == DEFAULT_DOMAIN_ID:
        raise DomainInUse()
    try:
        with db.session.begin_nested():
            db.session.execute(delete(Domain).where(Domain.id == domain.id))
    except IntegrityError:
        raise DomainInUse() from None
    trail.record("domain.removed", domain.host, owner=None)


def is_known(host: str) -> bool:
    """Whether `host`, in the spelling of `Domain.host`, is one of the domains added here."""
    with database.reading() as connection:
        return connection.scalar(select(Domain.id).where(Domain.host == host)) is not None


def _canonical(host: str) -> str:
    """The host as browsers send it: lower case, punycode, no root dot."""
    try:
        name = URL(f"http://{host}/").hostname.removesuffix(".")
    except ValueError:
        name = ""
    if not name or re.search(r"[/?#@:\\\s]", host) or not hosts.is_well_formed(name):
        raise ValidationFailed.of([FieldError("host", "This is not a host name.")])
    return name
