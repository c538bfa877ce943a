"""Wire shapes of /domains."""

from typing import Any

from flask import url_for
from marshmallow import Schema, fields, pre_dump

from app.api.fields import Text
from app.api.pagination import Href, Items, PageHrefs, PageQuery, PageSchema, chosen_from
from app.links import short_urls
from app.links.models import DEFAULT_DOMAIN_ID, Domain


class DomainHrefs(Schema):
    """Where a domain is told of, and the caller's links there."""

    self = fields.Nested(Href, required=True)
    links = fields.Nested(Href, required=True)


class DomainOut(Schema):
    """A host that short links live on."""

    host = fields.String(required=True, metadata={"example": "go.example.net"})
    default = fields.Boolean(
        required=True, metadata={"description": "Where links live that name no domain.", "example": False}
    )
    _links = fields.Nested(DomainHrefs, required=True)

    @pre_dump
    def _shown(self, domain: Domain, **_kwargs: Any) -> dict[str, Any]:
        host = short_urls.host_of(domain)
        hrefs = {
            "self": {"href": domain_href(domain)},
            "links": {"href": url_for("v1_links.list_links", domain=host)},
        }
        return {"host": host, "default": domain.id == DEFAULT_DOMAIN_ID, "_links": hrefs}


class DomainItem(DomainOut):
    """A domain in a list; with `fields` those alone."""


class DomainList(Schema):
    """A page of domains."""

    items = Items(DomainItem)
    page = fields.Nested(PageSchema, required=True)
    _links = fields.Nested(PageHrefs, required=True)


class DomainListQuery(PageQuery):
    """Which page, and what of it."""

    chosen = chosen_from(DomainOut)


class DomainIn(Schema):
    """A new domain."""

    host = Text(
        253,
        least=1,
        required=True,
        metadata={"description": "Its DNS and certificate must lead here.", "example": "go.example.net"},
    )


def domain_href(domain: Domain) -> str:
    """The path of a domain's resource."""
    return url_for("v1_domains.get_domain", host=short_urls.host_of(domain))
