"""The authorization matrix: who may make which call (`tests.guards.policy`), asked of the application.

The rows are the routes of the application itself. A cell is a role, a credential and an owner; its call is harmless
even where it is let in (a stale `If-Match`, an empty body), so that no cell spoils the next.
"""

import itertools
import re
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flask import Flask, g
from flask.testing import FlaskClient
from sqlalchemy import insert, update

from app import clock, database
from app.accounts import sessions, tokens
from app.accounts.devices import Device
from app.accounts.models import ApiKey, Identity, Passkey, User
from app.accounts.principals import SCOPES
from app.accounts.tokens import TokenPair
from app.api import csrf, transport
from app.extensions import db
from app.ids import opaque_id
from app.web.safe_methods import SAFE_METHODS
from tests.conftest import Caller, sign_up
from tests.guards.conformance import STALE, changes, name
from tests.guards.policy import BODIES, DISABLED, OF_AN_OWNER, RANKS, ROLES, WITHHELD, Policy
from tests.guards.routes import Route
from tests.making import URL, add_domain, change_link, internal_id, make_link, send_picture, set_role

OWN, FOREIGN, NOBODYS = "own", "somebody else's", "nobody's"
Answer = tuple[int, str | None]
"""Status, and `error.code` of a 403."""

ENDING = ("POST /auth/refresh", "POST /auth/logout")
"""The calls after which a token is no longer good."""


@dataclass
class Somebody:
    """A person of one role, with all that is this person's own."""

    caller: Caller
    role: str
    number: int
    """The internal id."""
    things: dict[str, str] = field(default_factory=dict)
    """The ids of what calls are made about, by their names in paths, but for what a call takes away."""
    keys: dict[str, str] = field(default_factory=dict)
    """By name, with their secrets."""
    cookies: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Credential:
    """What a request brings. `tokens`: their types, where it is some; `scopes`: of an API key."""

    headers: Callable[[Somebody], dict[str, str]]
    roles: tuple[str, ...] = ROLES
    """Who is asked with it. How a key comes and whether it is good is found out before whose it is; without `admin`
    it is a user's, whoever made it: to ask those with the least and the most to lose is enough there."""
    tokens: frozenset[str] = frozenset()
    scopes: frozenset[str] | None = None
    is_unproven: bool = False
    """Cookies that any page could have the browser send."""
    is_dead: bool = False
    is_elsewhere: bool = False
    """A key that may not be used from this address."""


