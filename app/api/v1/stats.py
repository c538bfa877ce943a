"""/links/{code}/stats: who followed a link, and when."""

from dataclasses import fields
from typing import Any

from flask import request

from app.api.access import current_principal, signed_in
from app.api.blueprint import Blueprint
from app.api.v1.links import CODE
from app.api.v1.schemas.links import link_href
from app.api.v1.schemas.stats import StatsOut, StatsQuery
from app.clicks.stats import stats
from app.links import finding
from app.links.short_urls import place

blueprint = Blueprint("v1_stats", __name__, url_prefix="/links", description="Statistics.")


@blueprint.get("/<code>/stats", parameters=CODE)
@signed_in
@blueprint.arguments(StatsQuery, location="query")
@blueprint.response(200, StatsOut)
def get_stats(query: dict[str, Any], code: str) -> dict[str, Any]:
    """Read a link's statistics.

    A click shows here within two seconds. Times count in whole UTC hours, `top` in whole UTC days.
    """
    link = finding.own(current_principal().user_id, place(code, query.get("domain")))
    found = stats(link.id, query.get("start"), query.get("end"), query["interval"])
    links = {"self": {"href": request.full_path.rstrip("?")}, "link": {"href": link_href(link)}}
    return {**{field.name: getattr(found, field.name) for field in fields(found)}, "links": links}
