"""/api-keys: one's secrets for programs. For people alone: a key makes, widens and revokes no keys."""

from datetime import timedelta
from typing import Any

from app.accounts import api_keys
from app.accounts.api_keys import Issued, TooManyKeys
from app.accounts.models import ApiKey
from app.accounts.reauthentication import ReauthenticationRequired
from app.api import pagination
from app.api.access import current_person, signed_in
from app.api.blueprint import Blueprint, raises
from app.api.conditional import carry, conditional, precondition
from app.api.idempotency import holds_secrets
from app.api.leading import leads, with_parameters
from app.api.specification import path_id
from app.api.v1.schemas.api_keys import (
    KeyIn,
    KeyIssued,
    KeyList,
    KeyListQuery,
    KeyOut,
    KeyPatch,
    Rotation,
    key_href,
)

blueprint = Blueprint("v1_api_keys", __name__, url_prefix="/api-keys", description="Secrets for programs.")

KEY_ID = path_id("key_id", "The key's id.", "key_4kTbW0yZpQ2mN8vXc1LrDs")
LOCATION = {"Location": {"description": "The path of the new key.", "schema": {"type": "string"}}}
_THE_KEY = with_parameters(key_id="$response.body#/id")
_ITS_CALLS = dict.fromkeys(("get_api_key", "patch_api_key", "rotate_api_key", "revoke_api_key"), _THE_KEY)


@blueprint.post("")
@signed_in
@holds_secrets
@raises(ReauthenticationRequired, TooManyKeys)
@leads(201, **_ITS_CALLS)
@blueprint.arguments(KeyIn)
@blueprint.response(201, KeyIssued, headers=LOCATION)
def create_api_key(fields: dict[str, Any]) -> tuple[Issued, dict[str, str]]:
    """Make an API key.

    Keep `key`: no later answer shows it. It may do what its `scopes` name, and never more than its owner may; the
    scope `admin` lends it the owner's role, and is for managers and admins.
    """
    issued = api_keys.issue(current_person(), **fields)
    return issued, {"Location": key_href(issued.key)}


@blueprint.get("")
@signed_in
@blueprint.arguments(KeyListQuery, location="query")
@blueprint.response(200, KeyList, headers=pagination.PAGES)
def list_api_keys(query: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """List one's API keys.

    The latest first, expired ones too for 30 days.
    """
    return pagination.answer(api_keys.of_user(current_person().user_id), query)


@blueprint.get("/<key_id>", parameters=KEY_ID)
@signed_in
@conditional
@blueprint.response(200, KeyOut)
def get_api_key(key_id: str) -> ApiKey:
    """Read an API key.

    Its secret is not shown.
    """
    return validated(api_keys.get(current_person().user_id, key_id))


@blueprint.patch("/<key_id>", parameters=KEY_ID)
@signed_in
@conditional
@raises(ReauthenticationRequired)
@blueprint.arguments(KeyPatch)
@blueprint.response(200, KeyOut)
def patch_api_key(changes: dict[str, Any], key_id: str) -> ApiKey:
    """Change the name of an API key, or where it may be used from.

    A JSON merge patch (RFC 7396). What it may do stays as it is.
    """
    return validated(api_keys.edit(current_person(), key_id, changes, precondition()))


@blueprint.post("/<key_id>/rotate", parameters=KEY_ID)
@signed_in
@holds_secrets
@raises(ReauthenticationRequired)
@blueprint.arguments(Rotation)
@blueprint.response(200, KeyIssued)
def rotate_api_key(fields: dict[str, Any], key_id: str) -> Issued:
    """Give an API key a new secret.

    Keep `key`: no later answer shows it. Earlier secrets are good for `overlap` seconds more, so that programs can
    be changed one by one; 0 ends them at once. With `expires_at` the key gets a new end, one that expired too.
    """
    overlap = timedelta(seconds=fields["overlap"])
    return api_keys.rotate(current_person(), key_id, overlap, fields.get("expires_at", "kept"))


@blueprint.delete("/<key_id>", parameters=KEY_ID)
@signed_in
@conditional
@blueprint.response(204)
def revoke_api_key(key_id: str) -> None:
    """Revoke an API key.

    The next request with it gets 401, in every process.
    """
    api_keys.revoke(current_person(), key_id, precondition())


def validated(key: ApiKey) -> ApiKey:
    """The key; its answer gets the entity tag of this state. No date: `last_used_at` moves by itself."""
    carry(key.version, None, key_href(key))
    return key
