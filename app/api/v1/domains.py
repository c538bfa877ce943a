"""/domains: the hosts that short links live on."""

from typing import Any

from app.api import pagination
from app.api.access import scope
from app.api.blueprint import Blueprint, raises
from app.api.idempotency import idempotent
from app.api.specification import path_id
from app.api.v1.schemas.domains import DomainIn, DomainList, DomainListQuery, DomainOut, domain_href
from app.errors import Conflict
from app.links import domains
from app.links.domains import DomainInUse
from app.links.models import Domain

blueprint = Blueprint("v1_domains", __name__, url_prefix="/domains", description="Hosts of short links.")

HOST = path_id("host", "The domain's host.", "go.example.net")


@blueprint.get("")
@scope("links:read")
@blueprint.arguments(DomainListQuery, location="query")
@blueprint.response(200, DomainList, headers=pagination.PAGES)
def list_domains(query: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """List the domains.

    A new link may name any of them. The default one first.
    """
    return pagination.answer(domains.known(), query)


@blueprint.post("")
@scope("admin", role="admin")
@idempotent
@raises(Conflict)
@blueprint.arguments(DomainIn)
@blueprint.response(
    201, DomainOut, headers={"Location": {"description": "Its path.", "schema": {"type": "string"}}}
)
def add_domain(fields: dict[str, Any]) -> tuple[Domain, dict[str, str]]:
    """Add a domain.

    For admins. From then on links can be made there.
    """
    domain = domains.add(fields["host"])
    return domain, {"Location": domain_href(domain)}


@blueprint.get("/<host>", parameters=HOST)
@scope("links:read")
@blueprint.response(200, DomainOut)
def get_domain(host: str) -> Domain:
    """Read a domain.

    By its host as `domain` of a link names it.
    """
    return domains.get(host)


@blueprint.delete("/<host>", parameters=HOST)
@scope("admin", role="admin")
@raises(DomainInUse)
@blueprint.response(204)
def remove_domain(host: str) -> None:
    """Remove a domain.

    For admins; only while no link was ever made there (409 else), since the codes of old links stay taken.
    """
    domains.remove(host)
