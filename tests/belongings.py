"""Somebody who has something in every table that names a user, and wrote a canary into all that can be written."""

from dataclasses import dataclass

from flask import Flask
from sqlalchemy import insert, select

from app import clock, database
from app.accounts import one_time, uses
from app.accounts.models import Identity, User
from app.accounts.oidc import flows
from app.clicks import weeks
from app.clicks.models import (
    AccountCount,
    AccountFacet,
    AccountFacetWeek,
    AccountHour,
    ClickCount,
    StatsVersion,
)
from app.extensions import db
from app.mail import outbox
from app.mail.outbox import Letter
from tests.conftest import PASSWORD, Caller
from tests.factors import add_passkey, with_totp
from tests.making import change_link, make_link, send_picture, stored_link

CANARIES = {
    "e-mail": "Ada.Canary@canary-person.example",
    "name": "Ada Canary Lovelace",
    "user agent": "CanaryBrowser of Ada",
    "target": "https://canary-target.example/ada",
    "title": "canary title",
    "notes": "canary notes",
    "tag": "canary tag",
    "deleted link's title": "canary deleted title",
    "reason of a block": "canary reason",
    "name of a key": "canary key",
    "network of a key": "203.0.113.77/32",
    "name of a passkey": "canary passkey",
    "issuer's subject": "canary-subject-4711",
    "way back from a provider": "https://canary-app.example/back",
    "idempotency key": "canary-idempotency",
    "address that shall be": "ada@canary-new.example",
}
"""In the clear, by what they are; `SEALED` ones are found in no table."""
SEALED = {"mail": "canary subject of a mail"}


@dataclass
class Belongings:
    """Whose they are, and the secrets among them, which nobody is told again."""

    owner: Caller
    secrets: dict[str, str]


def settle(app: Flask) -> Belongings:
    """Let somebody new have something of everything: the links `ada`, `ada-blocked` and, deleted, `ada-deleted`."""
    owner = Caller(app.test_client(), email=CANARIES["e-mail"])
    account = {"email": owner.email, "password": PASSWORD}
    owner.id = owner.post("/auth/register", json={**account, "name": CANARIES["name"]}).json["id"]
    tokens = owner.post("/auth/login", json=account, headers={"User-Agent": CANARIES["user agent"]}).json
    owner.token, owner.refresh_token = tokens["access_token"], tokens["refresh_token"]
    send_picture(owner)
    _links(app, owner)
    key = {"name": CANARIES["name of a key"], "scopes": ["links:read"]}
    issued = owner.post("/api-keys", json={**key, "allowed_networks": [CANARIES["network of a key"]]})
    secret, recovery_codes = with_totp(owner)
    add_passkey(owner, name=CANARIES["name of a passkey"])
    token = _rows(app, owner)
    secrets = {"password": PASSWORD, "key": issued.json["key"], "totp": secret, "token": token}
    return Belongings(owner, {**secrets, "recovery code": recovery_codes[0], "link": "canary link password"})


def _links(app: Flask, owner: Caller) -> None:
    own = {"url": CANARIES["target"], "title": CANARIES["title"], "notes": CANARIES["notes"]}
    link = {**own, "code": "ada", "tags": ["b", CANARIES["tag"]], "password": "canary link password"}
    made = owner.post("/links", json=link, headers={"Idempotency-Key": CANARIES["idempotency key"]})
    assert made.status_code == 201, made.text
    make_link(owner, code="ada-blocked")
    change_link(app, "ada-blocked", blocked_reason=CANARIES["reason of a block"])
    make_link(owner, code="ada-deleted", title=CANARIES["deleted link's title"], tags=["b"])
    assert owner.delete("/links/ada-deleted").status_code == 204


def _rows(app: Flask, owner: Caller) -> str:
    """What takes a provider, a worker or a deprecated call; return a token that was sent."""
    now, link_id = clock.now(), stored_link(app, "ada")["id"]
    with app.app_context():
        user = db.session.scalars(select(User).where(User.public_id == owner.id)).one()
        times = {"created_at": now, "last_used_at": now}
        who = {"issuer": "https://issuer.example", "subject": CANARIES["issuer's subject"]}
        db.session.add(Identity(public_id="idn_ada", user_id=user.id, provider="google", **who, **times))
        flows.begin("google", CANARIES["way back from a provider"], user.id)
        token = one_time.issue(user.id, one_time.EMAIL, CANARIES["address that shall be"])
        outbox.put(CANARIES["address that shall be"], Letter(SEALED["mail"], f"#token={token}"), owner.id)
        quarter = now.replace(minute=0, second=0, microsecond=0)
        sums = {"humans": 3, "bots": 2, "uniques": 1}
        counted = {"quarter": quarter, "last_at": now, **sums}
        db.session.add_all(
            [ClickCount(link_id=link_id, **counted), AccountCount(owner_id=user.id, **counted)]
        )
        db.session.add(AccountHour(owner_id=user.id, hour=quarter, **sums))
        facet = {"owner_id": user.id, "dimension": "country", "value": "DE", "clicks": 3}
        db.session.add_all(
            [AccountFacet(day=now.date(), **facet), AccountFacetWeek(week=weeks.monday(now.date()), **facet)]
        )
        user_id = user.id
        db.session.commit()
        uses.count("GET /api/v1/old", owner.id)
        with database.writing() as connection:
            connection.execute(insert(StatsVersion).values(owner_id=user_id, version=1))
    return token