def _bearer(value: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


def _basic(key: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{key}:'.encode()).decode()}"}


def _cookies(who: Somebody) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{named}={value}" for named, value in who.cookies.items())}


def _with_csrf(who: Somebody) -> dict[str, str]:
    return _cookies(who) | {csrf.HEADER: who.cookies["slugline_csrf"]}


def _key(named: str, *scopes: str, **more: Any) -> Credential:
    return Credential(lambda who: _bearer(who.keys[named]), scopes=frozenset(scopes), **more)


_MOST, _ENDS = ("admin",), ("user", "admin")
CREDENTIALS: dict[str, Credential] = {
    "nothing": Credential(lambda _: {}, ("user",)),
    "access token": Credential(lambda who: _bearer(who.caller.token), tokens=frozenset({"access"})),
    "refresh token": Credential(lambda who: _bearer(who.caller.refresh_token), tokens=frozenset({"refresh"})),
    "cookies": Credential(_with_csrf, tokens=frozenset({"access", "refresh"})),
    "cookies without CSRF token": Credential(
        _cookies, tokens=frozenset({"access", "refresh"}), is_unproven=True
    ),
    **{f"key {scope}": _key(scope, scope, roles=ROLES if scope == "admin" else _ENDS) for scope in SCOPES},
    "key of all scopes": _key("all", *SCOPES),
    "key of no scope": _key("none", roles=_MOST),
    "key in X-API-Key": Credential(
        lambda who: {"X-API-Key": who.keys["all"]}, _MOST, scopes=frozenset(SCOPES)
    ),
    "key as Basic": Credential(lambda who: _basic(who.keys["all"]), _MOST, scopes=frozenset(SCOPES)),
    "key expired": _key("expired", *SCOPES, roles=_MOST, is_dead=True),
    "key revoked": _key("revoked", *SCOPES, roles=_MOST, is_dead=True),
    "key from elsewhere": _key("elsewhere", *SCOPES, roles=_MOST, is_elsewhere=True),
}
"""One line each."""


class Cell(NamedTuple):
    """One question."""

    route: Route
    role: str
    credential: str
    whose: str

    def __str__(self) -> str:
        return f"{name(self.route)}: {self.role}, {self.credential}, {self.whose}"


def expected(policy: Policy, cell: Cell) -> Answer:
    """What the policy says of one cell."""
    role, credential = cell.role, CREDENTIALS[cell.credential]
    if policy.is_open:
        return policy.passes, None
    if credential.is_unproven and cell.route.method not in SAFE_METHODS:
        return FORGED
    if policy.tokens is not None:
        opening = policy.even_disabled if role == DISABLED else policy.tokens
        return (policy.passes, None) if credential.tokens & opening else REFUSED
    if role == DISABLED or credential.is_dead:
        return REFUSED
    scopes = credential.scopes
    if scopes is None and "access" not in credential.tokens:
        return REFUSED
    if credential.is_elsewhere or (scopes is not None and policy.scope is None):
        return FORBIDDEN
    if scopes is not None and policy.scope not in scopes:
        return INSUFFICIENT
    acting = _acting(role, scopes)
    if is_below(acting, policy.role):
        owners = "admin" if role == WITHHELD else role
        is_lacking = scopes is not None and "admin" not in scopes and not is_below(owners, policy.role)
        return INSUFFICIENT if is_lacking else FORBIDDEN
    if (policy.is_guarded and role == WITHHELD) or (
        scopes is not None and cell.whose == OWN and not policy.own_by_key
    ):
        return FORBIDDEN
    return _let_in(policy, acting, cell.whose)


REFUSED, FORBIDDEN = (401, None), (403, "FORBIDDEN")
FORGED, INSUFFICIENT = (403, "CSRF_FAILED"), (403, "INSUFFICIENT_SCOPE")


def _acting(role: str, scopes: Collection[str] | None) -> str:
    """The role that counts: a person's own, and a key's owner's where the key has `admin`; an admin's who has shown
    two factors, in the session or in the one that made the key."""
    lends = scopes is None or "admin" in scopes
    return role if lends and role != WITHHELD else "user"


def _let_in(policy: Policy, acting: str, whose: str) -> Answer:
    if whose == FOREIGN and (policy.others is None or is_below(acting, policy.others)):
        return FORBIDDEN if policy.foreign == 403 else (policy.foreign, None)
    return (policy.missing if whose == NOBODYS else policy.passes), None


def is_below(role: str, other: str) -> bool:
    return RANKS.index(role) < RANKS.index(other)


def cells(routes: Iterable[Route], policy: Mapping[str, Policy]) -> Iterator[Cell]:
    """Every question that there is. Whose it is matters to whom the door opens, who one is nowhere where all doors
    are open."""
    for route in routes:
        said = policy[name(route)]
        for role, credential in itertools.product(ROLES, CREDENTIALS):
            if role not in CREDENTIALS[credential].roles or (said.is_open and role not in ("user", DISABLED)):
                continue
            own = Cell(route, role, credential, OWN)
            yield own
            if expected(said, own) == (said.passes, None):
                yield from (own._replace(whose=whose) for whose in _others(route))


def _others(route: Route) -> tuple[str, ...]:
    if name(route) in OF_AN_OWNER:
        return (FOREIGN,)
    return (FOREIGN, NOBODYS) if set(_NAMED.findall(route.rule)) - {"provider"} else ()


_NAMED = re.compile("<(.+?)>")
HOST = "go.example.net"


class Stage:
    """Somebody of each role, and a stranger with whose things they meddle."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._client: FlaskClient = app.test_client(use_cookies=False)
        add_domain(app, HOST)
        self._people = {role: _settle(app, role) for role in ROLES}
        self._stranger = _settle(app, "user")
        self._numbers = itertools.count()
        app.config["REQUIRE_SECOND_FACTOR"] = "admins"  # from now on: keys are made by whoever is an admin
        for who in self._people.values():
            self._sign_in(who)

    def ask(self, cell: Cell) -> Answer:
        """What the application answers."""
        who, route = self._people[cell.role], cell.route
        if name(route) in ENDING:
            self._sign_in(who)
        path = self._path(route, {OWN: who, FOREIGN: self._stranger}.get(cell.whose))
        options: dict[str, Any] = {"json": BODIES.get(name(route), {})} if route.takes_body else {}
        if route.takes_file:
            options = {"data": {}, "content_type": "multipart/form-data"}
        headers = CREDENTIALS[cell.credential].headers(who)
        if changes(route) and name(route) != "PUT /links/<code>":
            headers["If-Match"] = STALE
        answer = self._client.open(path, method=route.method, headers=headers, **options)
        refused = answer.status_code == 403
        return answer.status_code, answer.headers.get("X-Error-Code") if refused else None

    def _path(self, route: Route, owner: Somebody | None) -> str:
        """The path to what is the owner's, or to what there is not."""
        path = _NAMED.sub(lambda named: self._id(named[1], owner), route.rule)
        return f"{path}?owner={owner.caller.id}" if owner and name(route) in OF_AN_OWNER else path

    def _id(self, named: str, owner: Somebody | None) -> str:
        if owner is None:
            return f"none{next(self._numbers)}"
        if named == "session_id":
            return self._begin(owner)[1]
        if named in REMOVABLE:
            return _make(self.app, owner, named)
        return owner.things[named]

    def _sign_in(self, who: Somebody) -> None:
        """Have the person go on in a new session."""
        pair, _ = self._begin(who)
        who.caller.token, who.caller.refresh_token = pair.access_token, pair.refresh_token
        with self.app.test_request_context():
            transport.renewed(pair, transport.COOKIE)
            who.cookies = {transport.name_of(cookie): value for cookie, value in g.cookies.items()}

    def _begin(self, who: Somebody) -> tuple[TokenPair, str]:
        """Begin a session; return its id, too."""
        with self.app.app_context():
            user = db.session.get_one(User, who.number)
            method = "passkey" if who.role == "admin" else "password"
            pair = sessions.begin(user, Device("matrix", "127.0.0.1"), method)
            db.session.commit()
            return pair, tokens.examine(pair.access_token, "access").session


def _settle(app: Flask, role: str) -> Somebody:
    """Somebody of this role, who was an admin when making keys: what a key may do is asked anew at each call."""
    caller = sign_up(app, "somebody")
    set_role(app, caller, "admin")
    who = Somebody(caller, role, internal_id(app, caller))
    for named, scopes in {scope: [scope] for scope in SCOPES}.items():
        who.keys[named] = _make_key(caller, scopes)
    for named in ("all", "decoy", "none", "expired", "revoked"):
        who.keys[named] = _make_key(caller, [*SCOPES])
    who.keys["elsewhere"] = _make_key(caller, [*SCOPES], allowed_networks=["192.0.2.0/24"])
    assert caller.delete(f"/api-keys/key_{who.keys['revoked'][3:25]}").status_code == 204
    for key in who.keys.values():
        _change_key(app, key, two_factors=role == "admin")
    _change_key(app, who.keys["none"], scopes=[])
    _change_key(app, who.keys["expired"], expires_at=clock.now())
    _furnish(app, who)
    status = {"status": "disabled"} if role == DISABLED else {"role": "admin" if role == WITHHELD else role}
    with app.app_context(), database.writing() as connection:
        connection.execute(update(User).where(User.public_id == caller.id).values(**status))
    return who


def _furnish(app: Flask, who: Somebody) -> None:
    """A link that a manager has blocked, one on the domain, which so stays, a picture, and a passkey."""
    code = make_link(who.caller)["code"]
    change_link(app, code, blocked_reason="matrix")
    make_link(who.caller, domain=HOST)
    send_picture(who.caller)
    _make(app, who, "passkey_id")
    key_id = f"key_{who.keys['decoy'][3:25]}"
    there = {"host": HOST, "provider": "house"}
    who.things = {"code": code, "user_id": who.caller.id, "key_id": key_id, **there}


REMOVABLE: dict[str, tuple[type, Callable[[str], dict[str, Any]]]] = {
    "passkey_id": (
        Passkey,
        lambda it: {"credential_id": it.encode(), "public_key": b"", "sign_count": 0, "name": "matrix"},
    ),
    "identity_id": (
        Identity,
        lambda it: {"issuer": URL, "subject": it, "provider": "house", "last_used_at": clock.now()},
    ),
}
"""What a call takes away for good, and what such a thing has."""


def _make(app: Flask, who: Somebody, named: str) -> str:
    """Make something of the person's that may be taken away; return its id."""
    public_id = opaque_id("it")
    model, columns = REMOVABLE[named]
    row = {"public_id": public_id, "user_id": who.number, "created_at": clock.now(), **columns(public_id)}
    with app.app_context(), database.writing() as connection:
        connection.execute(insert(model).values(row))
    return public_id


def _make_key(caller: Caller, scopes: list[str], **fields: Any) -> str:
    made = caller.post("/api-keys", json={"name": "matrix", "scopes": scopes, **fields})
    assert made.status_code == 201, made.text
    return str(made.json["key"])


def _change_key(app: Flask, key: str, **columns: Any) -> None:
    with app.app_context(), database.writing() as connection:
        changed = update(ApiKey).where(ApiKey.public_id == f"key_{key[3:25]}").values(**columns)
        connection.execute(changed)
