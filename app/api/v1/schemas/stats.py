"""Wire shapes of a link's statistics."""

from marshmallow import Schema, fields, validate

from app.api.fields import Time
from app.api.pagination import Href
from app.api.v1.schemas.links import DomainQuery
from app.clicks.stats import INTERVALS, MAX_BUCKETS, TOP


class StatsQuery(DomainQuery):
    """Which time, and how finely."""

    start = Time(
        data_key="from",
        metadata={
            "description": "The beginning, by default 30 days before `to`; its UTC hour counts as a whole."
        },
    )
    end = Time(
        data_key="to",
        metadata={"description": "The end, by default now; the UTC hour it cuts counts as a whole."},
    )
    interval = fields.String(
        load_default="day",
        validate=validate.OneOf(INTERVALS),
        metadata={
            "description": f"The steps of `series`, in UTC, at most {MAX_BUCKETS:,}; weeks begin on Monday."
        },
    )


class CountsOut(Schema):
    """Clicks = humans + bots; prefetches are neither."""

    clicks = fields.Integer(required=True, metadata={"example": 12})
    humans = fields.Integer(required=True, metadata={"example": 9})
    bots = fields.Integer(required=True, metadata={"example": 3})


class BucketOut(Schema):
    """The clicks from `start` to the next bucket."""

    start = Time(required=True, metadata={"example": "2026-04-01T00:00:00.000Z"})
    humans = fields.Integer(required=True, metadata={"example": 9})
    bots = fields.Integer(required=True, metadata={"example": 3})


class EntryOut(Schema):
    """A value, and how many humans came with it."""

    value = fields.String(
        required=True, metadata={"description": "Empty: none, or not known.", "example": "DE"}
    )
    clicks = fields.Integer(required=True, metadata={"example": 7})


class TopOut(Schema):
    """The most frequent values, the first the most frequent; whole UTC days."""

    referrers = fields.List(fields.Nested(EntryOut), required=True, metadata={"maxItems": TOP})
    countries = fields.List(fields.Nested(EntryOut), required=True, metadata={"maxItems": TOP})
    browsers = fields.List(fields.Nested(EntryOut), required=True, metadata={"maxItems": TOP})
    os = fields.List(fields.Nested(EntryOut), required=True, metadata={"maxItems": TOP})
    devices = fields.List(fields.Nested(EntryOut), required=True, metadata={"maxItems": TOP})


class StatsHrefs(Schema):
    """Where this is, and what it is about."""

    self = fields.Nested(Href, required=True)
    link = fields.Nested(Href, required=True)


class StatsOut(Schema):
    """Who followed a link, and when."""

    start = Time(data_key="from", required=True, metadata={"example": "2026-04-01T00:00:00.000Z"})
    end = Time(data_key="to", required=True, metadata={"example": "2026-05-01T00:00:00.000Z"})
    interval = fields.String(required=True, validate=validate.OneOf(INTERVALS))
    totals = fields.Nested(CountsOut, required=True)
    series = fields.List(fields.Nested(BucketOut), required=True)
    top = fields.Nested(TopOut, required=True)
    links = fields.Nested(StatsHrefs, data_key="_links", required=True)
