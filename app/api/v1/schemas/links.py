"""Wire shapes of links on their way out, and the parameters that choose them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from flask import url_for
from marshmallow import Schema, fields, pre_dump, validate

from app import clock
from app.api.fields import ShownObject, Sort, Text, Time
from app.api.pagination import Href, Items, PageHrefs, PageQuery, PageSchema, chosen_from
from app.api.v1.schemas.link_input import REDIRECT_STATUSES, Label
from app.clicks.stats import Totals
from app.links import listing, short_urls, tagging
from app.links.models import DEFAULT_DOMAIN_ID, Link
from app.links.states import State, state_of


@dataclass(frozen=True)
class WithClicks:
    """A link and the totals to embed in it."""

    link: Link
    clicks: Totals


class LinkHrefs(Schema):
    """What the owner can follow now: `short` is there while the link is active."""

    self = fields.Nested(Href, required=True)
    stats = fields.Nested(Href)
    short = fields.Nested(Href)


class ClicksOut(Schema):
    """All clicks since the link was made; total = humans + bots."""

    total = fields.Integer(required=True, metadata={"example": 12})
    humans = fields.Integer(required=True, metadata={"example": 9})
    bots = fields.Integer(required=True, metadata={"example": 3})
    last_at = Time(required=True, allow_none=True)


class LinkOut(Schema):
    """A link."""

    code = fields.String(required=True, metadata={"example": "spring"})
    domain = fields.String(required=True, metadata={"example": "go.example.org"})
    short_url = fields.String(
        required=True, metadata={"example": "https://go.example.org/s/spring", "format": "uri"}
    )
    url = fields.String(required=True, metadata={"example": "https://example.com/spring?ref=mail"})
    title = fields.String(required=True, allow_none=True, metadata={"example": "Spring sale"})
    notes = fields.String(required=True, allow_none=True, metadata={"example": "For April's newsletter."})
    tags = fields.List(fields.String(), required=True, metadata={"example": ["mail", "sale"]})
    redirect_status = fields.Integer(
        required=True, metadata={"enum": list(REDIRECT_STATUSES), "example": 302}
    )
    forward_query = fields.Boolean(required=True, metadata={"example": False})
    enabled = fields.Boolean(required=True, metadata={"example": True})
    starts_at = Time(required=True, allow_none=True, metadata={"example": None})
    expires_at = Time(required=True, allow_none=True, metadata={"example": "2099-05-01T00:00:00.000Z"})
    max_clicks = fields.Integer(required=True, allow_none=True, metadata={"example": None})
    has_password = fields.Boolean(required=True, metadata={"example": False})
    status = fields.Enum(State, by_value=fields.String, required=True, metadata={"example": "active"})
    blocked_reason = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Why managers blocked the link; null: it is not blocked.", "example": None},
    )
    owner = fields.String(required=True, metadata={"example": "usr_4kTbW0yZpQ2mN8vXc1LrDs"})
    created_at = Time(required=True, metadata={"example": "2026-04-01T09:30:00.000Z"})
    updated_at = Time(required=True, metadata={"example": "2026-04-01T09:30:00.000Z"})
    clicks = fields.Nested(ClicksOut, metadata={"description": "Only with `embed=clicks`."})
    _links = ShownObject(LinkHrefs, required=True)

    @pre_dump
    def _flat(self, shown: "Link | WithClicks", **_kwargs: Any) -> dict[str, Any]:
        if isinstance(shown, WithClicks):
            return {**_representation(shown.link, self.fields), "clicks": shown.clicks}
        return _representation(shown, self.fields)


class LinkItem(LinkOut):
    """A link in a list; with `fields` those alone."""


class LinkList(Schema):
    """A page of links."""

    items = Items(LinkItem)
    page = fields.Nested(PageSchema, required=True)
    _links = fields.Nested(PageHrefs, required=True)


class DomainQuery(Schema):
    """Which of several links with one code is meant."""

    domain = Text(
        259,
        least=1,
        metadata={"description": "The link's `domain`; by default the service's first."},
    )


class LinkQuery(DomainQuery):
    """How one link is shown."""

    embed = fields.String(
        validate=validate.OneOf(["clicks"]),
        metadata={"description": "What to add to each link."},
    )


class LinkListQuery(PageQuery):
    """Which links, in which order."""

    q = Text(
        100,
        least=1,
        metadata={"description": "A part of code, title or URL, in any case."},
    )
    tag = Label(50, least=1, metadata={"description": "Links with this tag."})
    status = fields.Enum(
        State,
        by_value=fields.String,
        metadata={"description": "Links in this state; `deleted`: those that can be restored."},
    )
    domain = Text(259, least=1, metadata={"description": "Links on this host."})
    created_from = Time(metadata={"description": "Made then or later."})
    created_to = Time(metadata={"description": "Made before."})
    owner = Text(
        40,
        least=1,
        metadata={"description": "For managers: a user's id, or `all`. By default one's own links."},
    )
    sort = Sort(
        listing.SORTS,
        load_default=["-created_at"],
        metadata={
            "default": ["-created_at"],
            "description": "By what, the first counting most; `-`: from the last to the first. Each once: "
            "`-created_at,code`. Text in the order of its code points, no title as an empty one.",
        },
    )
    chosen = chosen_from(LinkOut)
    embed = fields.String(
        validate=validate.OneOf(["clicks"]),
        metadata={"description": "What to add to each link."},
    )


def link_href(link: Link, endpoint: str = "v1_links.get_link") -> str:
    """The path of a link's resource; its domain is named where it is not the default one."""
    domain = None if link.domain_id == DEFAULT_DOMAIN_ID else short_urls.host_of(link.domain)
    return url_for(endpoint, code=link.code, domain=domain)


def _representation(link: Link, names: Iterable[str]) -> dict[str, Any]:
    """The fields of these names; what is not asked for is not worked out. `clicks` are not the link's own."""
    return {
        name: _COMPUTED[name](link) if name in _COMPUTED else getattr(link, name)
        for name in names
        if name != "clicks"
    }


def _state(link: Link) -> State:
    return state_of(link, clock.now())


def _hrefs(link: Link) -> dict[str, dict[str, str]]:
    """Only what answers: a deleted link is nowhere to be read but in the list of deleted ones."""
    if link.deleted_at is not None:
        return {"self": {"href": url_for("v1_links.list_links", status=State.DELETED.value)}}
    links = {"self": link_href(link), "stats": link_href(link, "v1_stats.get_stats")}
    if _state(link) is State.ACTIVE:
        links["short"] = short_urls.short_url(link)
    return {name: {"href": href} for name, href in links.items()}


# What a link's row does not say as it stands.
_COMPUTED: dict[str, Callable[[Link], Any]] = {
    "domain": lambda link: short_urls.host_of(link.domain),
    "short_url": short_urls.short_url,
    "tags": tagging.names,
    "has_password": lambda link: link.password_hash is not None,
    "status": _state,
    "owner": lambda link: link.owner.public_id,
    "_links": _hrefs,
}
