"""From what a visitor typed to the link: the redirect's only read."""

import re
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, func, select

from app import database
from app.links import codes, hosts
from app.links.models import DEFAULT_DOMAIN_ID, Domain, Link
from app.links.states import State, state

_PORT = re.compile(r":[0-9]{0,5}\Z")
_IPV6 = re.compile(r"\[[0-9a-f:.]{2,45}\]")


class Resolved(NamedTuple):
    """What the rules of a redirect need of a link, as plain values; the fields are columns of `Link`."""

    id: int
    url: str
    redirect_status: int
    forward_query: bool
    enabled: bool
    starts_at: datetime | None
    expires_at: datetime | None
    max_clicks: int | None
    clicks_used: int
    password_hash: str | None
    blocked_reason: str | None
    deleted_at: datetime | None

    def state(self, now: datetime) -> State:
        """The state at `now`."""
        return state(
            blocked_reason=self.blocked_reason,
            deleted_at=self.deleted_at,
            enabled=self.enabled,
            starts_at=self.starts_at,
            expires_at=self.expires_at,
            max_clicks=self.max_clicks,
            clicks_used=self.clicks_used,
            now=now,
        )


COLUMNS = tuple(getattr(Link, name) for name in Resolved._fields)
_DOMAIN_ID = select(Domain.id).where(Domain.host == bindparam("host"))
LINKS = select(Link.code, *COLUMNS).where(Link.domain_id == bindparam("domain_id"))
"""Of one domain, each with its code in front; which codes, each database is told in its own way."""

# One statement for domain and link. A host that is no domain of ours is the default one: health checks, IP
# addresses and forged headers see what PUBLIC_URL shows, and nothing else.
_QUERY = select(*COLUMNS).where(
    Link.domain_id == func.coalesce(_DOMAIN_ID.scalar_subquery(), DEFAULT_DOMAIN_ID),
    Link.code == bindparam("code"),
)


def resolve(host: str, code: str) -> Resolved | None:
    """The link that `code` names on `host`, the Host header as it came; None where there is none.

    What cannot be a code or a host never reaches the database (PostgreSQL refuses NUL, for one).
    """
    try:
        codes.checked(code, reserved=frozenset())
    except codes.InvalidCode:
        return None
    with database.reading() as connection:
        row = connection.execute(_QUERY, {"host": domain_host(host), "code": code}).first()
    return Resolved(*row) if row else None


def domain_host(header: str) -> str | None:
    """The host of a Host header as `Domain.host` spells it: lower case, without port and root dot.

    None for what no domain can be called. Browsers send punycode and short IPv6 by themselves.
    """
    name = _PORT.sub("", header.lower())
    if name.startswith("["):
        return name if _IPV6.fullmatch(name) else None
    return name.removesuffix(".") if hosts.is_well_formed(name) else None
