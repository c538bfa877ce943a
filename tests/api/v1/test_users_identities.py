"""/users/me/identities, and how one gets there."""

from flask import Flask
from sqlalchemy import select

from app import database
from app.accounts.models import Identity
from app.audit.models import AuditEvent
from tests.conftest import Caller
from tests.issuer import Issuer, came_back, linked

LINK = "/auth/oidc/house/link"


def signed_up(app: Flask, issuer: Issuer) -> Caller:
    """Somebody without a password."""
    caller = Caller(app.test_client())
    answer = caller.post("/auth/oidc/house/complete", json=came_back(caller, issuer))
    caller.token = answer.json["access_token"]
    return caller


def actions(app: Flask) -> list[str]:
    with app.app_context(), database.reading() as connection:
        return list(connection.scalars(select(AuditEvent.action).order_by(AuditEvent.id)))


def test_linked_identity_is_listed_to_its_owner_alone(alice: Caller, bob: Caller, issuer: Issuer) -> None:
    made = linked(alice, issuer)
    [listed] = alice.get("/users/me/identities").json["items"]
    assert (listed["id"], listed["provider"], listed["issuer"]) == (made, "house", issuer.url)
    assert listed["subject"] == issuer.claims["sub"]
    assert bob.get("/users/me/identities").json["items"] == []


def test_linking_twice_is_once(alice: Caller, issuer: Issuer) -> None:
    made = linked(alice, issuer)
    person = dict(issuer.claims)
    again = came_back(alice, issuer, LINK)
    issuer.claims |= person
    assert alice.post(f"{LINK}/complete", json=again).json["id"] == made


def test_linked_identity_signs_in_whatever_its_address(app: Flask, alice: Caller, issuer: Issuer) -> None:
    linked(alice, issuer)
    person = {**issuer.claims, "email": "elsewhere@example.net", "email_verified": False}
    caller = Caller(app.test_client())
    returned = came_back(caller, issuer)
    issuer.claims |= person
    caller.token = caller.post("/auth/oidc/house/complete", json=returned).json["access_token"]
    issuer.claims["email_verified"] = True
    assert caller.get("/users/me").json["id"] == alice.id


def test_removed_identity_opens_nothing_more_and_both_are_recorded(
    app: Flask, alice: Caller, issuer: Issuer
) -> None:
    made = linked(alice, issuer)
    assert alice.delete(f"/users/me/identities/{made}").status_code == 204
    assert alice.get("/users/me/identities").json["items"] == []
    assert alice.delete(f"/users/me/identities/{made}").status_code == 404
    assert [name for name in actions(app) if name.startswith("identity.")] == [
        "identity.linked",
        "identity.removed",
    ]


def test_somebody_elses_identity_is_404(alice: Caller, bob: Caller, issuer: Issuer) -> None:
    made = linked(alice, issuer)
    assert bob.delete(f"/users/me/identities/{made}").status_code == 404
    assert len(alice.get("/users/me/identities").json["items"]) == 1


def test_last_way_in_cannot_be_removed(app: Flask, issuer: Issuer) -> None:
    caller = signed_up(app, issuer)
    [first] = caller.get("/users/me/identities").json["items"]
    refused = caller.delete(f"/users/me/identities/{first['id']}")
    assert (refused.status_code, refused.headers["X-Error-Code"]) == (409, "CONFLICT")
    linked(caller, issuer)
    assert caller.delete(f"/users/me/identities/{first['id']}").status_code == 204


def test_identity_at_a_provider_that_is_gone_is_no_way_in(app: Flask, issuer: Issuer) -> None:
    caller = signed_up(app, issuer)
    second = linked(caller, issuer)
    app.config["OIDC_PROVIDERS"] = {}
    assert caller.delete(f"/users/me/identities/{second}").status_code == 409


def test_closing_the_account_erases_them(app: Flask, alice: Caller, issuer: Issuer) -> None:
    linked(alice, issuer)
    came_back(alice, issuer, LINK)
    assert alice.delete("/users/me").status_code == 204
    with app.app_context(), database.reading() as connection:
        assert connection.execute(select(Identity.__table__)).all() == []
        assert connection.exec_driver_sql("SELECT user_id FROM sign_in_flows").all() == []
