"""API keys as thieves and careless programs send them: what opens, what does not, and what is told of it."""

import logging
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text, update
from werkzeug.test import TestResponse

from app import clock, database
from app.accounts.models import ApiKey, User
from app.audit.models import AuditEvent
from tests.conftest import Caller, sign_up
from tests.making import URL, set_role
from tests.security.test_tokens import assert_refused
from tests.sharing import shared

ALL = ["links:read", "links:write", "stats:read", "users:read", "users:write"]


def basic(user: str, password: str = "") -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def make_key(caller: Caller, **fields: Any) -> str:
    made = caller.post("/api-keys", json={"name": "k", "scopes": ALL, **fields})
    assert made.status_code == 201, made.text
    return str(made.json["key"])


@pytest.fixture(scope="module")
def key(victim: Caller) -> str:
    return make_key(victim)


def read(caller: Caller, headers: dict[str, str], path: str = "/users/me", **environ: Any) -> TestResponse:
    """GET with these headers alone, as raw as a server hands them on."""
    raw = {
        f"HTTP_{name.upper().replace('-', '_')}": value.encode().decode("latin-1")
        for name, value in headers.items()
    }
    return caller.client.get(f"/api/v1{path}", environ_overrides={**raw, **environ})


WAYS: dict[str, Callable[[str], dict[str, str]]] = {
    "Bearer": lambda key: {"Authorization": f"Bearer {key}"},
    "bearer": lambda key: {"Authorization": f"bearer  {key} "},
    "X-API-Key": lambda key: {"X-API-Key": key},
    "Basic": lambda key: {"Authorization": basic(key)},
    "BASIC": lambda key: {"Authorization": basic(key).replace("Basic", "BASIC")},
    "Basic with a password": lambda key: {"Authorization": basic(key, "x:ö")},
    "the same key twice": lambda key: {"Authorization": f"Bearer {key}", "X-API-Key": key},
    "the same key twice, as Basic": lambda key: {"Authorization": basic(key), "X-API-Key": key},
    "an empty second": lambda key: {"Authorization": f"Bearer {key}", "X-API-Key": " "},
    "an empty first": lambda key: {"Authorization": "", "X-API-Key": key},
}


@pytest.mark.parametrize("way", WAYS)
def test_key_is_taken_in_each_way(victim: Caller, key: str, way: str) -> None:
    answer = read(victim, WAYS[way](key))
    assert (answer.status_code, answer.json["id"]) == (200, victim.id)
    assert {"Authorization", "X-API-Key"} <= set(answer.vary)


def swapped(key: str) -> str:
    return "".join(char.swapcase() if index > 25 else char for index, char in enumerate(key))


