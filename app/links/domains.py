"""Domains: the hosts that short links live on."""

import re

from ada_url import URL
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app import database
from app.errors import Conflict, ValidationFailed
from app.extensions import db
from app.links import hosts
from app.links.models import Domain


def add(host: str) -> Domain:
    """Let links be made on `host`. Raises ValidationFailed for what is no host, Conflict for a known one."""
    domain = Domain(host=_canonical(host))
    try:
        with db.session.begin_nested():
            db.session.add(domain)
    except IntegrityError:
        raise Conflict("This domain is there already.", field="host") from None
    return domain


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
        raise ValidationFailed("This is not a host name.", field="host")
    return name
