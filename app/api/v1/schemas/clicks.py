"""Wire shapes of raw clicks."""

from marshmallow import Schema, fields

from app.api.fields import Time
from app.api.pagination import Items, PageHrefs, PageQuery, PageSchema, chosen_from
from app.api.v1.schemas.links import DomainQuery


class ClickOut(Schema):
    """A visit that was answered with a redirect. What is not known is empty; of a visitor who asked not to be
    tracked (Sec-GPC, DNT) nothing is kept but the time."""

    at = Time(required=True, metadata={"example": "2026-04-01T09:30:00.000Z"})
    bot = fields.Boolean(required=True, metadata={"example": False})
    country = fields.String(required=True, metadata={"example": "DE"})
    browser = fields.String(required=True, metadata={"example": "Firefox"})
    os = fields.String(required=True, metadata={"example": "Linux"})
    device = fields.String(required=True, metadata={"example": "desktop"})
    referrer = fields.String(
        required=True, metadata={"description": "The host alone.", "example": "example.org"}
    )
    query = fields.String(
        required=True, metadata={"description": "Of the visited short URL.", "example": "ref=mail"}
    )
    address = fields.String(
        required=True, metadata={"description": "The network alone.", "example": "193.99.144.0/24"}
    )


class ClickList(Schema):
    """A page of clicks, newest first."""

    items = Items(ClickOut)
    page = fields.Nested(PageSchema, required=True)
    _links = fields.Nested(PageHrefs, required=True)


class ClickListQuery(PageQuery, DomainQuery):
    """Of which link, and which time."""

    start = Time(data_key="from", metadata={"description": "Clicks at this time or later."})
    end = Time(data_key="to", metadata={"description": "Clicks before this time."})
    chosen = chosen_from(ClickOut)
