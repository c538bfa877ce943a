"""/links/{code}/stats/export and /stats/export: statistics as a file, each list whole."""

from collections.abc import Generator
from contextlib import closing
from typing import Any

from flask import Response, request

from app.api import files, negotiation
from app.api.access import current_principal, scope
from app.api.blueprint import Blueprint
from app.api.fields import rfc3339
from app.api.v1.links import CODE
from app.api.v1.schemas.exports import SERIES, AccountExportQuery, ExportOut, ExportQuery
from app.audit import trail
from app.clicks import facets, periods, subjects
from app.clicks.periods import Period
from app.clicks.stats import series
from app.clicks.subjects import Subject
from app.links import finding, naming
from app.links.short_urls import place
from app.web.accept import JSON

blueprint = Blueprint("v1_exports", __name__, url_prefix="", description="Statistics as files.")

SERIES_COLUMNS = ("start", "local_start", "clicks", "humans", "bots", "uniques")
FACET_COLUMNS = ("value", "clicks")
FILE = {"Content-Disposition": {"description": "The file's name.", "schema": {"type": "string"}}}
CSV = "text/csv"
FORMATS = {"csv": CSV, "json": JSON}
CSV_EXAMPLE = "value,clicks\r\nexample.org,7\r\n"


@blueprint.get("/links/<code>/stats/export", parameters=CODE)
@scope("stats:read")
@blueprint.arguments(ExportQuery, location="query")
@blueprint.response(200, ExportOut, content_type=JSON, headers=FILE)
@blueprint.response(200, content_type=CSV, example=CSV_EXAMPLE)
def export_stats(query: dict[str, Any], code: str) -> Response:
    """Download a link's statistics.

    The series, or every value of one list, not only its top. In CSV text that a spreadsheet would take for a formula
    has a `'` before it.
    """
    link = finding.readable(current_principal(), place(code, query.get("domain")), with_tags=False)
    _record(naming.subject(link), query)
    return _file(link.code, subjects.of_link(link.id, link.owner_id), query)


@blueprint.get("/stats/export")
@scope("stats:read")
@blueprint.arguments(AccountExportQuery, location="query")
@blueprint.response(200, ExportOut, content_type=JSON, headers=FILE)
@blueprint.response(200, content_type=CSV, example=CSV_EXAMPLE)
def export_account_stats(query: dict[str, Any]) -> Response:
    """Download the statistics of all of one's links.

    As of one link; links that were deleted since count too.
    """
    principal = current_principal()
    _record(principal.user, query)
    return _file("all-links", subjects.of_account(principal.user_id), query)


def _record(subject: str, query: dict[str, Any]) -> None:
    """Before the file is made; HEAD takes nothing away."""
    if request.method == "GET":
        owner = current_principal().user
        trail.record_apart(trail.event("stats.exported", subject, owner, after={"of": query["of"]}))


def _file(whose: str, subject: Subject, query: dict[str, Any]) -> Response:
    kind = negotiation.choose((FORMATS[query["format"]],)) if "format" in query else negotiation.chosen()
    of, period = query["of"], periods.period(query.get("start"), query.get("end"))
    columns = SERIES_COLUMNS if of == SERIES else FACET_COLUMNS
    name = f"slugline-{whose}-{of}-{period.start:%Y%m%d}-{period.end:%Y%m%d}"
    head = {"from": rfc3339(period.start), "to": rfc3339(period.end), "tz": str(query["tz"]), "of": of}
    found = _series(subject, period, query) if of == SERIES else _facet(subject, period, of)
    with closing(found) as rows:
        if kind == CSV:
            return files.csv_file(name, columns, rows)
        return files.json_file(name, head, columns, rows)


def _series(subject: Subject, period: Period, query: dict[str, Any]) -> Generator[files.Row]:
    zone = query["tz"]
    for bucket in series(subject, period, query["interval"], zone):
        counts = bucket.counts
        local = bucket.start.astimezone(zone).isoformat()
        yield rfc3339(bucket.start), local, counts.clicks, counts.humans, counts.bots, counts.uniques


def _facet(subject: Subject, period: Period, of: str) -> Generator[files.Row]:
    with closing(facets.every(subject, period, of)) as entries:
        for entry in entries:
            yield entry.value, entry.clicks
