"""Where short links live: hosts, the URL of each link, and what counts as our own address; from settings and
rows, never from a Host header."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import current_app
from sqlalchemy import select

from app import database
from app.errors import FieldError, ValidationFailed
from app.links import codes
from app.links.models import DEFAULT_DOMAIN_ID, Domain, Link
from app.links.remembering import remembered
from app.links.targets import TargetRules


@dataclass(frozen=True)
class Place:
    """What names a link: a code on a domain. The code need not be one that a link may have."""

    domain_id: int
    code: str


def place(code: str, host: str | None = None) -> Place:
    """The place of `code` on the domain `host`, by default on the default one.

    Raises ValidationFailed naming `domain` for a host that has no links here.
    """
    return Place(domain_id(host), code)


@remembered
def domain_id(host: str | None) -> int:
    """The domain of a host as `domain` shows it. Raises ValidationFailed naming `domain`.

    Reads through a short connection of its own, so that it begins no write transaction.
    """
    if host is None or host.lower() == default_host():
        return DEFAULT_DOMAIN_ID
    with database.reading() as connection:
        found = connection.scalar(select(Domain.id).where(Domain.host == host.lower()))
    if found is None:
        raise ValidationFailed.of([FieldError("domain", "There are no short links on this domain.")])
    return int(found)


@remembered
def default_host() -> str:
    """The host, and port if any, of PUBLIC_URL."""
    return urlsplit(str(current_app.config["PUBLIC_URL"])).netloc.lower()


def host_of(domain: Domain) -> str:
    """The host as clients see it."""
    return domain.host or default_host()


def short_url(link: Link) -> str:
    """The absolute URL that leads to the link's target."""
    return url_at(host_of(link.domain), link.code)


def url_at(host: str, code: str) -> str:
    """The same of a host as clients see it, and a code."""
    base = urlsplit(str(current_app.config["PUBLIC_URL"]))
    prefix = current_app.config["SHORT_PREFIX"]
    path = f"{prefix}/{code}" if prefix else code
    return f"{base.scheme}://{host}/{path}"


@remembered
def reserved_codes() -> frozenset[str]:
    """The codes that a page of ours shadows."""
    return codes.reserved_codes(current_app.url_map, current_app.config["SHORT_PREFIX"])


@remembered
def target_rules() -> TargetRules:
    """What this installation refuses as a target: its own short links, on whichever of its hosts."""
    with database.reading() as connection:
        hosts = list(connection.scalars(select(Domain.host).where(Domain.host.is_not(None))))
    return TargetRules.of(
        [str(current_app.config["PUBLIC_URL"]), *_bound_hosts(), *map(str, hosts)],
        short_prefix=current_app.config["SHORT_PREFIX"],
        allow_private=current_app.config["ALLOW_PRIVATE_TARGETS"],
    )


def _bound_hosts() -> list[str]:
    """Where the web server itself listens, but for sockets in the file system; without a host, everywhere."""
    found = [bind for bind in current_app.config["WEB_BIND"] if not bind.startswith(("unix:", "fd:"))]
    return [f"localhost{bind}" if bind.startswith(":") else bind for bind in found]
