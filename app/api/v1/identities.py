"""/users/me/identities: who one is at OpenID providers."""

from typing import Any

from app.accounts.oidc import identities
from app.accounts.reauthentication import ReauthenticationRequired
from app.accounts.ways_in import LastWayIn
from app.api import pagination
from app.api.access import current_person, signed_in
from app.api.blueprint import Blueprint, raises
from app.api.pagination import PAGES
from app.api.specification import path_id
from app.api.v1.schemas.identities import IdentityList, IdentityListQuery

blueprint = Blueprint(
    "v1_identities",
    __name__,
    url_prefix="/users/me/identities",
    description="Who one is at OpenID providers.",
)

IDENTITY_ID = path_id("identity_id", "The identity's id.", "idn_4kTbW0yZpQ2mN8vXc1LrDs")


@blueprint.get("")
@signed_in
@blueprint.arguments(IdentityListQuery, location="query")
@blueprint.response(200, IdentityList, headers=PAGES)
def list_identities(query: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """List the providers linked to one's account.

    The latest first.
    """
    return pagination.answer(identities.linked(current_person().user_id), query)


@blueprint.delete("/<identity_id>", parameters=IDENTITY_ID)
@signed_in
@raises(ReauthenticationRequired, LastWayIn)
@blueprint.response(204)
def remove_identity(identity_id: str) -> None:
    """Unlink a provider from one's account.

    Sessions go on. What alone opens the account stays.
    """
    identities.remove(current_person(), identity_id)
