"""Who may make which call, written by hand from the contract and the ADRs 12, 13, 19 and 20: nothing here is read
from the application. `tests.guards.authorization` asks it of every route."""

from dataclasses import dataclass
from typing import Any

from tests.making import URL

RANKS = ("user", "manager", "admin")
WITHHELD, DISABLED = "admin of one factor", "disabled admin"
ROLES = (*RANKS, WITHHELD, DISABLED)
"""An admin has signed in with two factors, as REQUIRE_SECOND_FACTOR asks; the one of one factor has a passkey and has
not signed in with it, nor made keys in such a session. The disabled one's sessions and keys are alive but for it."""


@dataclass(frozen=True)
class Policy:
    """Who may make a call, from `role` on: a person, and where `scope` names one an API key with it."""

    passes: int
    """What the harmless call is answered where it is let in."""
    scope: str | None = None
    role: str = "user"
    tokens: frozenset[str] | None = None
    """The call is about a token itself: one of these types, and nothing else opens it."""
    even_disabled: frozenset[str] = frozenset()
    """Of `tokens` those that open it to a disabled user."""
    is_open: bool = False
    is_guarded: bool = False
    """It changes what opens the account: for who has a second factor, in a session of two alone."""
    others: str | None = None
    """From which role on what is somebody else's is as one's own; None: for nobody."""
    own_by_key: bool = True
    """Whether an API key may do it to what is its owner's."""
    foreign: int = 404
    missing: int = 404


def everybody(passes: int) -> Policy:
    """For people and programs without a credential, and with any."""
    return Policy(passes, is_open=True)


def person(passes: int) -> Policy:
    """For people alone."""
    return Policy(passes)


def proven(passes: int) -> Policy:
    """For people alone who have just shown who they are, by two factors where they have them."""
    return Policy(passes, is_guarded=True)


def key(scope: str, passes: int, **more: Any) -> Policy:
    """For people, and programs with this scope."""
    return Policy(passes, scope, **more)


POLICY: dict[str, Policy] = {
    "POST /auth/register": everybody(400),
    "POST /auth/login": everybody(400),
    "POST /auth/verify": everybody(400),
    "POST /auth/verify/resend": everybody(400),
    "POST /auth/password/forgot": everybody(400),
    "POST /auth/password/reset": everybody(400),
    "POST /auth/email/confirm": everybody(400),
    "POST /auth/passkey/options": everybody(200),
    "POST /auth/passkey": everybody(400),
    "GET /auth/providers": everybody(200),
    "POST /auth/oidc/<provider>": everybody(400),
    "POST /auth/oidc/<provider>/complete": everybody(400),
    "POST /auth/oidc/<provider>/link": person(400),
    "POST /auth/oidc/<provider>/link/complete": person(400),
    "POST /auth/reauthenticate": person(400),
    "POST /auth/refresh": Policy(200, tokens=frozenset({"refresh"})),
    # Signing out harms nobody: a disabled user may end what is left of a session.
    "POST /auth/logout": Policy(
        204, tokens=frozenset({"access", "refresh"}), even_disabled=frozenset({"refresh"})
    ),
    "GET /auth/sessions": person(200),
    "DELETE /auth/sessions": person(204),
    "DELETE /auth/sessions/<session_id>": person(204),
    "GET /users/me": key("users:read", 200),
    "PATCH /users/me": key("users:write", 412),
    "DELETE /users/me": proven(412),
    "PUT /users/me/password": person(400),
    "GET /users/me/export": proven(200),
    "PUT /users/me/email": person(400),
    "GET /users/me/avatar": key("users:read", 200),
    "PUT /users/me/avatar": key("users:write", 400),
    "DELETE /users/me/avatar": key("users:write", 412),
    "GET /users/me/totp": person(200),
    "POST /users/me/totp": proven(200),
    "POST /users/me/totp/confirm": person(400),
    "DELETE /users/me/totp": proven(404),
    "POST /users/me/recovery-codes": proven(409),
    "GET /users/me/passkeys": person(200),
    "POST /users/me/passkey-options": proven(200),
    "POST /users/me/passkeys": person(400),
    "DELETE /users/me/passkeys/<passkey_id>": proven(204),
    "GET /users/me/identities": person(200),
    "DELETE /users/me/identities/<identity_id>": proven(204),
    "GET /users": key("users:read", 200, role="manager"),
    "GET /users/<user_id>": key("users:read", 200, others="manager"),
    "PATCH /users/<user_id>": key("users:write", 412, role="admin", others="admin", own_by_key=False),
    "DELETE /users/<user_id>": key("users:write", 412, role="admin", others="admin", own_by_key=False),
    "GET /api-keys": person(200),
    "POST /api-keys": proven(201),
    "GET /api-keys/<key_id>": person(200),
    "PATCH /api-keys/<key_id>": person(412),
    "DELETE /api-keys/<key_id>": person(412),
    "POST /api-keys/<key_id>/rotate": proven(200),
    "POST /shorten": key("links:write", 400),
    "GET /links": key("links:read", 200, others="manager", foreign=403),
    "POST /links": key("links:write", 400),
    "POST /links/batch": key("links:write", 400),
    "GET /links/<code>": key("links:read", 200, others="manager"),
    "PUT /links/<code>": key("links:write", 200, foreign=409, missing=201),
    "PATCH /links/<code>": key("links:write", 412, others="manager"),
    "DELETE /links/<code>": key("links:write", 412),
    "POST /links/<code>/restore": key("links:write", 200),
    "PUT /links/<code>/block": key("links:write", 412, role="manager", others="manager"),
    "DELETE /links/<code>/block": key("links:write", 412, role="manager", others="manager"),
    "GET /links/<code>/stats": key("stats:read", 200, others="manager"),
    "GET /links/<code>/stats/export": key("stats:read", 200, others="manager"),
    # One by one clicks tell of people: they are no business of managers.
    "GET /links/<code>/clicks": key("stats:read", 200),
    "GET /stats": key("stats:read", 200),
    "GET /stats/export": key("stats:read", 200),
    # Domains are nobody's and everybody's; one that has links stays.
    "GET /domains": key("links:read", 200),
    "POST /domains": key("admin", 400, role="admin"),
    "GET /domains/<host>": key("links:read", 200, others="user"),
    "DELETE /domains/<host>": key("admin", 409, role="admin", others="user"),
    "GET /audit-events": key("admin", 200, others="admin", foreign=403),
    "GET /audit-events/export": key("admin", 200, others="admin", foreign=403),
    "POST /cache/invalidate": key("admin", 204, role="admin"),
}
"""By route; one without a row fails the suite."""

BODIES: dict[str, dict[str, Any]] = {
    "PUT /links/<code>": {"url": URL},
    "PUT /links/<code>/block": {"reason": "matrix"},
    "POST /api-keys": {"name": "matrix", "scopes": ["links:read"]},
    "POST /auth/reauthenticate": {"password": 0},  # nothing would be a guess
}
"""What is no harm, and is looked at beyond its form; all others get an empty object."""
OF_AN_OWNER = {"GET /links", "GET /audit-events", "GET /audit-events/export"}
"""Lists that are asked for with `?owner=`."""
