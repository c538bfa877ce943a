"""Wire shapes of /links."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar

from flask import url_for
from marshmallow import Schema, ValidationError, fields, post_load, pre_dump, validate, validates_schema

from app import clock
from app.api.fields import Flag, Text, Time, Whole
from app.api.pagination import PageQuery, PageSchema
from app.api.schema import Editable
from app.clicks.stats import Totals
from app.errors import ValidationFailed
from app.links import creating, listing, short_urls, tagging, writing
from app.links.models import DEFAULT_DOMAIN_ID, Link
from app.links.states import State, state_of
from app.links.targets import MAX_TARGET

CODE_PATTERN = "^[A-Za-z0-9_-]{1,64}$"
_REDIRECT_STATUSES = (301, 302, 307, 308)
_EARLIEST, _LATEST = 2000, 9998  # years; nearer to the end of the calendar a time zone leads out of it

# What the owner does not write. `clicks` is there with `?embed=clicks` only.
_READ_ONLY = frozenset(
    {"code", "domain", "short_url", "status", "owner", "created_at", "updated_at", "_links", "clicks"}
)
_DEFAULTS: dict[str, Any] = {
    "title": None,
    "notes": None,
    "tags": (),
    "redirect_status": 302,
    "forward_query": False,
    "enabled": True,
    "starts_at": None,
    "expires_at": None,
    "max_clicks": None,
}


class Label(Text):
    """Text without blanks around it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return super()._deserialize(value, attr, data, **kwargs).strip()


class RedirectStatus(Whole):
    """One of the statuses that lead a visitor on."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min(_REDIRECT_STATUSES), max(_REDIRECT_STATUSES), **kwargs)
        self.validators = [validate.OneOf(_REDIRECT_STATUSES)]


@contextmanager
def naming_fields() -> Iterator[None]:
    """Make a noun's refusal one of the schema's, so that one answer names all the fields that are wrong."""
    try:
        yield
    except ValidationFailed as refused:
        raise ValidationError({detail.field: [detail.message] for detail in refused.details}) from None


def target_field(**options: Any) -> fields.String:
    """The URL that a link leads to."""
    return fields.String(
        metadata={
            "description": f"http or https, at most {MAX_TARGET} bytes; kept in the spelling of browsers.",
            "format": "uri",
            "maxLength": MAX_TARGET,
            "example": "https://example.com/spring?ref=mail",
        },
        **options,
    )


def code_field(**options: Any) -> Text:
    """A code that the caller chooses."""
    description = "Letters, digits, `-` and `_`, told apart by case; by default 7 random characters."
    metadata = {"pattern": CODE_PATTERN, "description": description, "example": "spring"}
    return Text(64, least=1, allow_none=True, load_default=None, metadata=metadata, **options)


def _in_calendar(time: datetime) -> None:
    if not _EARLIEST <= time.year <= _LATEST:
        raise ValidationError(f"Must lie in the years {_EARLIEST} to {_LATEST}.")


class LinkFields(Editable):
    """What an owner writes into a link."""

    url = target_field()
    title = Text(255, allow_none=True, metadata={"example": "Spring sale"})
    notes = Text(5000, multiline=True, allow_none=True, metadata={"example": "For April's newsletter."})
    tags = fields.List(
        Label(50, least=1),
        allow_none=True,
        validate=validate.Length(max=20),
        metadata={"description": "A set, in no order; null: none.", "example": ["mail", "sale"]},
    )
    redirect_status = RedirectStatus(
        metadata={"description": "Browsers keep a 301 or 308 for good: later changes and clicks go unseen."}
    )
    forward_query = Flag(metadata={"description": "Whether the visitor's query goes on to the target."})
    enabled = Flag(metadata={"description": "Whether visitors are let through."})
    starts_at = Time(
        allow_none=True, validate=_in_calendar, metadata={"description": "null: at once.", "example": None}
    )
    expires_at = Time(
        allow_none=True,
        validate=_in_calendar,
        metadata={
            "description": "In the future, after `starts_at`; null: never.",
            "example": "2099-05-01T00:00:00Z",
        },
    )
    max_clicks = Whole(
        1,
        2**31 - 1,
        allow_none=True,
        metadata={
            "description": "How many visits lead to the target, in all; null: no limit, and the count begins anew.",
            "example": None,
        },
    )
    password = Text(
        128,
        least=1,
        allow_none=True,
        load_only=True,
        metadata={
            "description": "What visitors must know; never shown. null: none.",
            "format": "password",
            "example": None,
        },
    )

    @validates_schema(skip_on_field_errors=False)
    def _check(self, data: dict[str, Any], **_kwargs: Any) -> None:
        with naming_fields():
            self.check(data)

    def check(self, data: dict[str, Any]) -> None:
        """The noun's rules for what is well-formed in the body. Raises ValidationFailed."""
        writing.check_target(data)


