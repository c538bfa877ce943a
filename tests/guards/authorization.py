"""The authorization matrix: who may make which call, written by hand, and asked of the application.

The rows are the routes of the application itself. A cell is a role, a credential and an owner; its call is harmless
even where it is let in (a stale `If-Match`, an empty body), so that no cell spoils the next.
"""

import itertools
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app import clock, database
from app.accounts import sessions
from app.accounts.devices import Device
from app.accounts.models import ApiKey, Session, User
from app.accounts.principals import SCOPES
from app.extensions import db
from tests.conftest import Caller, sign_up
from tests.guards.conformance import STALE, name
from tests.guards.routes import Route
from tests.making import URL, make_link, set_role

ROLES = ("user", "manager", "admin", "disabled")
OWN, FOREIGN, NOBODYS = "own", "somebody else's", "nobody's"
Answer = tuple[int, str | None]
"""Status, and `error.code` of a 401 or 403."""


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
    others: str | None = None
    """From which role on what is somebody else's is as one's own; None: for nobody."""
    foreign: int = 404
    missing: int = 404


def person(passes: int) -> Policy:
    """For people alone."""
    return Policy(passes)


def key(scope: str, passes: int, **more: Any) -> Policy:
    """For people, and programs with this scope."""
    return Policy(passes, scope, **more)


POLICY: dict[str, Policy] = {
    "POST /auth/register": Policy(400, is_open=True),
    "POST /auth/login": Policy(400, is_open=True),
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
    "DELETE /users/me": person(412),
    "PUT /users/me/password": person(400),
    "GET /users/<user_id>": key("users:read", 200),
    "GET /api-keys": person(200),
    "POST /api-keys": person(400),
    "GET /api-keys/<key_id>": person(200),
    "PATCH /api-keys/<key_id>": person(412),
    "DELETE /api-keys/<key_id>": person(412),
    "POST /api-keys/<key_id>/rotate": person(200),
    "POST /shorten": key("links:write", 400),
    "GET /links": key("links:read", 200),
    "POST /links": key("links:write", 400),
    "POST /links/batch": key("links:write", 400),
    "GET /links/<code>": key("links:read", 200),
    "PUT /links/<code>": key("links:write", 200, foreign=409, missing=201),
    "PATCH /links/<code>": key("links:write", 412),
    "DELETE /links/<code>": key("links:write", 412),
    "POST /links/<code>/restore": key("links:write", 200),
    "GET /links/<code>/stats": key("stats:read", 200),
    "GET /links/<code>/stats/export": key("stats:read", 200),
    "GET /links/<code>/clicks": key("stats:read", 200),
    "GET /stats": key("stats:read", 200),
    "GET /stats/export": key("stats:read", 200),
    "POST /cache/invalidate": key("admin", 204, role="admin"),
}
"""By route; one without a row fails the suite."""

BODIES = {"PUT /links/<code>": {"url": URL}}
"""What is no harm, and no bad input either; all others get an empty object."""
ENDING = ("POST /auth/refresh", "POST /auth/logout")
"""The calls after which a token is no longer good."""


@dataclass
class Somebody:
    """A person of one role, with all that is this person's own."""

    caller: Caller
    role: str
    link: str
    keys: dict[str, str] = field(default_factory=dict)
    """By name, with their secrets; `decoy` is what calls are made about."""


@dataclass(frozen=True)
class Credential:
    """What a request brings. `token`: its type, where it is one; `scopes`: of an API key."""

    headers: Callable[[Somebody], dict[str, str]]
    token: str | None = None
    scopes: frozenset[str] | None = None
    is_dead: bool = False
    is_elsewhere: bool = False
    """A key that may not be used from this address."""


