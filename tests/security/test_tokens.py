"""Malformed, forged and stale tokens: each is 401 with a challenge, none is an error of ours."""

import base64
import json
import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import time_machine
from flask import Flask
from sqlalchemy import Update, update
from werkzeug.test import TestResponse

from app import clock, database
from app.accounts.models import Session, User
from tests.conftest import SECRETS, Caller, sign_up

KEY = SECRETS["JWT_SECRET"]
OTHER_KEY = "b1946ac92492d2347c6235b4d2611184b1946ac92492d2347c6235b4d2611184"
CLAIMS = ("iss", "aud", "sub", "sid", "jti", "type", "iat", "nbf", "exp")
MISSING = object()


def b64(data: bytes | str | dict[str, Any]) -> str:
    if isinstance(data, dict):
        data = json.dumps(data)
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def signed(
    claims: dict[str, Any], key: Any = KEY, algorithm: str = "HS256", headers: dict[str, Any] | None = None
) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # forgers don't mind short keys
        return jwt.encode(claims, key, algorithm, headers)


def with_signature(head: str, body: str) -> str:
    """A token whose parts are ours to choose, rightly signed."""
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        f"{head}.{body}".encode(), KEY.encode()
    )
    return f"{head}.{body}.{b64(signature)}"


def changed(**changes: Any) -> Callable[[str], str]:
    """Our own key, and claims that are not right."""

    def forge(token: str) -> str:
        claims = {**claims_of(token), **changes}
        body = {name: value for name, value in claims.items() if value is not MISSING}
        return with_signature(token.split(".", maxsplit=1)[0], b64(body))

    return forge


def payload(body: str) -> Callable[[str], str]:
    """Our own key, and a body that PyJWT would not write."""
    return lambda token: with_signature(token.split(".")[0], b64(body))


def header(**fields: Any) -> Callable[[str], str]:
    """Our own key, and header fields that are not ours."""
    return lambda token: with_signature(b64({"alg": "HS256", "typ": "JWT", **fields}), token.split(".")[1])


def unsigned(alg: Any) -> Callable[[str], str]:
    return lambda token: f"{b64({'alg': alg, 'typ': 'JWT'})}.{token.split('.')[1]}."


