"""/links: one's links."""

from collections.abc import Sequence
from dataclasses import fields as fields_of
from typing import Any

from app import clock
from app.api import pagination
from app.api.access import current_principal, scope
from app.api.blueprint import Blueprint, raises
from app.api.conditional import carry, conditional, precondition
from app.api.idempotency import idempotent
from app.api.leading import leads, with_parameters
from app.api.negotiation import LINKED_DATA
from app.api.v1 import linked_data
from app.api.v1.schemas.link_input import CODE_PATTERN, LinkCreate, LinkPatch, LinkReplace
from app.api.v1.schemas.linked_data import LinkedLink, LinkedList
from app.api.v1.schemas.links import (
    DomainQuery,
    LinkList,
    LinkListQuery,
    LinkOut,
    LinkQuery,
    WithClicks,
    link_href,
)
from app.clicks.stats import link_totals
from app.errors import Conflict, Forbidden
from app.links import creating, editing, finding, listing, moderating, removing, states
from app.links.codes import CodeTaken
from app.links.listing import Filters
from app.links.models import Link
from app.links.remembering import remembering
from app.links.removing import RestoreTooLate
from app.links.short_urls import place
from app.web import limits

blueprint = Blueprint(
    "v1_links",
    __name__,
    url_prefix="/links",
    description="One's links.",
    forms={LINKED_DATA: linked_data.told},
)

CODE = [
    {
        "in": "path",
        "name": "code",
        "required": True,
        "description": "The link's code.",
        "schema": {"type": "string", "pattern": CODE_PATTERN},
        "example": "spring",
    }
]
_THE_LINK = with_parameters(code="$response.body#/code", domain="$response.body#/domain")
_ITS_CALLS = dict.fromkeys(("get_link", "patch_link", "delete_link", "get_stats"), _THE_LINK)
_THE_DELETED = with_parameters(code="$request.path.code", domain="$request.query.domain")
LOCATION = {"Location": {"description": "The path of the new link.", "schema": {"type": "string"}}}


@blueprint.post("")
@scope("links:write")
@idempotent
@conditional
@raises(CodeTaken)
@leads(201, **_ITS_CALLS)
@remembering()
@blueprint.arguments(LinkCreate)
@blueprint.response(201, LinkOut, headers=LOCATION)
def create_link(fields: dict[str, Any]) -> tuple[Link, dict[str, str]]:
    """Make a link.

    Without `code` it gets a random one of 7 characters.
    """
    spend_create()
    code, domain = fields.pop("code"), fields.pop("domain")
    link = creating.create(current_principal().user_id, fields, code=code, domain=domain)
    return validated(link), location(link)