def _bearer(value: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


def _basic(key: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{key}:'.encode()).decode()}"}


def _key(named: str, *scopes: str, **more: Any) -> Credential:
    return Credential(lambda who: _bearer(who.keys[named]), scopes=frozenset(scopes), **more)


CREDENTIALS: dict[str, Credential] = {
    "nothing": Credential(lambda _: {}),
    "access token": Credential(lambda who: _bearer(who.caller.token), "access"),
    "refresh token": Credential(lambda who: _bearer(who.caller.refresh_token), "refresh"),
    **{f"key {scope}": _key(scope, scope) for scope in SCOPES},
    "key of all scopes": _key("all", *SCOPES),
    "key of no scope": _key("none"),
    "key in X-API-Key": Credential(lambda who: {"X-API-Key": who.keys["all"]}, scopes=frozenset(SCOPES)),
    "key as Basic": Credential(lambda who: _basic(who.keys["all"]), scopes=frozenset(SCOPES)),
    "key expired": _key("expired", *SCOPES, is_dead=True),
    "key revoked": _key("revoked", *SCOPES, is_dead=True),
    "key from elsewhere": _key("elsewhere", *SCOPES, is_elsewhere=True),
}
"""One line each."""


def expected(policy: Policy, role: str, credential: Credential, whose: str) -> Answer:
    """What the policy says of one cell."""
    if policy.is_open:
        return policy.passes, None
    if policy.tokens is not None:
        opening = policy.even_disabled if role == "disabled" else policy.tokens
        return (policy.passes, None) if credential.token in opening else REFUSED
    if role == "disabled" or credential.is_dead:
        return REFUSED
    scopes = credential.scopes
    if scopes is None and credential.token != "access":
        return REFUSED
    if credential.is_elsewhere or (scopes is not None and policy.scope is None):
        return FORBIDDEN
    if scopes is not None and policy.scope not in scopes:
        return INSUFFICIENT
    acting = role if scopes is None or "admin" in scopes else "user"
    if is_below(acting, policy.role):
        return FORBIDDEN if is_below(role, policy.role) else INSUFFICIENT
    if whose == FOREIGN and (policy.others is None or is_below(acting, policy.others)):
        return policy.foreign, None
    return (policy.missing if whose == NOBODYS else policy.passes), None


REFUSED, FORBIDDEN, INSUFFICIENT = (401, None), (403, "FORBIDDEN"), (403, "INSUFFICIENT_SCOPE")


def is_below(role: str, other: str) -> bool:
    return ROLES.index(role) < ROLES.index(other)


class Cell(NamedTuple):
    """One question."""

    route: Route
    role: str
    credential: str
    whose: str

    def __str__(self) -> str:
        return f"{name(self.route)}: {self.role}, {self.credential}, {self.whose}"


def cells(routes: Iterable[Route]) -> Iterator[Cell]:
    """Every question that there is; whose it is matters where the path names something."""
    for route in routes:
        for role in ROLES:
            for credential in CREDENTIALS:
                for whose in (OWN, FOREIGN, NOBODYS) if "<" in route.rule else (OWN,):
                    yield Cell(route, role, credential, whose)


class Stage:
    """Somebody of each role, and a stranger with whose things they meddle."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._client: FlaskClient = app.test_client()
        self._people = {role: _settle(app, role) for role in ROLES}
        self._stranger = _settle(app, "user")
        self._numbers = itertools.count()

    def ask(self, cell: Cell) -> Answer:
        """What the application answers."""
        who, route = self._people[cell.role], cell.route
        if name(route) in ENDING:
            self._sign_in(who)
        path = self._path(route, {OWN: who, FOREIGN: self._stranger}.get(cell.whose))
        options: dict[str, Any] = {"json": BODIES.get(name(route), {})} if route.takes_body else {}
        headers = CREDENTIALS[cell.credential].headers(who)
        if route.conditional and route.method in ("PATCH", "DELETE"):
            headers["If-Match"] = STALE
        answer = self._client.open(path, method=route.method, headers=headers, **options)
        refused = answer.status_code == 403
        return answer.status_code, answer.headers.get("X-Error-Code") if refused else None

    def _path(self, route: Route, owner: Somebody | None) -> str:
        """The path to what is the owner's, or to what there is not."""
        path = route.rule
        if "<session_id>" in path:
            path = path.replace("<session_id>", self._sign_in(owner, keep=True) if owner else "ses_none")
        path = path.replace("<code>", owner.link if owner else f"none{next(self._numbers)}")
        path = path.replace("<user_id>", owner.caller.id if owner else "usr_none")
        return path.replace("<key_id>", f"key_{owner.keys['decoy'][3:25]}" if owner else "key_none")

    def _sign_in(self, who: Somebody, *, keep: bool = False) -> str:
        """Begin a session; return its id. The person goes on with its tokens unless those there are to `keep`."""
        with self.app.app_context():
            user = db.session.scalars(select(User).where(User.public_id == who.caller.id)).one()
            pair = sessions.begin(user, Device("matrix", "127.0.0.1"))
            session = db.session.scalars(select(Session.public_id).order_by(Session.id.desc())).first()
            db.session.commit()
        if not keep:
            who.caller.token, who.caller.refresh_token = pair.access_token, pair.refresh_token
        return str(session)


def _settle(app: Flask, role: str) -> Somebody:
    """Somebody of this role, who was an admin when making keys: what a key may do is asked anew at each call."""
    caller = sign_up(app, role)
    set_role(app, caller, "admin")
    who = Somebody(caller, role, make_link(caller)["code"])
    for named, scopes in {scope: [scope] for scope in SCOPES}.items():
        who.keys[named] = _make_key(caller, scopes)
    for named in ("all", "decoy", "none", "expired", "revoked"):
        who.keys[named] = _make_key(caller, [*SCOPES])
    who.keys["elsewhere"] = _make_key(caller, [*SCOPES], allowed_networks=["192.0.2.0/24"])
    assert caller.delete(f"/api-keys/key_{who.keys['revoked'][3:25]}").status_code == 204
    _change_key(app, who.keys["none"], scopes=[])
    _change_key(app, who.keys["expired"], expires_at=clock.now())
    status = {"status": "disabled"} if role == "disabled" else {"role": role}
    with app.app_context(), database.writing() as connection:
        connection.execute(update(User).where(User.public_id == caller.id).values(**status))
    return who


def _make_key(caller: Caller, scopes: list[str], **fields: Any) -> str:
    made = caller.post("/api-keys", json={"name": "matrix", "scopes": scopes, **fields})
    assert made.status_code == 201, made.text
    return str(made.json["key"])


def _change_key(app: Flask, key: str, **columns: Any) -> None:
    with app.app_context(), database.writing() as connection:
        changed = update(ApiKey).where(ApiKey.public_id == f"key_{key[3:25]}").values(**columns)
        connection.execute(changed)
