"""/links/{code}/stats and /stats: who followed a link, or all of one's links, and when."""

from datetime import tzinfo
from typing import Any

from flask import request, url_for

from app.api.access import current_principal, scope
from app.api.blueprint import Blueprint
from app.api.conditional import carry, conditional
from app.api.fields import rfc3339
from app.api.v1.links import CODE
from app.api.v1.schemas.links import link_href
from app.api.v1.schemas.stats import AccountStatsOut, AccountStatsQuery, StatsOut, StatsQuery
from app.clicks import periods, subjects
from app.clicks.stats import Bucket, Comparison, stats
from app.clicks.subjects import Subject
from app.links import finding
from app.links.short_urls import place

_NO_VERSION = 0  # nobody writes statistics through the API, so there is no If-Match to hold to one

blueprint = Blueprint(
    "v1_stats", __name__, url_prefix="", description="Statistics, and the clicks behind them."
)


@blueprint.get("/links/<code>/stats", parameters=CODE)
@scope("stats:read")
@conditional
@blueprint.arguments(StatsQuery, location="query")
@blueprint.response(200, StatsOut)
def get_stats(query: dict[str, Any], code: str) -> dict[str, Any]:
    """Read a link's statistics.

    A click shows here within two seconds. Times count in whole quarters of an hour, `top` in whole UTC days.
    """
    link = finding.readable(current_principal(), place(code, query.get("domain")), with_tags=False)
    links = {
        "link": link_href(link),
        "clicks": link_href(link, "v1_clicks.list_clicks"),
        "export": link_href(link, "v1_exports.export_stats"),
    }
    return _answer(subjects.of_link(link.id, link.owner_id), query, links)


@blueprint.get("/stats")
@scope("stats:read")
@conditional
@blueprint.arguments(AccountStatsQuery, location="query")
@blueprint.response(200, AccountStatsOut)
def get_account_stats(query: dict[str, Any]) -> dict[str, Any]:
    """Read the statistics of all of one's links.

    Links that were deleted since count too. A visitor of two links in one day is two uniques.
    """
    links = {"export": url_for("v1_exports.export_account_stats")}
    return _answer(subjects.of_account(current_principal().user_id), query, links)


def _answer(subject: Subject, query: dict[str, Any], links: dict[str, str]) -> dict[str, Any]:
    period = periods.period(query.get("start"), query.get("end"))
    interval, zone = query["interval"], query["tz"]
    found = stats(subject, period, interval, zone, top=query["top"], compare="compare" in query)
    hrefs = {"self": request.full_path.rstrip("?"), **links}
    carry(_NO_VERSION, None, hrefs["self"])
    return {
        "start": period.start,
        "end": period.end,
        "interval": interval,
        "tz": zone,
        "totals": found.totals,
        "series": [_shown(bucket, zone) for bucket in found.series],
        **({"previous": _previous(found.previous)} if found.previous else {}),
        "top": found.top,
        "links": {name: {"href": href} for name, href in hrefs.items()},
    }


def _shown(bucket: Bucket, zone: tzinfo) -> dict[str, Any]:
    return {
        "start": rfc3339(bucket.start),
        "local_start": bucket.start.astimezone(zone).isoformat(),
        "humans": bucket.counts.humans,
        "bots": bucket.counts.bots,
        "uniques": bucket.counts.uniques,
    }


def _previous(comparison: Comparison) -> dict[str, Any]:
    return {
        "start": comparison.period.start,
        "end": comparison.period.end,
        "totals": comparison.totals,
        "change": comparison.change,
    }