FORGED: dict[str, Callable[[str], str]] = {
    "wrong secret": lambda key: key[:26] + "0" * 22,
    "unknown id": lambda key: f"sl_{'0' * 22}{key[25:]}",
    "no secret": lambda key: key[:26],
    "no id": lambda key: f"sl__{key[26:]}",
    "only the prefix": lambda _: "sl_",
    "secret cut": lambda key: key[:-1],
    "one more": lambda key: key + "A",
    "in another case": swapped,
    "prefix in capitals": lambda key: f"SL_{key[3:]}",
    "public id": lambda key: f"key_{key[3:25]}",
    "public id and secret": lambda key: f"key_{key[3:]}",
    "parts exchanged": lambda key: f"sl_{key[26:]}_{key[3:25]}",
    "wildcard": lambda key: f"sl_{'%' * 22}_{key[26:]}",
    "injection": lambda _: "sl_' OR 1=1 --_",
    "inner space": lambda key: f"{key[:30]} {key[30:]}",
    "two keys": lambda key: f"{key},{key}",
    "quoted": lambda key: f'"{key}"',
    "percent-encoded": lambda key: key.replace("_", "%5F"),
    "full-width": lambda key: key.replace("_", "\uff3f"),
    "accent": lambda key: key[:-1] + "é",
    "NUL": lambda key: key[:-1] + "\0",
    "huge": lambda key: key + "A" * 7000,
    "hash of nobody's": lambda _: "0" * 64,
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_key_opens_nothing(victim: Caller, key: str, name: str) -> None:
    forged = FORGED[name](key)
    for way in ("Bearer", "X-API-Key", "Basic"):
        assert_refused(read(victim, WAYS[way](forged)))


def test_unknown_id_and_wrong_secret_are_told_alike(victim: Caller, key: str) -> None:
    answers = [read(victim, {"X-API-Key": FORGED[name](key)}) for name in ("unknown id", "wrong secret")]
    told = [{**answer.json["error"], "request_id": ""} for answer in answers]
    assert told[0] == told[1]


def test_secret_of_one_key_does_not_open_another(victim: Caller, key: str) -> None:
    other = make_key(victim)
    assert_refused(read(victim, {"X-API-Key": other[:26] + key[26:]}))


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic {key}",
        "Basic",
        "Basic !",
        "Basic " + b64encode(b"no colon").decode(),
        "Basic {raw}=",
        "Basic {raw}{raw}",
        "Basic {password}",
        "Basic {token}",
        "Basic " + b64encode(b"\xff\xfe:").decode(),
        "Token {key}",
        "{key}",
        "Bearer {key}; x",
    ],
)
def test_any_other_form_is_refused(victim: Caller, key: str, authorization: str) -> None:
    made = {
        "key": key,
        "raw": basic(key)[6:],
        "password": basic("", key)[6:],
        "token": basic(str(victim.token))[6:],
    }
    assert_refused(read(victim, {"Authorization": authorization.format(**made)}))


def test_access_token_is_no_api_key(victim: Caller) -> None:
    assert_refused(read(victim, {"X-API-Key": str(victim.token)}))


@pytest.mark.asvs("14.2.1")
@pytest.mark.parametrize("name", ["api_key", "apikey", "key", "access_token", "X-API-Key"])
def test_key_in_the_address_or_a_cookie_is_not_read(victim: Caller, key: str, name: str) -> None:
    assert_refused(victim.client.get(f"/api/v1/users/me?{name}={key}"), "AUTH_REQUIRED")
    assert_refused(read(victim, {"Cookie": f"{name}={key}"}), "AUTH_REQUIRED")


def test_credentials_that_contradict_each_other_are_400(victim: Caller, key: str) -> None:
    other = make_key(victim)
    bearer = f"Bearer {victim.token}"
    for headers in (
        {"Authorization": bearer, "X-API-Key": key},
        {"Authorization": f"Bearer {other}", "X-API-Key": key},
        {"Authorization": basic(other), "X-API-Key": key},
        {"Authorization": bearer, "X-API-Key": "x"},
    ):
        answer = read(victim, headers)
        assert (answer.status_code, answer.json["error"]["field"]) == (400, "X-API-Key")


def test_key_neither_refreshes_nor_signs_out(victim: Caller, key: str) -> None:
    for path in ("refresh", "logout"):
        for way in ("Bearer", "X-API-Key", "Basic"):
            answer = victim.client.post(f"/api/v1/auth/{path}", headers=WAYS[way](key))
            assert_refused(answer, "AUTH_REQUIRED" if way == "X-API-Key" else "INVALID_TOKEN")
    both = {"Authorization": f"Bearer {victim.token}", "X-API-Key": key}
    assert victim.client.post("/api/v1/auth/logout", headers=both).status_code == 400
    assert victim.get("/users/me").status_code == 200


def test_expired_key_says_so_to_who_has_its_secret_alone(house: Flask, victim: Caller) -> None:
    key = make_key(victim, expires_at="2099-01-01T00:00:00Z")
    with house.app_context(), database.writing() as connection:
        ended = update(ApiKey).where(ApiKey.expires_at.is_not(None)).values(expires_at=clock.now())
        connection.execute(ended)
    answer = read(victim, {"X-API-Key": key})
    assert_refused(answer, "AUTH_REQUIRED")
    assert answer.json["error"]["reason"] == "expired"
    assert_refused(read(victim, {"X-API-Key": FORGED["wrong secret"](key)}))


