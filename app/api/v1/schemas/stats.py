"""Wire shapes of statistics."""

from datetime import UTC

from marshmallow import Schema, fields, validate

from app.api.fields import QueryWhole, Shown, Time, TimeZone
from app.api.pagination import Href
from app.api.v1.schemas.links import DomainQuery
from app.clicks.periods import INTERVALS, MAX_BUCKETS
from app.clicks.stats import MOST_TOP, TOP


class PeriodQuery(Schema):
    """Which time, and how finely."""

    start = Time(
        data_key="from",
        metadata={
            "description": "The beginning, by default 30 days before `to`; "
            "the quarter of an hour that it lies in counts as a whole."
        },
    )
    end = Time(
        data_key="to",
        metadata={
            "description": "The end, by default now; the quarter of an hour it cuts counts as a whole."
        },
    )
    interval = fields.String(
        load_default="day",
        validate=validate.OneOf(INTERVALS),
        metadata={"description": f"The steps of `series`, at most {MAX_BUCKETS:,}; weeks begin on Monday."},
    )
    tz = TimeZone(
        load_default=UTC,
        metadata={
            "description": "The IANA time zone whose hours, days, weeks and months the steps are. "
            "A day has 23 or 25 hours where clocks change.",
            "example": "Europe/Berlin",
        },
    )


class AccountStatsQuery(PeriodQuery):
    """Which time, how finely, and how much."""

    top = QueryWhole(
        1, MOST_TOP, load_default=TOP, metadata={"description": "The most values of each list of `top`."}
    )
    compare = fields.String(
        validate=validate.OneOf(["previous"]),
        metadata={
            "description": "`previous` adds the period just before: as many days or months where the range is made "
            "of whole ones in `tz`, else one of the same length."
        },
    )


class StatsQuery(DomainQuery, AccountStatsQuery):
    """Of which link, which time, how finely, and how much."""


class CountsOut(Schema):
    """Clicks = humans + bots; prefetches are neither."""

    clicks = fields.Integer(required=True, metadata={"example": 12})
    humans = fields.Integer(required=True, metadata={"example": 9})
    bots = fields.Integer(required=True, metadata={"example": 3})
    uniques = fields.Integer(
        required=True,
        metadata={
            "description": "First clicks of human visitors on a link in a UTC day; longer times add the days up.",
            "example": 7,
        },
    )


class BucketOut(Schema):
    """The clicks from `start` to the next bucket."""

    start = Time(required=True, metadata={"example": "2026-04-01T22:00:00.000Z"})
    local_start = fields.String(
        required=True,
        metadata={
            "description": "`start` by the clock of `tz`.",
            "format": "date-time",
            "example": "2026-04-02T00:00:00+02:00",
        },
    )
    humans = fields.Integer(required=True, metadata={"example": 9})
    bots = fields.Integer(required=True, metadata={"example": 3})
    uniques = fields.Integer(required=True, metadata={"example": 7})


class EntryOut(Schema):
    """A value, and how many humans came with it."""

    value = fields.String(
        required=True, metadata={"description": "Empty: none, or not known.", "example": "DE"}
    )
    clicks = fields.Integer(required=True, metadata={"example": 7})


class TopOut(Schema):
    """The most frequent values, the first the most frequent, of every UTC day that the range touches."""

    referrers = fields.List(fields.Nested(EntryOut), required=True, metadata={"maxItems": MOST_TOP})
    countries = fields.List(fields.Nested(EntryOut), required=True, metadata={"maxItems": MOST_TOP})
    browsers = fields.List(fields.Nested(EntryOut), required=True, metadata={"maxItems": MOST_TOP})
    os = fields.List(fields.Nested(EntryOut), required=True, metadata={"maxItems": MOST_TOP})
    devices = fields.List(fields.Nested(EntryOut), required=True, metadata={"maxItems": MOST_TOP})


class ChangeOut(Schema):
    """By which part of `previous.totals` each count has changed: 0.5 is half as many again; null where there was
    nothing."""

    clicks = fields.Float(required=True, allow_none=True, metadata={"example": 0.5})
    humans = fields.Float(required=True, allow_none=True, metadata={"example": 0.5})
    bots = fields.Float(required=True, allow_none=True, metadata={"example": None})
    uniques = fields.Float(required=True, allow_none=True, metadata={"example": -0.125})


class PreviousOut(Schema):
    """The period just before."""

    start = Time(data_key="from", required=True, metadata={"example": "2026-03-01T00:00:00.000Z"})
    end = Time(data_key="to", required=True, metadata={"example": "2026-04-01T00:00:00.000Z"})
    totals = fields.Nested(CountsOut, required=True)
    change = fields.Nested(ChangeOut, required=True)


class AccountStatsHrefs(Schema):
    """Where this is, and where all of it is to be had as a file."""

    self = fields.Nested(Href, required=True)
    export = fields.Nested(Href, required=True)


class StatsHrefs(AccountStatsHrefs):
    """Where this is, what it is about, and where there is more."""

    link = fields.Nested(Href, required=True)
    clicks = fields.Nested(Href, required=True)


class AccountStatsOut(Schema):
    """Who followed the links of an account, and when."""

    start = Time(data_key="from", required=True, metadata={"example": "2026-04-01T00:00:00.000Z"})
    end = Time(data_key="to", required=True, metadata={"example": "2026-05-01T00:00:00.000Z"})
    interval = fields.String(required=True, validate=validate.OneOf(INTERVALS))
    tz = TimeZone(required=True, metadata={"example": "Europe/Berlin"})
    totals = fields.Nested(CountsOut, required=True)
    series = Shown(fields.Nested(BucketOut), required=True)
    previous = fields.Nested(PreviousOut, metadata={"description": "Only with `compare=previous`."})
    top = fields.Nested(TopOut, required=True)
    links = fields.Nested(AccountStatsHrefs, data_key="_links", required=True)


class StatsOut(AccountStatsOut):
    """Who followed a link, and when."""

    links = fields.Nested(StatsHrefs, data_key="_links", required=True)