def parts(change: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    return lambda token: ".".join(change(token.split(".")))


def tampered(token: str) -> str:
    head, _, signature = token.split(".")
    return f"{head}.{b64({**claims_of(token), 'sub': 'usr_0000000000000000000000'})}.{signature}"


NOW = int(time.time())
FORGED: dict[str, Callable[[str], str]] = {
    "garbage": lambda _: "garbage",
    "dots": lambda _: "..",
    "many dots": lambda _: "." * 5000,
    "two parts": parts(lambda p: p[:2]),
    "four parts": parts(lambda p: [*p, "x"]),
    "no signature": parts(lambda p: [*p[:2], ""]),
    "cut signature": lambda token: token[:-1],
    "other signature": parts(lambda p: [*p[:2], p[2][::-1]]),
    "padded": lambda token: token + "==",
    "not base64": lambda _: "\u00e9.\u00e9.\u00e9",
    "control characters": lambda _: "a\x01b.c.d",
    "huge": lambda token: token + "A" * 7000,
    "huge number of digits": payload('{"exp": ' + "9" * 5000 + "}"),
    "inner space": lambda token: f"{token[:20]} {token[20:]}",
    "two tokens": lambda token: f"{token}, {token}",
    "tampered payload": tampered,
    "payload is no JSON": payload("no json"),
    "payload is a list": payload("[]"),
    "payload is a string": payload('"x"'),
    "payload is deep": payload("[" * 5500),
    "payload is deep and whole": payload('{"sub":' + "[" * 2500 + "]" * 2500 + "}"),
    "payload is empty": payload("{}"),
    "payload has surrogates": payload('{"sub": "\\ud800"}'),
    "header is deep": lambda token: f"{b64('[' * 5500)}.{token.split('.')[1]}.x",
    "header is deep and whole": lambda token: (
        f"{b64('{' + chr(34) + 'a' + chr(34) + ':' + '[' * 2500 + ']' * 2500 + '}')}.{token.split('.')[1]}.x"
    ),
    "header is a list": lambda token: f"{b64('[]')}.{token.split('.')[1]}.x",
    "header is empty": lambda token: f".{token.split('.')[1]}.x",
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "alg nOnE": unsigned("nOnE"),
    "alg empty": unsigned(""),
    "alg null": unsigned(None),
    "alg list": unsigned(["HS256"]),
    "alg object": unsigned({"a": 1}),
    "alg number": unsigned(256),
    "alg missing": lambda token: f"{b64({'typ': 'JWT'})}.{token.split('.')[1]}.{token.split('.')[2]}",
    "HS512, our key": lambda token: signed(claims_of(token), KEY, "HS512"),
    "HS384, our key": lambda token: signed(claims_of(token), KEY, "HS384"),
    **{f"alg {name}": header(alg=name) for name in ("RS256", "ES256", "EdDSA", "PS256", "hs256", "HS256 ")},
    "another key": lambda token: signed(claims_of(token), OTHER_KEY),
    "the other secret": lambda token: signed(claims_of(token), SECRETS["SECRET_KEY"]),
    "short key": lambda token: signed(claims_of(token), "x"),
    "jwk header, another key": lambda token: signed(
        claims_of(token), OTHER_KEY, headers={"jwk": {"kty": "oct", "k": b64(OTHER_KEY)}}
    ),
    "jku header, another key": lambda token: signed(
        claims_of(token), OTHER_KEY, headers={"jku": "http://127.0.0.1:1/keys"}
    ),
    "kid is a path": lambda token: signed(claims_of(token), "\n", headers={"kid": "../../../dev/null"}),
    "kid is a number": header(kid=7),
    "kid is an object": header(kid={"a": 1}),
    "unknown critical extension": header(crit=["exp2"], exp2=1),
    "critical list is none": header(crit="exp"),
    "detached payload": header(b64=False, crit=["b64"]),
    **{f"without {name}": changed(**{name: MISSING}) for name in CLAIMS},
    **{f"{name} is null": changed(**{name: None}) for name in CLAIMS},
    **{f"{name} is an object": changed(**{name: {"a": 1}}) for name in CLAIMS},
    **{f"{name} is a list": changed(**{name: ["x"]}) for name in CLAIMS if name != "aud"},
    **{f"{name} is a number": changed(**{name: 7}) for name in ("iss", "aud", "sub", "sid", "jti", "type")},
    **{f"{name} is text": changed(**{name: "soon"}) for name in ("iat", "nbf", "exp")},
    **{f"{name} is infinite": changed(**{name: math.inf}) for name in ("iat", "nbf", "exp")},
    **{f"{name} is NaN": changed(**{name: math.nan}) for name in ("iat", "nbf", "exp")},
    "wrong issuer": changed(iss="sluglime"),
    "issuer in another case": changed(iss="Slugline"),
    "wrong audience": changed(aud="another service"),
    "audience is a list with ours": changed(aud=["slugline", "x"]),
    "refresh token": changed(type="refresh"),
    "unknown type": changed(type="ACCESS"),
    "type is empty": changed(type=""),
    "not yet valid": changed(nbf=NOW + 3600),
    "issued in the future": changed(iat=NOW + 3600),
    "unknown user": changed(sub="usr_0000000000000000000000"),
    "unknown session": changed(sid="ses_0000000000000000000000"),
    "user is an injection": changed(sub="' OR 1=1 --"),
    "user has a NUL": changed(sub="usr_\x00"),
    "user has a surrogate": changed(sub="usr_\ud800"),
    "session has a surrogate": changed(sid="ses_\udfff"),
    "user is empty": changed(sub=""),
    "session is huge": changed(sid="s" * 3000),
}


def assert_refused(answer: TestResponse, code: str = "INVALID_TOKEN") -> None:
    assert answer.status_code == 401, answer.text
    assert answer.mimetype == "application/json"
    assert (answer.json["error"]["code"], answer.headers["X-Error-Code"]) == (code, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["Cache-Control"] == "no-store"


def read(caller: Caller, authorization: str) -> TestResponse:
    encoded = authorization.encode().decode("latin-1")
    return caller.client.get("/api/v1/users/me", environ_overrides={"HTTP_AUTHORIZATION": encoded})


@pytest.mark.parametrize("name", FORGED)
def test_forged_token_opens_nothing(victim: Caller, name: str) -> None:
    forged = FORGED[name](victim.token or "")
    assert forged != victim.token
    answer = read(victim, f"Bearer {forged}")
    assert_refused(answer)
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


# A refresh token may be one; and whose session it ends is said by the session, not by the user.
@pytest.mark.parametrize("name", [name for name in FORGED if name != "refresh token" and "user" not in name])
def test_forged_token_neither_refreshes_nor_signs_out(house: Flask, victim: Caller, name: str) -> None:
    forged = FORGED[name](victim.refresh_token or "").encode().decode("latin-1")
    for path in ("refresh", "logout"):
        answer = victim.client.post(
            f"/api/v1/auth/{path}", environ_overrides={"HTTP_AUTHORIZATION": f"Bearer {forged}"}
        )
        assert_refused(answer)
    assert read(victim, f"Bearer {victim.token}").status_code == 200


@pytest.mark.parametrize("forge", [changed(), header(kid="k"), header(typ="at+jwt")])
def test_forgers_tools_make_a_good_token_where_nothing_is_changed(
    victim: Caller, forge: Callable[[str], str]
) -> None:
    """The control: what the others are refused for is the one thing that they change."""
    assert read(victim, f"Bearer {forge(victim.token or '')}").status_code == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "beArer", "Bearer  "])