@pytest.mark.parametrize("status", ["disabled", "closed"])
def test_key_is_dead_while_its_owner_is_not_active(house: Flask, status: str) -> None:
    caller = sign_up(house, "owner")
    headers = {"X-API-Key": make_key(caller)}
    for now, answered in ((status, 401), ("active", 200)):
        with house.app_context(), database.writing() as connection:
            connection.execute(update(User).where(User.public_id == caller.id).values(status=now))
        assert read(caller, headers).status_code == answered


@pytest.mark.asvs("8.3.2")
def test_key_has_the_role_that_its_owner_has_now_and_only_with_the_scope(house: Flask) -> None:
    caller = sign_up(house, "boss")
    set_role(house, caller, "admin")
    with_role = make_key(caller, scopes=["links:read", "admin"])
    without = make_key(caller, scopes=["links:read"])

    def asked(key: str) -> list[tuple[int, str | None]]:
        headers = {"X-API-Key": key}
        cache = caller.client.post("/api/v1/cache/invalidate", headers=headers)
        answers = [read(caller, headers, "/links?owner=all"), cache]
        return [(answer.status_code, answer.headers.get("X-Error-Code")) for answer in answers]

    assert asked(with_role) == [(200, None), (204, None)]
    assert asked(without) == [(403, "FORBIDDEN"), (403, "INSUFFICIENT_SCOPE")]
    set_role(house, caller, "user")
    assert asked(with_role) == [(403, "FORBIDDEN"), (403, "FORBIDDEN")]


def test_missing_scope_is_named_in_the_challenge(victim: Caller) -> None:
    answer = read(victim, {"X-API-Key": make_key(victim, scopes=["links:read"])})
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "INSUFFICIENT_SCOPE")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="users:read"'


def test_key_bound_to_networks_opens_there_alone(victim: Caller) -> None:
    headers = {"X-API-Key": make_key(victim, allowed_networks=["192.0.2.0/24", "2001:db8::/48"])}
    inside, outside = ("192.0.2.9", "::ffff:192.0.2.9", "2001:db8::1"), ("127.0.0.1", "2001:db8:1::1", "")
    assert {read(victim, headers, REMOTE_ADDR=at).status_code for at in inside} == {200}
    for at in outside:
        answer = read(victim, {**headers, "X-Forwarded-For": "192.0.2.9"}, REMOTE_ADDR=at)
        assert (answer.status_code, answer.json["error"]["code"]) == (403, "FORBIDDEN")
        assert "address" in answer.json["error"]["message"]


@pytest.mark.asvs("16.3.2", "16.3.3")
def test_use_from_elsewhere_is_recorded_once_a_minute(house: Flask) -> None:
    caller = sign_up(house, "bound")
    key = make_key(caller, allowed_networks=["192.0.2.0/24"])
    for _ in range(3):
        assert read(caller, {"X-API-Key": key}, REMOTE_ADDR="198.51.100.7").status_code == 403
    refused = caller.client.patch("/api/v1/users/me", headers={"X-API-Key": key}, json={"name": "x"})
    assert refused.status_code == 403
    query = select(AuditEvent).where(AuditEvent.action == "api_key.refused", AuditEvent.owner == caller.id)
    with house.app_context(), database.reading() as connection:
        [event] = connection.execute(query).all()
    assert (event.subject, event.actor, event.outcome) == (f"key_{key[3:25]}", None, "failure")
    assert event.ip_prefix == "198.51.100.0/24"


def test_last_use_is_noted_to_the_minute(house: Flask, victim: Caller) -> None:
    key = make_key(victim)
    path = f"/api-keys/key_{key[3:25]}"

    def used_at() -> str | None:
        at: str | None = victim.get(path).json["last_used_at"]
        return at

    assert used_at() is None
    read(victim, {"X-API-Key": FORGED["wrong secret"](key)})
    assert used_at() is None
    read(victim, {"X-API-Key": key})
    first = used_at()
    read(victim, {"X-API-Key": key})
    assert used_at() == first is not None
    a_minute_ago = clock.now() - timedelta(minutes=1)
    with house.app_context(), database.writing() as connection:
        connection.execute(
            update(ApiKey).where(ApiKey.public_id == path[10:]).values(last_used_at=a_minute_ago)
        )
    read(victim, {"X-API-Key": key})
    assert used_at() != first


