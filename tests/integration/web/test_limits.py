"""Volume limits of the API: who spends from which bucket, to the very call."""

import itertools
import secrets

import jwt
import pytest
import time_machine
from werkzeug.test import TestResponse

from app import clock
from tests.conftest import SECRETS, AppFactory, Caller, sign_up
from tests.integration.web.conftest import Shape
from tests.making import set_role

ON = {"RATELIMIT_ENABLED": "true"}
_addresses = (f"198.51.100.{number}" for number in itertools.count(1))


def calls(caller: Caller, number: int, path: str = "/users/me", **options: object) -> list[int]:
    return [caller.get(path, **options).status_code for _ in range(number)]


def from_address(address: str) -> dict[str, dict[str, str]]:
    return {"environ_base": {"REMOTE_ADDR": address}}


def states(answer: TestResponse) -> dict[str, dict[str, int]]:
    """The RateLimit header: name > parameter > number."""
    found = {}
    for item in answer.headers["RateLimit"].split(", "):
        name, *parameters = item.split(";")
        found[name.strip('"')] = {key: int(value) for key, value in (part.split("=") for part in parameters)}
    return found


@pytest.mark.asvs("2.4.1")
def test_sixty_first_anonymous_call_in_a_minute_is_429(make_app: AppFactory, one_shape: Shape) -> None:
    anonymous = Caller(make_app(**ON).test_client())
    assert calls(anonymous, 60) == [401] * 60
    answer = anonymous.get("/users/me")
    one_shape(answer, 429, "RATE_LIMITED")
    wait = int(answer.headers["Retry-After"])
    assert 1 <= wait <= 60
    with time_machine.travel(clock.now().timestamp() + wait):
        assert calls(anonymous, 1) == [401]


def test_window_of_a_second_is_over_after_a_second(make_app: AppFactory) -> None:
    anonymous = Caller(make_app(**ON, LIMIT_ANONYMOUS="2/1second").test_client())
    with time_machine.travel(clock.now(), tick=False) as travel:
        assert calls(anonymous, 3) == [401, 401, 429]
        travel.shift(1)
        assert calls(anonymous, 3) == [401, 401, 429]


@pytest.mark.asvs("2.4.1")
def test_longer_window_holds_beside_the_shorter(make_app: AppFactory) -> None:
    anonymous = Caller(make_app(**ON, LIMIT_ANONYMOUS="3/minute;5/hour").test_client())
    assert calls(anonymous, 4) == [401] * 3 + [429]
    with time_machine.travel(clock.now().timestamp() + 61):
        assert calls(anonymous, 2) == [401] * 2
        answer = anonymous.get("/users/me")
    assert answer.status_code == 429
    assert 3500 < int(answer.headers["Retry-After"]) <= 3600


@pytest.mark.parametrize(
    ("role", "setting"), [("user", "LIMIT_USER"), ("manager", "LIMIT_MANAGER"), ("admin", "LIMIT_ADMIN")]
)
def test_each_role_has_a_limit_of_its_own(make_app: AppFactory, role: str, setting: str) -> None:
    others = {"LIMIT_USER": "99/minute", "LIMIT_MANAGER": "99/minute", "LIMIT_ADMIN": "99/minute"}
    app = make_app(**ON, **{**others, setting: "4/minute"})
    alice = sign_up(app, "alice")
    set_role(app, alice, role)
    assert calls(alice, 5) == [200] * 4 + [429]


def test_admin_has_no_limit_and_a_manager_four_times_a_users(make_app: AppFactory) -> None:
    app = make_app(**ON)
    alice = sign_up(app, "alice")
    policies = {}
    for role in ("user", "manager", "admin"):
        set_role(app, alice, role)
        policies[role] = alice.get("/users/me").headers.get("RateLimit-Policy")
    assert policies == {
        "user": '"user-60";q=300;w=60, "user-86400";q=10000;w=86400',
        "manager": '"manager-60";q=1200;w=60, "manager-86400";q=40000;w=86400',
        "admin": None,
    }


def test_users_do_not_spend_from_each_other_nor_from_their_address(make_app: AppFactory) -> None:
    app = make_app(**ON, LIMIT_USER="3/minute", LIMIT_ANONYMOUS="20/minute")
    alice, bob = sign_up(app, "alice"), sign_up(app, "bob")
    assert calls(alice, 4) == [200] * 3 + [429]
    assert calls(bob, 3) == [200] * 3
    assert calls(Caller(app.test_client()), 21) == [401] * 20 + [429]
    assert calls(bob, 1) == [429]


def test_second_session_of_a_user_spends_from_the_same_bucket(make_app: AppFactory) -> None:
    app = make_app(**ON, LIMIT_USER="3/minute")
    alice = sign_up(app, "alice")
    pair = alice.post("/auth/refresh", headers={"Authorization": f"Bearer {alice.refresh_token}"}).json
    other = Caller(app.test_client(), token=pair["access_token"])
    assert calls(alice, 2) + calls(other, 2) == [200, 200, 200, 429]


def test_random_tokens_spend_from_the_addresss_bucket(make_app: AppFactory) -> None:
    client = make_app(**ON, LIMIT_ANONYMOUS="5/minute").test_client()
    callers = [Caller(client, token=secrets.token_hex(20)) for _ in range(7)]
    assert [caller.get("/users/me").status_code for caller in callers] == [401] * 5 + [429] * 2


def test_forged_token_spends_nothing_of_the_user_it_names(make_app: AppFactory) -> None:
    app = make_app(**ON, LIMIT_USER="3/minute", LIMIT_ANONYMOUS="50/minute")
    alice = sign_up(app, "alice")
    claims = jwt.decode(alice.token or "", options={"verify_signature": False})
    forged = jwt.encode(claims, "another key that is long enough by itself", "HS256")
    assert calls(Caller(app.test_client(), token=forged), 10) == [401] * 10
    assert calls(alice, 3) == [200] * 3


