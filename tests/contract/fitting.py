"""Let a good case name what is there: the caller's link, session and password; a code and an address of its own.

Schemas cannot say any of this, and without it most good cases are answered 404, 409 or 401.
"""

import itertools
from typing import Any

from schemathesis import Case
from schemathesis.transport.serialization import Binary

from app.accounts.one_time import EMAIL, RESET
from tests.authenticator import Authenticator
from tests.conftest import PASSWORD, Caller
from tests.factors import add_passkey, code, passkey_options, start_totp, with_totp
from tests.issuer import ISSUER, Issuer, came_back, linked
from tests.issuer import NAME as HOUSE
from tests.mailbox import PURPOSES, issued
from tests.making import make_link, picture, send_picture

HOST = "sho.rt"  # of the tests' PUBLIC_URL

WITH_TOTP = {("DELETE", "/api/v1/users/me/totp"), ("POST", "/api/v1/users/me/recovery-codes")}

_numbers = itertools.count(1)


def fit(case: Case, caller: Caller, role: str) -> None:
    """All that one call needs."""
    fit_step(case)
    path, body = case.path_parameters or {}, case.body
    if "owner" in (case.query or {}):  # others' links are for managers
        case.query = {**case.query, "owner": caller.id}
        if role == "user":
            del case.query["owner"]
    if "code" in path:
        path["code"] = make_link(caller)["code"]
        if case.path.endswith("/restore"):
            caller.delete(f"/links/{path['code']}")
        if case.path.endswith("/block") and case.method == "DELETE":
            caller.put(f"/links/{path['code']}/block", json={"reason": "phishing"})
    if "host" in path:
        path["host"] = _host(case, caller)
    if "user_id" in path:
        path["user_id"] = caller.id
    if "session_id" in path:
        path["session_id"] = caller.get("/auth/sessions").json["items"][0]["id"]
    if case.path.endswith("/avatar"):
        send_picture(caller)
        if isinstance(body, dict):
            body["avatar"] = Binary(picture())
    if "key_id" in path:
        key = {"name": "k", "scopes": ["links:read"]}
        path["key_id"] = caller.post("/api-keys", json=key).json["id"]
    if "passkey_id" in path:
        add_passkey(caller)
        path["passkey_id"] = caller.get("/users/me/passkeys").json["items"][0]["id"]
    if (case.method, case.path) in WITH_TOTP:
        with_totp(caller)
    if "provider" in path:
        path["provider"] = HOUSE
    if "identity_id" in path:
        path["identity_id"] = linked(caller, _issuer(caller))
    if isinstance(body, dict):
        _fit_credentials(body, caller, case.path)
        _fit_factors(body, caller, case.path)
        _fit_sign_in(case, body, caller)
        for item in body.get("items") or ():
            _fit_item(item, caller)


def fit_step(case: Case) -> None:
    """What a step of a scenario needs, whose path names what an earlier one made."""
    query, body = case.query or {}, case.body
    case.headers.pop("X-API-Key", None)  # made up, it contradicts the person's token
    if "domain" in query:
        query["domain"] = HOST
    if "from" in query or "to" in query:  # a range that there is: in order, and not of the year 9999
        query |= {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}
    query.pop("cursor", None)  # it is signed
    query.pop("links_to", None)  # an heir has to be there
    if isinstance(body, dict):
        _fit_names(body)
        _fit_key(body)
        if case.path.endswith("/register"):
            body["email"] = f"{next(_numbers)}{body['email']}"
        # A made-up tag holds for nothing: 412, and the body would go untried. DELETE and GET keep theirs.
        if case.headers.pop("If-Match", None):
            case.headers["If-Match"] = "*"
        case.headers.pop("If-None-Match", None)


def _fit_names(body: dict[str, Any]) -> None:
    for name in ("code", "custom_code"):  # the same few come again and again
        if body.get(name):
            body[name] = f"{body[name]}-{next(_numbers)}"[-64:]
    if body.get("domain"):
        body["domain"] = HOST
    if body.get("host"):
        body["host"] = f"h{next(_numbers)}.example.net"


def _host(case: Case, caller: Caller) -> str:
    """A domain that is there; one that can be removed is an admin's to make."""
    if case.method == "GET":
        return HOST
    host = f"d{next(_numbers)}.example.net"
    caller.post("/domains", json={"host": host})
    return host


def _fit_key(body: dict[str, Any]) -> None:
    if "scopes" in body:  # who has no role lends none
        body["scopes"] = [scope for scope in body["scopes"] if scope != "admin"] or ["links:read"]
    if "allowed_networks" in body:
        body["allowed_networks"] = ["192.0.2.0/24"]


def _fit_credentials(body: dict[str, Any], caller: Caller, path: str) -> None:
    if path.endswith("/login"):
        body |= {"email": caller.email, "password": PASSWORD}
    if purpose := PURPOSES.get(path.removeprefix("/api/v1")):
        address = f"new{next(_numbers)}@example.org" if purpose == EMAIL else None
        body["token"] = issued(caller, purpose, address)
        if purpose != RESET:
            body["password"] = PASSWORD
    if path.endswith("/me/email"):
        body["password"] = PASSWORD
    if "current_password" in body:
        body["current_password"] = PASSWORD


def _fit_factors(body: dict[str, Any], caller: Caller, path: str) -> None:
    """What only an authenticator can say."""
    if path.endswith("/reauthenticate"):
        body["password"] = PASSWORD
    elif path.endswith("/totp/confirm"):
        body["code"] = code(start_totp(caller))
    elif path.endswith("/auth/passkey"):
        body["credential"] = add_passkey(caller).get(passkey_options(caller))
    elif path.endswith("/me/passkeys"):
        body["credential"] = Authenticator().create(caller.post("/users/me/passkey-options").json)


def _fit_sign_in(case: Case, body: dict[str, Any], caller: Caller) -> None:
    """Let a browser come back from the provider with it, and bring its cookie along."""
    if "return_to" in body:
        body["return_to"] = "/docs"
    if case.path.endswith("/complete"):
        begin = case.path.removeprefix("/api/v1").removesuffix("/complete").replace("{provider}", HOUSE)
        body |= {"iss": None, **came_back(caller, _issuer(caller), begin)}
        # In place: what is assigned is held against the document, which knows the cookies of sessions alone.
        case.cookies.update({cookie.key: cookie.value for cookie in caller.client._cookies.values()})


def _issuer(caller: Caller) -> Issuer:
    issuer: Issuer = caller.client.application.extensions[ISSUER]
    return issuer


def _fit_item(item: dict[str, Any], caller: Caller) -> None:
    """Let an item of a batch name what is there."""
    if item["op"] == "create":
        _fit_names(item["link"])
        return
    item["code"] = make_link(caller)["code"]
    item.pop("if_match", None)
    if item.get("domain"):
        item["domain"] = HOST