def test_use_that_cannot_be_noted_is_no_reason_to_fail(house: Flask, victim: Caller) -> None:
    key = make_key(victim)
    bound = make_key(victim, allowed_networks=["192.0.2.0/24"])
    refuse = "CREATE TRIGGER full BEFORE UPDATE ON api_keys BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    for statement, noted in ((refuse, False), ("DROP TRIGGER full", True)):
        with house.app_context(), database.writing() as connection:
            connection.execute(text(statement))
        assert read(victim, {"X-API-Key": key}).status_code == 200
        assert read(victim, {"X-API-Key": bound}).status_code == 403
        assert (victim.get(f"/api-keys/key_{key[3:25]}").json["last_used_at"] is not None) is noted


def test_retry_by_key_of_what_its_owner_sent_makes_nothing_twice(victim: Caller, key: str) -> None:
    headers = {"Idempotency-Key": "one"}
    made = victim.post("/links", json={"url": URL}, headers=headers)
    again = Caller(victim.client).post("/links", json={"url": URL}, headers={**headers, "X-API-Key": key})
    assert (again.status_code, again.json["code"]) == (201, made.json["code"])
    assert again.headers["Idempotency-Replayed"] == "true"


def test_secrets_stand_in_no_log_and_no_answer(
    victim: Caller, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bodies = []
    for sent in (key, FORGED["wrong secret"](key).replace("0" * 22, "Canary" * 3 + "Wxyz")):
        for way in WAYS.values():
            answers = [read(victim, way(sent)), read(victim, way(sent), "/nothing")]
            bodies += [f"{answer.headers}{answer.text}" for answer in answers]
        bodies.append(read(victim, {"Authorization": f"Bearer {victim.token}", "X-API-Key": sent}).text)
    told = caplog.text + "".join(bodies)
    assert "request" in caplog.text
    assert (key[26:] in told, "CanaryCanary" in told) == (False, False)


@pytest.fixture
def limited(sqlite_template: Path, tmp_path: Path) -> Any:
    """An application whose limits are on."""
    limits = {"LIMIT_USER": "5/minute", "LIMIT_MANAGER": "9/minute", "LIMIT_ANONYMOUS": "20/minute"}
    with shared(sqlite_template, tmp_path, RATELIMIT_ENABLED="true", **limits) as app:
        yield app


def test_user_and_keys_spend_from_one_bucket(limited: Flask) -> None:
    caller = sign_up(limited, "spender")
    keys = [make_key(caller) for _ in range(2)]
    assert [read(caller, {"X-API-Key": key}).status_code for key in keys] == [200, 200]
    assert caller.get("/users/me").headers["RateLimit"].startswith('"user-60";r=0')
    assert read(caller, {"X-API-Key": keys[0]}).status_code == 429
    assert caller.get("/users/me").status_code == 429


def test_key_without_its_owners_role_spends_from_the_owners_bucket(limited: Flask) -> None:
    caller = sign_up(limited, "manager")
    set_role(limited, caller, "manager")
    answer = read(caller, {"X-API-Key": make_key(caller, scopes=["users:read"])})
    assert answer.headers["RateLimit"].startswith('"manager-60";r=7')


def test_key_that_is_not_taken_spends_from_the_address(limited: Flask) -> None:
    caller = sign_up(limited, "victim")
    bound = make_key(caller, allowed_networks=["192.0.2.0/24"])
    for key in (FORGED["wrong secret"](bound), bound):
        answer = read(caller, {"X-API-Key": key})
        assert answer.headers["RateLimit"].startswith('"anonymous-60"')
    answers = [read(caller, {"X-API-Key": bound}).status_code for _ in range(20)]
    assert answers[-1] == 429
    assert caller.get("/users/me").status_code == 200
