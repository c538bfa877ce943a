"""/links/{code}/clicks: the raw clicks of a link."""

from typing import Any

from app.api import pagination
from app.api.access import current_principal, scope
from app.api.blueprint import Blueprint
from app.api.v1.links import CODE
from app.api.v1.schemas.clicks import ClickList, ClickListQuery
from app.clicks import history
from app.links import finding
from app.links.short_urls import place

blueprint = Blueprint("v1_clicks", __name__, url_prefix="/links", description="The clicks one by one.")


@blueprint.get("/<code>/clicks", parameters=CODE)
@scope("stats:read")
@blueprint.arguments(ClickListQuery, location="query")
@blueprint.response(200, ClickList, headers=pagination.PAGES)
def list_clicks(query: dict[str, Any], code: str) -> tuple[dict[str, Any], dict[str, str]]:
    """List a link's clicks.

    Newest first, for as long as this service keeps them one by one; statistics stay. Follow `_links.next` until there
    is none.
    """
    link = finding.own(current_principal().user_id, place(code, query.get("domain")), with_tags=False)
    clicks = history.clicks(link.id, query.get("start"), query.get("end"))
    return pagination.answer(clicks, query)
