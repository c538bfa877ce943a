"""/shorten: the short way to a short URL."""

from typing import Any

from app.api.access import current_principal, scope
from app.api.blueprint import Blueprint, raises
from app.api.idempotency import idempotent
from app.api.leading import leads, with_parameters
from app.api.v1.links import LOCATION, location, spend_create
from app.api.v1.schemas.shorten import Shorten, Shortened
from app.links import creating, short_urls
from app.links.codes import CodeTaken
from app.links.remembering import remembering

blueprint = Blueprint("v1_shorten", __name__, url_prefix="/shorten", description="Shorten a URL.")


@blueprint.post("")
@scope("links:write")
@idempotent
@raises(CodeTaken)
@leads(201, patch_link=with_parameters(code="$response.body#/code"))
@remembering()
@blueprint.arguments(Shorten)
@blueprint.response(201, Shortened, headers=LOCATION)
def shorten(fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Shorten a URL.

    Makes a link with everything else by default; `PATCH` its `Location` to change that.
    """
    spend_create()
    link = creating.shorten(current_principal().user_id, **fields)
    shortened = {
        "short_url": short_urls.short_url(link),
        "code": link.code,
        "url": link.url,
        "created_at": link.created_at,
        "expires_in": fields["expires_in"],
    }
    return shortened, location(link)
