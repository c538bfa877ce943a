"""Malformed, forged and stale tokens: each is 401 with a challenge, none is an error of ours."""

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from sqlalchemy import Update, update
from werkzeug.test import TestResponse

from app import clock, database
from app.accounts import signing_keys
from app.accounts.models import Session, User
from app.accounts.signing_keys import Key
from tests.conftest import SECRETS, Caller, sign_up
from tests.security import forging
from tests.security.forging import KEY, OTHER_KEY, SIGNERS, House, b64, claims_of, signed, with_signature

CLAIMS = ("iss", "aud", "sub", "sid", "jti", "type", "iat", "nbf", "exp")
MISSING = object()
Forge = Callable[[str, House], str]
_PRIVATE = Ed25519PrivateKey.generate()
STRANGER = Key("stranger", "EdDSA", _PRIVATE, _PRIVATE.public_key(), clock.now())  # never in the ring


def changed(**changes: Any) -> Forge:
    """Our own key, and claims that are not right."""

    def forge(token: str, at: House) -> str:
        claims = {**claims_of(token), **changes}
        body = {name: value for name, value in claims.items() if value is not MISSING}
        return with_signature(token.split(".", maxsplit=1)[0], b64(body), at.key.private, at.key.algorithm)

    return forge


def payload(body: str) -> Forge:
    """Our own key, and a body that PyJWT would not write."""
    return lambda token, at: with_signature(token.split(".")[0], b64(body), at.key.private, at.key.algorithm)


def header(**fields: Any) -> Forge:
    """Our own key, and header fields that are not ours."""

    def forge(token: str, at: House) -> str:
        named = {name: value for name, value in {**at.fields, **fields}.items() if value is not MISSING}
        return with_signature(b64(named), token.split(".")[1], at.key.private, at.key.algorithm)

    return forge


def by(key: Callable[[House], Key], **fields: Any) -> Forge:
    """Another key, by its own algorithm, under the header of ours but for `fields`."""
    return lambda token, at: with_signature(
        b64({**at.fields, **fields}), token.split(".")[1], key(at).private, key(at).algorithm
    )


def unsigned(alg: Any) -> Forge:
    return lambda token, at: f"{b64({**at.fields, 'alg': alg})}.{token.split('.')[1]}."


def mac(key: bytes | str, **fields: Any) -> Forge:
    """An HMAC by a key of the forger's choice, said to be by ours."""
    return lambda token, at: with_signature(
        b64({**at.fields, "alg": "HS256", **fields}), token.split(".")[1], key, "HS256"
    )


def parts(change: Callable[[list[str]], list[str]]) -> Forge:
    return lambda token, _: ".".join(change(token.split(".")))


def tampered(token: str, _: House) -> str:
    head, _, signature = token.split(".")
    return f"{head}.{b64({**claims_of(token), 'sub': 'usr_0000000000000000000000'})}.{signature}"


NOW, DAY = int(time.time()), 86_400


def public_as_secret(form: int) -> Forge:
    """The key confusion of RFC 8725 §2.1; where there is no public key, an HMAC by the name of the secret."""

    def forge(token: str, at: House) -> str:
        key = (at.public_forms or [at.key.kid.encode()] * 3)[form]
        return mac(key)(token, at)

    return forge


