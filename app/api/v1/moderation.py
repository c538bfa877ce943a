"""/links/{code}/block: what managers keep visitors from."""

from typing import Any

from app.api.access import scope
from app.api.blueprint import Blueprint
from app.api.conditional import conditional, precondition
from app.api.v1.links import CODE, validated
from app.api.v1.schemas.links import DomainQuery, LinkOut
from app.api.v1.schemas.moderation import Block
from app.links import moderating
from app.links.models import Link
from app.links.short_urls import place

blueprint = Blueprint("v1_moderation", __name__, url_prefix="/links", description="Links of others.")


@blueprint.put("/<code>/block", parameters=CODE)
@scope("links:write", role="manager")
@conditional
@blueprint.arguments(DomainQuery, location="query")
@blueprint.arguments(Block)
@blueprint.response(200, LinkOut)
def block_link(query: dict[str, Any], fields: dict[str, Any], code: str) -> Link:
    """Block a link.

    For managers, whoever owns it. Visitors get 451 from the next request on, and its owner sees why; nothing that the
    owner does lets it lead on again. Sent once more, it changes the reason.
    """
    return validated(moderating.block(place(code, query.get("domain")), fields["reason"], precondition()))


@blueprint.delete("/<code>/block", parameters=CODE)
@scope("links:write", role="manager")
@conditional
@blueprint.arguments(DomainQuery, location="query")
@blueprint.response(204)
def unblock_link(query: dict[str, Any], code: str) -> None:
    """Lift the block of a link.

    For managers. It is then what its owner made it: active, switched off, expired. 404 where it is not blocked.
    """
    moderating.unblock(place(code, query.get("domain")), precondition())