class LinkPatch(LinkFields):
    """Changes to a link (RFC 7396): what is absent stays, null clears."""

    READ_ONLY = _READ_ONLY | {"has_password"}


class WholeLink(LinkFields):
    """All that an owner writes into a link: absent means default."""

    def on_bind_field(self, field_name: str, field_obj: Any) -> None:
        if field_name in _DEFAULTS:
            field_obj.load_default = _DEFAULTS[field_name]
        field_obj.required = field_name == "url"


class LinkCreate(WholeLink):
    """A new link."""

    code = code_field()
    domain = Text(
        259,
        least=1,
        allow_none=True,
        load_default=None,
        metadata={"description": "One of this service's hosts; by default its first.", "example": None},
    )

    def check(self, data: dict[str, Any]) -> None:
        creating.check(data, code=data.get("code"), domain=data.get("domain"))


class LinkReplace(WholeLink):
    """What a link shall be. Its read-only fields may be there, and are ignored; so GET, change, PUT works."""

    READ_ONLY: ClassVar[frozenset[str]] = _READ_ONLY

    has_password = Flag(
        load_default=False,
        load_only=True,
        metadata={"description": "true keeps the password that is set, where `password` is absent."},
    )

    @post_load
    def _keep_or_clear(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """GET cannot show the password. Sending back what it showed must not take the protection away."""
        if not data.pop("has_password"):
            data.setdefault("password", None)
        return data


class Href(Schema):
    """Where something is."""

    href = fields.String(required=True, metadata={"format": "uri-reference"})


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
    """A link, dumped from a `Link`, or from one and the totals to embed."""

    code = fields.String(required=True, metadata={"example": "spring"})
    domain = fields.String(required=True, metadata={"example": "go.example.org"})
    short_url = fields.String(required=True, metadata={"example": "https://go.example.org/s/spring", "format": "uri"})
    url = fields.String(required=True, metadata={"example": "https://example.com/spring?ref=mail"})
    title = fields.String(required=True, allow_none=True, metadata={"example": "Spring sale"})
    notes = fields.String(required=True, allow_none=True, metadata={"example": "For April's newsletter."})
    tags = fields.List(fields.String(), required=True, metadata={"example": ["mail", "sale"]})
    redirect_status = fields.Integer(required=True, metadata={"enum": list(_REDIRECT_STATUSES), "example": 302})
    forward_query = fields.Boolean(required=True, metadata={"example": False})
    enabled = fields.Boolean(required=True, metadata={"example": True})
    starts_at = Time(required=True, allow_none=True, metadata={"example": None})
    expires_at = Time(required=True, allow_none=True, metadata={"example": "2099-05-01T00:00:00.000Z"})
    max_clicks = fields.Integer(required=True, allow_none=True, metadata={"example": None})
    has_password = fields.Boolean(required=True, metadata={"example": False})
    status = fields.Enum(State, by_value=True, required=True, metadata={"example": "active"})
    owner = fields.String(required=True, metadata={"example": "usr_4kTbW0yZpQ2mN8vXc1LrDs"})
    created_at = Time(required=True, metadata={"example": "2026-04-01T09:30:00.000Z"})
    updated_at = Time(required=True, metadata={"example": "2026-04-01T09:30:00.000Z"})
    clicks = fields.Nested(ClicksOut, metadata={"description": "Only with `embed=clicks`."})
    _links = fields.Nested(LinkHrefs, required=True)

    @pre_dump
    def _flat(self, shown: Link | tuple[Link, Totals], **_kwargs: Any) -> dict[str, Any]:
        return _representation(*shown) if isinstance(shown, tuple) else _representation(shown)


class LinkList(Schema):
    """A page of links."""

    items = fields.List(fields.Nested(LinkOut), required=True)
    page = fields.Nested(PageSchema, required=True)
    _links = fields.Dict(
        keys=fields.String(), values=fields.Nested(Href), required=True, metadata={"description": "self, next"}
    )


class DomainQuery(Schema):
    """Which of several links with one code is meant."""

    domain = Text(
        259,
        least=1,
        load_default=None,
        metadata={"description": "The link's `domain`; by default the service's first."},
    )


class LinkQuery(DomainQuery):
    """How one link is shown."""

    embed = fields.String(
        load_default=None,
        validate=validate.OneOf(["clicks"]),
        metadata={"description": "What to add to each link."},
    )


class LinkListQuery(PageQuery):
    """Which links, in which order."""

    q = Text(100, least=1, load_default=None, metadata={"description": "A part of code, title or URL, in any case."})
    tag = Label(50, least=1, load_default=None, metadata={"description": "Links with this tag."})
    status = fields.Enum(
        State,
        by_value=True,
        load_default=None,
        metadata={"description": "Links in this state; `deleted`: those that can be restored."},
    )
    domain = Text(259, least=1, load_default=None, metadata={"description": "Links on this host."})
    created_from = Time(load_default=None, metadata={"description": "Made then or later."})
    created_to = Time(load_default=None, metadata={"description": "Made before."})
    owner = Text(
        40,
        least=1,
        load_default=None,
        metadata={"description": "For managers: a user's id, or `all`. By default one's own links."},
    )
    sort = fields.String(
        load_default="-created_at",
        validate=validate.OneOf(listing.SORTS),
        metadata={"description": "By what; `-`: from the last to the first."},
    )
    embed = fields.String(
        load_default=None,
        validate=validate.OneOf(["clicks"]),
        metadata={"description": "What to add to each link."},
    )


def link_href(link: Link, endpoint: str = "v1_links.get_link") -> str:
    """The path of a link's resource; its domain is named where it is not the default one."""
    domain = None if link.domain_id == DEFAULT_DOMAIN_ID else short_urls.host_of(link.domain)
    return url_for(endpoint, code=link.code, domain=domain)


def _representation(link: Link, totals: Totals | None = None) -> dict[str, Any]:
    state = state_of(link, clock.now())
    shown = {name: getattr(link, name) for name in LinkFields().fields if name not in ("tags", "password")}
    shown |= {
        "code": link.code,
        "domain": short_urls.host_of(link.domain),
        "short_url": short_urls.short_url(link),
        "tags": tagging.names(link),
        "has_password": link.password_hash is not None,
        "status": state,
        "owner": link.owner.public_id,
        "created_at": link.created_at,
        "updated_at": link.updated_at,
        "_links": _hrefs(link, state),
    }
    return shown if totals is None else {**shown, "clicks": totals}


def _hrefs(link: Link, state: State) -> dict[str, dict[str, str]]:
    """Only what answers: a deleted link is nowhere to be read but in the list of deleted ones."""
    if link.deleted_at is not None:
        return {"self": {"href": url_for("v1_links.list_links", status=State.DELETED.value)}}
    links = {"self": link_href(link), "stats": link_href(link, "v1_stats.get_stats")}
    if state is State.ACTIVE:
        links["short"] = short_urls.short_url(link)
    return {name: {"href": href} for name, href in links.items()}