@blueprint.get("")
@scope("links:read")
@raises(Forbidden)
@blueprint.arguments(LinkListQuery, location="query")
@blueprint.also(200, LinkedList, LINKED_DATA)
@blueprint.response(200, LinkList, headers=pagination.PAGES)
def list_links(query: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """List one's links.

    Follow `_links.next` until there is none: the list neither repeats nor skips a link while others come and go.
    `_links.prev` leads back. With `fields`, `_links` of an item are shown only when they are named, `clicks` without
    `embed`.
    """
    if "q" in query:
        pagination.spend_search()
    filters = Filters(**{field.name: query.get(field.name) for field in fields_of(Filters)})
    chosen = query.get("chosen")
    embed = "clicks" in chosen if chosen else "embed" in query
    tagged = not chosen or "tags" in chosen
    found = listing.links(current_principal(), filters, query["sort"], with_tags=tagged)
    return pagination.answer(found, query, lambda links: _shown(links, "clicks" if embed else None))


@blueprint.get("/<code>", parameters=CODE)
@scope("links:read")
@conditional
@blueprint.arguments(LinkQuery, location="query")
@blueprint.also(200, LinkedLink, LINKED_DATA)
@blueprint.response(200, LinkOut)
def get_link(query: dict[str, Any], code: str) -> Link | WithClicks:
    """Read a link.

    One's own, for managers anybody's; else it is a 404, as a deleted one is.
    """
    link = finding.readable(current_principal(), place(code, query.get("domain")))
    return _shown([link], query["embed"])[0] if "embed" in query else validated(link)


@blueprint.put("/<code>", parameters=CODE)
@scope("links:write")
@conditional
@raises(CodeTaken, Conflict)
@leads(201, **_ITS_CALLS)
@remembering()
@blueprint.arguments(DomainQuery, location="query")
@blueprint.arguments(LinkReplace)
@blueprint.response(201, LinkOut, headers=LOCATION)
@blueprint.response(200, LinkOut)
def put_link(query: dict[str, Any], fields: dict[str, Any], code: str) -> tuple[Link, int, dict[str, str]]:
    """Replace a link, or make one with this code.

    What is absent gets its default. The read-only fields of a link are accepted and ignored, so that what GET
    showed can be changed and sent back. GET cannot show the password: where `password` is absent,
    `"has_password": true` keeps the one that is set; without either the link has none. `If-None-Match: *` makes a
    link and replaces none.
    """
    owner_id, at = current_principal().user_id, place(code, query.get("domain"))
    if not finding.exists(owner_id, at):
        spend_create()
    link, created = editing.put(owner_id, at, fields, precondition())
    return (validated(link), 201, location(link)) if created else (validated(link), 200, {})


@blueprint.patch("/<code>", parameters=CODE)
@scope("links:write")
@conditional
@raises(Conflict, Forbidden)
@remembering()
@blueprint.arguments(DomainQuery, location="query")
@blueprint.arguments(LinkPatch)
@blueprint.response(200, LinkOut)
def patch_link(query: dict[str, Any], changes: dict[str, Any], code: str) -> Link:
    """Change a link.

    A JSON merge patch (RFC 7396): what is absent stays, null clears, `tags` are replaced as a whole. Of links of
    others managers change `enabled` alone.
    """
    at = place(code, query.get("domain"))
    return validated(moderating.edit(current_principal(), at, changes, precondition()))


@blueprint.delete("/<code>", parameters=CODE)
@scope("links:write")
@conditional
@leads(204, restore_link=_THE_DELETED)
@blueprint.arguments(DomainQuery, location="query")
@blueprint.response(204)
def delete_link(query: dict[str, Any], code: str) -> None:
    """Delete a link.

    Its code stays taken. For 30 days, unless this service is set otherwise, it can be restored.
    """
    removing.remove(current_principal().user_id, place(code, query.get("domain")), precondition())


@blueprint.post("/<code>/restore", parameters=CODE)
@scope("links:write")
@conditional
@raises(RestoreTooLate)
@blueprint.arguments(DomainQuery, location="query")
@blueprint.response(200, LinkOut)
def restore_link(query: dict[str, Any], code: str) -> Link:
    """Restore a deleted link.

    `GET /links?status=deleted` lists what can be restored.
    """
    return validated(removing.restore(current_principal().user_id, place(code, query.get("domain"))))


def spend_create() -> None:
    """Take one from the caller's bucket for new links, whichever call makes them. Raises RateLimited."""
    limits.spend(limits.Bucket("create", "LIMIT_CREATE", current_principal().user))


def validated(link: Link) -> Link:
    """The link; its answer gets the validators of this state."""
    carry(link.version, states.changed_at(link, clock.now()), link_href(link))
    return link


def location(link: Link) -> dict[str, str]:
    """The header that says where a new link is."""
    return {"Location": link_href(link)}


def _shown(links: Sequence[Link], embed: str | None) -> list[Link | WithClicks]:
    """The links, each with its totals where they are to be embedded."""
    if embed is None:
        return list(links)
    totals = link_totals({link.id: link.owner_id for link in links})
    return [WithClicks(link, totals[link.id]) for link in links]