FORGED: dict[str, Forge] = {
    "garbage": lambda _, __: "garbage",
    "dots": lambda _, __: "..",
    "many dots": lambda _, __: "." * 5000,
    "two parts": parts(lambda p: p[:2]),
    "four parts": parts(lambda p: [*p, "x"]),
    "no signature": parts(lambda p: [*p[:2], ""]),
    "cut signature": lambda token, _: token[:-1],
    "other signature": parts(lambda p: [*p[:2], p[2][::-1]]),
    "padded": lambda token, _: token + "==",
    "not base64": lambda _, __: "\u00e9.\u00e9.\u00e9",
    "control characters": lambda _, __: "a\x01b.c.d",
    "huge": lambda token, _: token + "A" * 7000,
    "huge number of digits": payload('{"exp": ' + "9" * 5000 + "}"),
    "inner space": lambda token, _: f"{token[:20]} {token[20:]}",
    "two tokens": lambda token, _: f"{token}, {token}",
    "tampered payload": tampered,
    "payload is no JSON": payload("no json"),
    "payload is a list": payload("[]"),
    "payload is a string": payload('"x"'),
    "payload is deep": payload("[" * 5500),
    "payload is deep and whole": payload('{"sub":' + "[" * 2500 + "]" * 2500 + "}"),
    "payload is empty": payload("{}"),
    "payload has surrogates": payload('{"sub": "\\ud800"}'),
    "header is deep": lambda token, _: f"{b64('[' * 5500)}.{token.split('.')[1]}.x",
    "header is deep and whole": lambda token, _: (
        f"{b64('{' + chr(34) + 'a' + chr(34) + ':' + '[' * 2500 + ']' * 2500 + '}')}.{token.split('.')[1]}.x"
    ),
    "header is a list": lambda token, _: f"{b64('[]')}.{token.split('.')[1]}.x",
    "header is empty": lambda token, _: f".{token.split('.')[1]}.x",
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "alg nOnE": unsigned("nOnE"),
    "alg empty": unsigned(""),
    "alg null": unsigned(None),
    "alg list": unsigned(["HS256"]),
    "alg object": unsigned({"a": 1}),
    "alg number": unsigned(256),
    "alg missing": lambda token, _: f"{b64({'typ': 'JWT'})}.{token.split('.')[1]}.{token.split('.')[2]}",
    "HS512, our secret": lambda token, at: with_signature(
        b64({**at.fields, "alg": "HS512"}), token.split(".")[1], KEY, "HS512"
    ),
    "HS384, our secret": lambda token, at: with_signature(
        b64({**at.fields, "alg": "HS384"}), token.split(".")[1], KEY, "HS384"
    ),
    **{f"alg {name}": header(alg=name) for name in ("ES256", "ES512", "PS256", "hs256", "HS256 ", "rs256")},
    "alg of another kind": lambda token, at: header(alg="RS256" if at.key.algorithm == "HS256" else "HS256")(
        token, at
    ),
    "another secret": mac(OTHER_KEY),
    "another secret, without kid": mac(OTHER_KEY, kid=None),
    "the other secret": mac(SECRETS["SECRET_KEY"]),
    "short secret": mac("x"),
    "empty secret": mac(""),
    "jwk header": mac(OTHER_KEY, jwk={"kty": "oct", "k": b64(OTHER_KEY)}),
    "jku header": mac(OTHER_KEY, jku="http://127.0.0.1:1/keys"),
    "x5u header": mac(OTHER_KEY, x5u="http://127.0.0.1:1/certificate"),
    "x5c header": mac(OTHER_KEY, x5c=[b64(OTHER_KEY)]),
    "own Ed25519 key in jwk": by(
        lambda _: STRANGER,
        alg="EdDSA",
        jwk=jwt.algorithms.OKPAlgorithm.to_jwk(STRANGER.public, as_dict=True),
    ),
    "another Ed25519 key": by(lambda _: STRANGER, alg="EdDSA"),
    **{f"public key as a secret, form {form}": public_as_secret(form) for form in range(3)},
    "kid unknown": header(kid="kid_0000000000000000000000"),
    "kid in another case": lambda token, at: header(kid=at.key.kid.swapcase())(token, at),
    "kid with a space": lambda token, at: header(kid=at.key.kid + " ")(token, at),
    "kid with a NUL": lambda token, at: header(kid=at.key.kid + "\0")(token, at),
    "kid is a path": mac("\n", kid="../../../dev/null"),
    "kid is an empty file": mac("", kid="/dev/null"),
    "kid is an injection": mac("x", kid="x' UNION SELECT 'x"),
    "kid is a command": header(kid="|/usr/bin/id"),
    "kid is an address": header(kid="http://127.0.0.1:1/key"),
    "kid has a surrogate": header(kid="kid_\ud800"),
    "kid is long": header(kid="k" * 900),
    "kid is huge": header(kid="k" * 5000),
    "kid is empty": header(kid=""),
    "kid is null": header(kid=None),
    "kid is a number": header(kid=7),
    "kid is true": header(kid=True),
    "kid is a list": lambda token, at: header(kid=[at.key.kid])(token, at),
    "kid is an object": header(kid={"a": 1}),
    "kid of the key of another algorithm": lambda token, at: header(kid=at.other.kid)(token, at),
    "kid and alg of another key": lambda token, at: header(kid=at.other.kid, alg=at.other.algorithm)(
        token, at
    ),
    "another key of ours under our kid": by(lambda at: at.other),
    "revoked key under our kid": by(lambda at: at.revoked),
    "revoked key": lambda token, at: by(lambda at: at.revoked, kid=at.revoked.kid, alg=at.revoked.algorithm)(
        token, at
    ),
    "kid critical": header(crit=["kid"]),
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
    "not yet valid": changed(nbf=NOW + DAY),
    "issued in the future": changed(iat=NOW + DAY),
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


@pytest.fixture(scope="module", params=SIGNERS)
def target(
    request: pytest.FixtureRequest, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    with forging.house(request.param, sqlite_template, tmp_path_factory.mktemp("target")) as made:
        yield made


@pytest.mark.asvs("7.2.1", "9.1.1", "9.1.2", "9.1.3", "9.2.1", "9.2.2", "9.2.3", "10.3.1", "11.6.1")
@pytest.mark.parametrize("name", FORGED)
def test_forged_token_opens_nothing(target: House, name: str, cell: Callable[[str], None]) -> None:
    token = target.victim.token or ""
    forged = FORGED[name](token, target)
    assert forged != token
    answer = read(target.victim, f"Bearer {forged}")
    assert_refused(answer)
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    cell(f"malformed tokens, signed {target.key.algorithm}")


def test_matrix_is_as_large_as_promised() -> None:
    assert len(FORGED) >= 45


# A refresh token may be one; and whose session it ends is said by the session, not by the user.
@pytest.mark.parametrize("name", [name for name in FORGED if name != "refresh token" and "user" not in name])
@pytest.mark.parametrize("target", ["JWT_SECRET", "EdDSA"], indirect=True, scope="module")
def test_forged_token_neither_refreshes_nor_signs_out(target: House, name: str) -> None:
    victim = target.victim
    forged = FORGED[name](victim.refresh_token or "", target).encode().decode("latin-1")
    for path in ("refresh", "logout"):
        answer = victim.client.post(
            f"/api/v1/auth/{path}", environ_overrides={"HTTP_AUTHORIZATION": f"Bearer {forged}"}
        )
        assert_refused(answer)
    assert read(victim, f"Bearer {victim.token}").status_code == 200


@pytest.mark.parametrize("forge", [changed(), header(), header(typ="at+jwt")])
def test_forgers_tools_make_a_good_token_where_nothing_is_changed(target: House, forge: Forge) -> None:
    """The control: what the others are refused for is the one thing that they change."""
    assert read(target.victim, f"Bearer {forge(target.victim.token or '', target)}").status_code == 200


@pytest.mark.asvs("9.1.2")
def test_other_key_of_the_ring_verifies_by_its_own_algorithm_alone(target: House) -> None:
    fields = {"kid": target.other.kid, "alg": target.other.algorithm}
    token = by(lambda at: at.other, **fields)(target.victim.token or "", target)
    known = target.other.kid in ring_of(target)
    assert known == (target.key.kid != secrets_kid_of(target))
    assert read(target.victim, f"Bearer {token}").status_code == (200 if known else 401)


def test_token_without_kid_is_one_of_the_secret(house: Flask, victim: Caller) -> None:
    """As tokens were before there was a ring."""
    token = signed(claims_of(victim.token or ""))
    assert "kid" not in jwt.get_unverified_header(token)
    assert read(victim, f"Bearer {token}").status_code == 200


def ring_of(target: House) -> set[str]:
    with target.app.app_context():
        return set(signing_keys.ring().keys)


def secrets_kid_of(target: House) -> str:
    with target.app.app_context():
        return signing_keys.secrets_kid()


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


@pytest.mark.asvs("14.2.1")
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


@pytest.mark.asvs("9.2.1")
@pytest.mark.parametrize("minutes", [15, 16, 600])
def test_expired_token_says_that_it_expired(victim: Caller, minutes: int) -> None:
    with time_machine.travel(claims_of(victim.token or "")["iat"] + 60 * minutes + 1):
        answer = read(victim, f"Bearer {victim.token}")
    assert_refused(answer, "AUTH_REQUIRED")
    assert answer.json["error"]["reason"] == "expired"
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.asvs("7.2.2")
def test_token_lives_for_fifteen_minutes(victim: Caller) -> None:
    claims = claims_of(victim.token or "")
    assert claims["exp"] - claims["iat"] == 900
    with time_machine.travel(claims["exp"] - 2):
        assert read(victim, f"Bearer {victim.token}").status_code == 200


def test_expired_token_of_another_key_is_invalid_and_not_expired(victim: Caller) -> None:
    forged = signed({**claims_of(victim.token or ""), "exp": NOW - 3600}, OTHER_KEY)
    assert_refused(read(victim, f"Bearer {forged}"), "INVALID_TOKEN")


def test_token_tells_nobody_who_its_holder_is(house: Flask, victim: Caller) -> None:
    for token in (victim.token, victim.refresh_token):
        claims = claims_of(token or "")
        assert set(claims) <= {*CLAIMS, "fresh", "csrf"}
        assert victim.email not in json.dumps(claims)
        with house.app_context():
            kid = signing_keys.secrets_kid()
        assert jwt.get_unverified_header(token or "") == {"alg": "HS256", "typ": "JWT", "kid": kid}


@pytest.mark.asvs("7.2.1")
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


@pytest.mark.asvs("10.3.3")
def test_two_users_cannot_mix_their_tokens(house: Flask, victim: Caller) -> None:
    thief = sign_up(house, "thief")
    mixed = signed({**claims_of(thief.token or ""), "sub": claims_of(victim.token or "")["sub"]})
    assert_refused(read(victim, f"Bearer {mixed}"))
