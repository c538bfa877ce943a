"""Wire shapes of statistics as files."""

from marshmallow import Schema, fields, validate

from app.api.fields import Time, TimeZone
from app.api.v1.schemas.links import DomainQuery
from app.api.v1.schemas.stats import PeriodQuery
from app.clicks.facets import DIMENSIONS

SERIES = "series"


class AccountExportQuery(PeriodQuery):
    """What to take away, and in which form."""

    of = fields.String(
        load_default=SERIES,
        validate=validate.OneOf([SERIES, *DIMENSIONS]),
        metadata={"description": "`series`, or all values of one list of `top`."},
    )
    format = fields.String(
        validate=validate.OneOf(["csv", "json"]),
        metadata={"description": "By default what `Accept` prefers, CSV where that is open."},
    )


class ExportQuery(DomainQuery, AccountExportQuery):
    """Of which link, what to take away, and in which form."""


class ExportOut(Schema):
    """The file as JSON. Of a list of `top` each item has `value` and `clicks`."""

    start = Time(data_key="from", required=True, metadata={"example": "2026-04-01T00:00:00.000Z"})
    end = Time(data_key="to", required=True, metadata={"example": "2026-05-01T00:00:00.000Z"})
    tz = TimeZone(required=True, metadata={"example": "Europe/Berlin"})
    of = fields.String(required=True, validate=validate.OneOf([SERIES, *DIMENSIONS]))
    items = fields.List(fields.Dict(keys=fields.String()), required=True)
