"""/users/me/export: all that is kept about oneself, as a file."""

from base64 import b64encode
from collections.abc import Generator
from contextlib import closing

from flask import Response, request

from app import clock
from app.accounts import reauthentication
from app.accounts.principals import SignedIn
from app.accounts.reauthentication import ReauthenticationRequired
from app.api import files
from app.api.access import current_person, signed_in
from app.api.blueprint import Blueprint, raises
from app.api.fields import rfc3339
from app.api.v1.exports import FILE
from app.api.v1.schemas import own_data as schemas
from app.api.v1.schemas.factors import PasskeyOut
from app.api.v1.schemas.identities import IdentityOut
from app.audit import trail
from app.clicks import own_data
from app.web import limits
from app.web.accept import JSON

blueprint = Blueprint("v1_own_data", __name__, url_prefix="/users/me/export", description="One's own data.")

_LISTS = {
    "sessions": schemas.ExportedSession,
    "passkeys": PasskeyOut,
    "identities": IdentityOut,
    "api_keys": schemas.ExportedKey,
    "tokens_sent": schemas.ExportedToken,
    "mails_waiting": schemas.ExportedMail,
    "deprecated_calls": schemas.ExportedUse,
}


@blueprint.get("")
@signed_in
@raises(ReauthenticationRequired)
@blueprint.response(200, schemas.OwnDataOut, content_type=JSON, headers=FILE)
def export_account() -> Response:
    """Download all that is kept about oneself.

    Profile, sign-ins, keys, links with what was counted of them, audit events; `left_out` says what is not in it.
    For who has just shown who he is (`POST /auth/reauthenticate`), some times an hour. That it was downloaded is an
    event.
    """
    person = current_person()
    reauthentication.check_recent(person)
    limits.spend(limits.Bucket("export", "LIMIT_EXPORT", person.user))
    if request.method == "GET":  # HEAD takes nothing away
        trail.record_apart(trail.event("account.exported", person.user, person.user))
    with closing(_members(person)) as members:
        return files.json_object(f"slugline-account-{clock.now():%Y%m%d}", members)


def _members(person: SignedIn) -> Generator[tuple[str, object]]:
    """The members of an OwnDataOut; lists as iterators."""
    found, now = own_data.of(person), clock.now()
    yield "exported_at", rfc3339(now)
    yield "left_out", schemas.LEFT_OUT
    yield "account", schemas.ExportedAccount().dump(found.account)
    yield "avatar", _data_url(found.avatar)
    yield "second_factor", schemas.ExportedSecondFactor().dump(found.second_factor)
    yield "known_devices", schemas.ExportedDevices().dump(found.known_devices)
    for name, schema in _LISTS.items():
        yield name, map(schema().dump, getattr(found, name))
    yield "tags", found.tags
    yield "links", (schemas.link_shown(link, now) for link in found.links)
    yield "events", map(schemas.event_shown, found.events)


def _data_url(picture: bytes | None) -> str | None:
    return None if picture is None else f"data:image/png;base64,{b64encode(picture).decode()}"