@pytest.mark.parametrize("when", ["expired", "ended"])
def test_token_that_was_good_once_spends_from_the_address(make_app: AppFactory, when: str) -> None:
    app = make_app(**ON, LIMIT_USER="100/minute", LIMIT_ANONYMOUS="6/minute")
    alice = sign_up(app, "alice")
    if when == "ended":
        alice.post("/auth/logout")
    minutes = 20 if when == "expired" else 2
    with time_machine.travel(clock.now().timestamp() + 60 * minutes):
        assert calls(alice, 7) == [401] * 6 + [429]


@pytest.mark.parametrize("secret", SECRETS.values())
def test_token_of_another_type_spends_from_the_address(make_app: AppFactory, secret: str) -> None:
    app = make_app(**ON, LIMIT_ANONYMOUS="6/minute")
    alice = sign_up(app, "alice")
    token = jwt.encode({"sub": alice.id, "type": "access"}, secret, "HS256")
    assert calls(Caller(alice.client, token=token), 7) == [401] * 6 + [429]


def test_addresses_are_told_apart_and_ipv6_by_network(make_app: AppFactory) -> None:
    anonymous = Caller(make_app(**ON, LIMIT_ANONYMOUS="2/minute").test_client())
    assert calls(anonymous, 3, **from_address("192.0.2.1")) == [401, 401, 429]
    assert calls(anonymous, 1, **from_address("192.0.2.2")) == [401]
    statuses = [
        anonymous.get("/users/me", **from_address(f"2001:db8:0:7::{host}")).status_code for host in range(3)
    ]
    assert statuses == [401, 401, 429]
    assert calls(anonymous, 1, **from_address("2001:db8:0:8::1")) == [401]
    assert calls(anonymous, 1, **from_address("::ffff:192.0.2.1")) == [429]


@pytest.mark.asvs("15.3.4")
@pytest.mark.parametrize(("hops", "statuses"), [("0", [401, 401, 429]), ("1", [401, 401, 401])])
def test_forwarded_addresses_count_behind_a_trusted_proxy_alone(
    make_app: AppFactory, hops: str, statuses: list[int]
) -> None:
    anonymous = Caller(make_app(**ON, LIMIT_ANONYMOUS="2/minute", PROXY_HOPS=hops).test_client())
    sent = [{"X-Forwarded-For": f"6.6.6.6, {next(_addresses)}"} for _ in range(3)]
    assert [anonymous.get("/users/me", headers=headers).status_code for headers in sent] == statuses


def test_headers_count_down_truly(make_app: AppFactory) -> None:
    anonymous = Caller(make_app(**ON, LIMIT_ANONYMOUS="3/minute;50/hour").test_client())
    with time_machine.travel(1_800_000_000, tick=False) as travel:
        first = anonymous.get("/users/me")
        assert first.headers["RateLimit-Policy"] == '"anonymous-60";q=3;w=60, "anonymous-3600";q=50;w=3600'
        assert states(first) == {"anonymous-60": {"r": 2, "t": 60}, "anonymous-3600": {"r": 49, "t": 3600}}
        travel.shift(20)
        second = anonymous.get("/users/me")
        assert states(second) == {"anonymous-60": {"r": 1, "t": 40}, "anonymous-3600": {"r": 48, "t": 3580}}
        anonymous.get("/users/me")
        refused = anonymous.get("/users/me")
        assert refused.status_code == 429
        assert states(refused)["anonymous-60"] == {"r": 0, "t": 40}
        assert refused.headers["Retry-After"] == "40"
        numbers = [refused.headers[f"X-RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")]
        assert numbers == ["3", "0", "1800000060"]


@pytest.mark.parametrize("path", ["/auth/login", "/auth/register", "/auth/refresh", "/auth/logout"])
def test_calls_without_a_credential_are_limited_before_anything_is_read(
    make_app: AppFactory, path: str
) -> None:
    anonymous = Caller(make_app(**ON, LIMIT_ANONYMOUS="2/minute").test_client())
    statuses = [anonymous.post(path, data="no json").status_code for _ in range(3)]
    assert statuses[2] == 429
    assert 429 not in statuses[:2]


@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/readyz",
        "/metrics",
        "/docs",
        "/docs/swagger-ui.css",
        "/robots.txt",
        "/api/v1/openapi.json",
    ],
)
def test_health_metrics_and_docs_are_exempt(make_app: AppFactory, path: str) -> None:
    client = make_app(**ON, LIMIT_ANONYMOUS="1/minute").test_client()
    for _ in range(4):
        with client.get(path) as answer:
            assert answer.status_code == 200
            assert not [name for name, _ in answer.headers if "RateLimit" in name]


def test_switched_off_limits_leave_no_trace(make_app: AppFactory) -> None:
    anonymous = Caller(make_app(LIMIT_ANONYMOUS="1/minute").test_client())
    answers = [anonymous.get("/users/me") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401] * 3
    assert not [name for name, _ in answers[0].headers if "RateLimit" in name]


@pytest.mark.asvs("2.4.1")
def test_searching_and_counting_have_a_bucket_of_their_own(make_app: AppFactory) -> None:
    caller = sign_up(make_app(**ON, LIMIT_SEARCH="2/minute"), "alice")
    assert calls(caller, 1, "/links?q=a") + calls(caller, 2, "/links?include_total=true") == [200, 200, 429]
    assert calls(caller, 1, "/auth/sessions?include_total=true") == [429]
    assert calls(caller, 3, "/links") == [200] * 3
