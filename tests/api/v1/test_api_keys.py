"""GET and POST /api-keys; GET, PATCH and DELETE /api-keys/{id}; POST /api-keys/{id}/rotate."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from app import clock, database
from app.accounts import api_keys
from app.accounts.models import ApiKey
from app.accounts.principals import SCOPES
from app.audit.models import AuditEvent
from tests.conftest import Caller
from tests.making import follow, from_now, let_pass, set_role

KEY = {"name": "Nightly import", "scopes": ["links:read"]}
BAD_FIELDS: list[tuple[str, Any]] = [
    ("name", ""),
    ("name", None),
    ("name", "x" * 101),
    ("name", "a\nb"),
    ("scopes", []),
    ("scopes.0", ["links:reed"]),
    ("scopes", ["links:read", "links:read"]),
    ("scopes", "links:read"),
    ("expires_at", "2020-01-01T00:00:00Z"),
    ("expires_at", "2099-01-01T00:00:00"),
    ("allowed_networks", None),
    ("allowed_networks", ["192.0.2.0/24"] * 21),
    ("allowed_networks.0", ["192.0.2.1/24"]),
    ("allowed_networks.0", ["192.0.2.0/33"]),
    ("allowed_networks.0", ["example.org"]),
    ("allowed_networks.0", ["fe80::1%eth0"]),
    ("allowed_networks.0", [""]),
    ("user_id", "usr_x"),
]


def make_key(caller: Caller, **fields: Any) -> dict[str, Any]:
    answer = caller.post("/api-keys", json={**KEY, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json
    return made


def status_with(caller: Caller, key: str, path: str = "/links") -> int:
    """What the bearer of the key is answered."""
    return caller.get(path, headers={"Authorization": f"Bearer {key}"}).status_code


def stored(app: Flask) -> list[dict[str, Any]]:
    with app.app_context(), database.reading() as connection:
        return [dict(row) for row in connection.execute(select(ApiKey.__table__)).mappings()]


def events(app: Flask) -> list[dict[str, Any]]:
    """What was recorded of keys."""
    query = select(AuditEvent.__table__).where(AuditEvent.action.like("api_key.%")).order_by(AuditEvent.id)
    with app.app_context(), database.reading() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


@pytest.mark.asvs("15.3.1")
def test_new_key_is_shown_once_and_opens(alice: Caller) -> None:
    answer = alice.post("/api-keys", json=KEY)
    made = answer.json
    assert answer.status_code == 201
    assert re.fullmatch(r"sl_[A-Za-z0-9]{22}_[A-Za-z0-9]{22}", made["key"])
    assert made["id"] == f"key_{made['key'][3:25]}"
    assert answer.headers["Location"] == made["_links"]["self"]["href"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert status_with(alice, made["key"]) == 200
    shown = follow(alice, made["_links"]["self"]["href"]).json
    assert {**made, "last_used_at": shown["last_used_at"]} == {**shown, "key": made["key"]}
    assert "key" not in alice.get("/api-keys").json["items"][0]


def test_key_has_what_was_asked_for(alice: Caller) -> None:
    networks = ["192.0.2.0/24", "198.51.100.7", "2001:db8::/48", "::ffff:203.0.113.0/120"]
    made = make_key(
        alice,
        scopes=["stats:read", "links:read"],
        allowed_networks=networks,
        expires_at="2099-01-31T12:00:00+01:00",
    )
    assert made["name"] == "Nightly import"
    assert made["scopes"] == ["links:read", "stats:read"]
    assert made["allowed_networks"] == ["192.0.2.0/24", "198.51.100.7/32", "2001:db8::/48", "203.0.113.0/24"]
    assert made["expires_at"] == "2099-01-31T11:00:00.000Z"
    assert (made["last_used_at"], made["overlap_until"]) == (None, None)


def test_secret_is_stored_as_a_hash_alone(app: Flask, alice: Caller) -> None:
    made = make_key(alice)
    alice.post(f"/api-keys/{made['id']}/rotate", json={})
    [row] = stored(app)
    assert made["key"][26:] not in json.dumps(row, default=str)
    assert list(row["retired"]) == [api_keys.hash_of(made["key"])]


def test_bad_field_is_named(alice: Caller) -> None:
    for field, value in BAD_FIELDS:
        answer = alice.post("/api-keys", json={**KEY, field.partition(".")[0]: value})
        assert (answer.status_code, answer.json["error"]["field"]) == (400, field)
    assert alice.get("/api-keys").json["items"] == []


def test_scope_admin_is_for_those_who_have_a_role(app: Flask, alice: Caller) -> None:
    answer = alice.post("/api-keys", json={**KEY, "scopes": [*SCOPES]})
    assert (answer.status_code, answer.json["error"]["field"]) == (403, "scopes")
    set_role(app, alice, "manager")
    assert make_key(alice, scopes=[*SCOPES])["scopes"] == [*SCOPES]


@pytest.mark.asvs("2.3.2")
def test_account_has_a_bounded_number_of_keys(
    app: Flask, alice: Caller, bob: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_keys, "MOST_KEYS", 2)
    first, _ = make_key(alice), make_key(alice)
    answer = alice.post("/api-keys", json=KEY)
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "CONFLICT")
    make_key(bob)
    alice.delete(f"/api-keys/{first['id']}")
    make_key(alice)


def test_idempotency_key_is_refused(alice: Caller) -> None:
    made = make_key(alice)
    for path, body in (("/api-keys", KEY), (f"/api-keys/{made['id']}/rotate", {})):
        answer = alice.post(path, json=body, headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json["error"]["field"]) == (400, "Idempotency-Key")
    assert len(alice.get("/api-keys").json["items"]) == 1


def test_keys_are_listed_latest_first_page_by_page(alice: Caller, bob: Caller) -> None:
    made = [make_key(alice, name=name)["id"] for name in ("a", "b", "c")]
    first = alice.get("/api-keys?limit=2&fields=id,name").json
    rest = follow(alice, first["_links"]["next"]["href"]).json
    assert [item["id"] for item in first["items"] + rest["items"]] == made[::-1]
    assert first["items"][0] == {"id": made[2], "name": "c"}
    assert bob.get("/api-keys").json["items"] == []


@pytest.mark.asvs("8.2.2")
@pytest.mark.parametrize(
    ("method", "rest"), [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate")]
)
def test_somebody_elses_key_and_none_are_404(alice: Caller, bob: Caller, method: str, rest: str) -> None:
    made = make_key(alice)
    body = {} if method == "GET" else {"json": {}}
    answers = [bob.call(method, f"/api-keys/{key}{rest}", **body) for key in (made["id"], "key_none", "x\0")]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert answers[0].json["error"]["message"] == answers[1].json["error"]["message"]
    assert status_with(alice, made["key"]) == 200


def test_name_and_networks_can_change_and_nothing_else(alice: Caller) -> None:
    made = make_key(alice)
    path = f"/api-keys/{made['id']}"
    changes = {"name": "Other", "allowed_networks": ["127.0.0.1"]}
    wider = {"scopes": [*SCOPES], "expires_at": "2099-01-01T00:00:00Z", "id": "key_x", "last_used_at": None}
    answer = alice.patch(path, json={**wider, **changes})
    assert answer.status_code == 200
    kept = {name: value for name, value in made.items() if name not in ("key", "updated_at")}
    assert {**answer.json, "updated_at": None} == {**kept, "updated_at": None} | changes | {
        "allowed_networks": ["127.0.0.1/32"]
    }
    assert status_with(alice, made["key"], "/users/me") == 403
    assert alice.patch(path, json={"name": None}).status_code == 400
    assert alice.patch(path, json={"secret": "x"}).status_code == 400


def test_change_of_an_older_state_is_412(alice: Caller) -> None:
    path = f"/api-keys/{make_key(alice)['id']}"
    tag = alice.get(path).headers["ETag"]
    assert alice.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert alice.patch(path, json={"name": "b"}, headers={"If-Match": tag}).status_code == 200
    assert alice.patch(path, json={"name": "c"}, headers={"If-Match": tag}).status_code == 412
    assert alice.delete(path, headers={"If-Match": tag}).status_code == 412
    assert alice.delete(path, headers={"If-Match": alice.get(path).headers["ETag"]}).status_code == 204


def test_change_of_nothing_is_no_new_version(app: Flask, alice: Caller) -> None:
    path = f"/api-keys/{make_key(alice)['id']}"
    tag = alice.get(path).headers["ETag"]
    assert alice.patch(path, json={"name": KEY["name"]}).headers["ETag"] == tag
    assert [event["action"] for event in events(app)] == ["api_key.created"]


@pytest.mark.asvs("10.4.9")
def test_revoked_key_is_dead_at_once_and_gone(alice: Caller) -> None:
    made = make_key(alice)
    assert status_with(alice, made["key"]) == 200
    assert alice.delete(f"/api-keys/{made['id']}").status_code == 204
    assert status_with(alice, made["key"]) == 401
    assert alice.get(f"/api-keys/{made['id']}").status_code == 404
    assert alice.delete(f"/api-keys/{made['id']}").status_code == 404


@pytest.mark.asvs("13.3.4")
def test_rotated_key_opens_by_both_secrets_until_the_overlap_ends(
    alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_key(alice)
    path = f"/api-keys/{made['id']}"
    rotated = alice.post(f"{path}/rotate", json={"overlap": 120})
    assert rotated.status_code == 200
    assert rotated.json["id"] == made["id"]
    assert rotated.json["key"][:26] == made["key"][:26]
    assert rotated.json["overlap_until"] is not None
    assert [status_with(alice, shown["key"]) for shown in (made, rotated.json)] == [200, 200]
    let_pass(monkeypatch, seconds=121)
    assert [status_with(alice, shown["key"]) for shown in (made, rotated.json)] == [401, 200]
    assert alice.get(path).json["overlap_until"] is None


def test_overlap_is_a_day_unless_said_otherwise(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_key(alice)
    alice.post(f"/api-keys/{made['id']}/rotate", json={})
    let_pass(monkeypatch, hours=23)
    assert status_with(alice, made["key"]) == 200
    let_pass(monkeypatch, hours=25)
    assert status_with(alice, made["key"]) == 401


def test_rotation_whose_answer_was_lost_can_be_asked_for_again(alice: Caller) -> None:
    """The secret that is deployed stays good, whatever rotations came after."""
    made = make_key(alice)
    latest = [alice.post(f"/api-keys/{made['id']}/rotate", json={}).json["key"] for _ in range(3)]
    assert [status_with(alice, key) for key in (made["key"], *latest)] == [200] * 4


def test_of_many_rotations_the_oldest_secrets_end(alice: Caller) -> None:
    made = make_key(alice)
    latest = [alice.post(f"/api-keys/{made['id']}/rotate", json={}).json["key"] for _ in range(5)]
    assert [status_with(alice, key) for key in (made["key"], *latest)] == [401, *[200] * 5]


def test_rotation_without_overlap_ends_all_earlier_secrets(alice: Caller) -> None:
    made = make_key(alice)
    path = f"/api-keys/{made['id']}/rotate"
    second = alice.post(path, json={}).json["key"]
    third = alice.post(path, json={"overlap": 0}).json
    assert [status_with(alice, key) for key in (made["key"], second, third["key"])] == [401, 401, 200]
    assert third["overlap_until"] is None


def test_overlap_is_a_week_at_most(alice: Caller) -> None:
    path = f"/api-keys/{make_key(alice)['id']}/rotate"
    for overlap in (-1, 604_801, 1.5, "3600", None, True):
        answer = alice.post(path, json={"overlap": overlap})
        assert (answer.status_code, answer.json["error"]["field"]) == (400, "overlap")
    assert alice.post(path, json={"overlap": 604_800}).status_code == 200


def test_rotation_renews_an_expired_key(app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_key(alice, expires_at=from_now(minutes=2))
    path = f"/api-keys/{made['id']}/rotate"
    let_pass(monkeypatch, minutes=3)
    answer = alice.post(path, json={})
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "expires_at")
    renewed = alice.post(path, json={"expires_at": None}).json
    assert renewed["expires_at"] is None
    assert [status_with(alice, key) for key in (made["key"], renewed["key"])] == [401, 200]


def test_earlier_secret_never_outlives_its_own_expiry(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_key(alice, expires_at=from_now(minutes=2))
    alice.post(f"/api-keys/{made['id']}/rotate", json={"expires_at": None})
    let_pass(monkeypatch, minutes=3)
    assert status_with(alice, made["key"]) == 401


def test_new_end_of_a_key_holds_for_earlier_secrets_too(
    alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_key(alice)
    rotated = alice.post(f"/api-keys/{made['id']}/rotate", json={"expires_at": from_now(minutes=2)}).json
    assert rotated["overlap_until"] == rotated["expires_at"]
    let_pass(monkeypatch, minutes=3)
    assert [status_with(alice, key) for key in (made["key"], rotated["key"])] == [401, 401]


def test_what_became_of_a_key_is_recorded_without_its_secret(app: Flask, alice: Caller) -> None:
    made = make_key(alice, allowed_networks=["192.0.2.0/24"])
    path = f"/api-keys/{made['id']}"
    alice.patch(path, json={"allowed_networks": [], "name": "Secret name"})
    rotated = alice.post(f"{path}/rotate", json={"overlap": 60}).json
    alice.delete(path)
    found = events(app)
    assert [event["action"] for event in found] == [
        *("api_key.created", "api_key.changed", "api_key.rotated", "api_key.revoked")
    ]
    assert {(event["subject"], event["owner"], event["actor"]) for event in found} == {
        (made["id"], alice.id, alice.id)
    }
    assert found[0]["after"] == {"scopes": ["links:read"], "expires_at": None, "networks": 1}
    assert found[1]["after"] == {"changed": ["name", "networks"]}
    assert found[2]["after"] == {"overlap_seconds": 60, "expires_at": None}
    told = json.dumps(found, default=str)
    for secret in (made["key"][26:], rotated["key"][26:], "192.0.2", "Secret name", KEY["name"]):
        assert secret not in told


def test_closed_account_leaves_no_key(app: Flask, alice: Caller, bob: Caller) -> None:
    made, kept = make_key(alice), make_key(bob)
    assert alice.delete("/users/me").status_code == 204
    assert status_with(bob, made["key"]) == 401
    assert [row["public_id"] for row in stored(app)] == [kept["id"]]


def test_keys_are_forgotten_thirty_days_after_they_expired(app: Flask, alice: Caller) -> None:
    for _ in range(2):
        make_key(alice, expires_at=from_now(days=1))
    make_key(alice)
    with app.app_context():
        for days, left in ((29, 3), (31, 1)):
            with database.writing() as connection:
                ended = update(ApiKey).where(ApiKey.expires_at.is_not(None))
                connection.execute(ended.values(expires_at=clock.now() - timedelta(days=days)))
            api_keys.forget_expired()
            with database.reading() as connection:
                assert connection.scalar(select(func.count()).select_from(ApiKey)) == left