def test_scheme_is_taken_in_any_case(victim: Caller, scheme: str) -> None:
    assert read(victim, f"{scheme} {victim.token}").status_code == 200


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "AUTH_REQUIRED"),
        ("   ", "AUTH_REQUIRED"),
        ("Bearer", "INVALID_TOKEN"),
        ("Bearer   ", "INVALID_TOKEN"),
        ("Basic dmljdGltOng=", "INVALID_TOKEN"),
        ("Basic {token}", "INVALID_TOKEN"),
        ("Digest username=x", "INVALID_TOKEN"),
        ("Token {token}", "INVALID_TOKEN"),
        ("{token}", "INVALID_TOKEN"),
        ("Bearer:{token}", "INVALID_TOKEN"),
        ("Bearer={token}", "INVALID_TOKEN"),
        ("Bearer,{token}", "INVALID_TOKEN"),
        ('Bearer "{token}"', "INVALID_TOKEN"),
        ("Bearer {token};x", "INVALID_TOKEN"),
        ("Bearer Bearer {token}", "INVALID_TOKEN"),
        # What a server makes of two Authorization headers.
        ("Bearer {token},Bearer {token}", "INVALID_TOKEN"),
        ("Basic x,Bearer {token}", "INVALID_TOKEN"),
    ],
)
def test_any_other_header_is_refused(victim: Caller, authorization: str, code: str) -> None:
    assert_refused(read(victim, authorization.replace("{token}", victim.token or "")), code)


@pytest.mark.parametrize(
    "path", ["/users/me?access_token={token}", "/users/me?token={token}", "/users/me?jwt={token}"]
)
def test_token_in_the_address_is_not_read(victim: Caller, path: str) -> None:
    assert_refused(
        victim.client.get(f"/api/v1{path}".replace("{token}", victim.token or "")), "AUTH_REQUIRED"
    )


@pytest.mark.parametrize("name", ["access_token", "access_token_cookie", "token", "Authorization"])
def test_token_in_a_cookie_is_not_read(victim: Caller, name: str) -> None:
    headers = {"Cookie": f"{name}={victim.token}"}
    assert_refused(victim.client.get("/api/v1/users/me", headers=headers), "AUTH_REQUIRED")


@pytest.mark.parametrize("minutes", [15, 16, 600])
def test_expired_token_says_that_it_expired(victim: Caller, minutes: int) -> None:
    with time_machine.travel(claims_of(victim.token or "")["iat"] + 60 * minutes + 1):
        answer = read(victim, f"Bearer {victim.token}")
    assert_refused(answer, "AUTH_REQUIRED")
    assert answer.json["error"]["reason"] == "expired"
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_token_lives_for_fifteen_minutes(victim: Caller) -> None:
    claims = claims_of(victim.token or "")
    assert claims["exp"] - claims["iat"] == 900
    with time_machine.travel(claims["exp"] - 2):
        assert read(victim, f"Bearer {victim.token}").status_code == 200


def test_expired_token_of_another_key_is_invalid_and_not_expired(victim: Caller) -> None:
    forged = signed({**claims_of(victim.token or ""), "exp": NOW - 3600}, OTHER_KEY)
    assert_refused(read(victim, f"Bearer {forged}"), "INVALID_TOKEN")


def test_token_tells_nobody_who_its_holder_is(victim: Caller) -> None:
    for token in (victim.token, victim.refresh_token):
        claims = claims_of(token or "")
        assert set(claims) <= {*CLAIMS, "fresh", "csrf"}
        assert victim.email not in json.dumps(claims)
        assert jwt.get_unverified_header(token or "") == {"alg": "HS256", "typ": "JWT"}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (update(User).values(status="disabled"), 401),
        (update(User).values(status="closed"), 401),
        (update(User).values(role="manager"), 200),
        (update(Session).values(ended_at=clock.now()), 401),
    ],
)
def test_what_is_stored_counts_and_not_what_the_token_was_made_for(
    house: Flask, change: Update, status: int
) -> None:
    caller = sign_up(house, "stored")
    where = User.public_id if change.table.name == "users" else Session.public_id
    name = "sub" if change.table.name == "users" else "sid"
    with house.app_context(), database.writing() as connection:
        connection.execute(change.where(where == claims_of(caller.token or "")[name]))
    answer = read(caller, f"Bearer {caller.token}")
    assert answer.status_code == status
    assert status != 200 or answer.json["role"] == "manager"


def test_two_users_cannot_mix_their_tokens(house: Flask, victim: Caller) -> None:
    thief = sign_up(house, "thief")
    mixed = signed({**claims_of(thief.token or ""), "sub": claims_of(victim.token or "")["sub"]})
    assert_refused(read(victim, f"Bearer {mixed}"))
