"""/.well-known/jwks.json."""

import json

import jwt
import pytest
from flask import Flask

from app.accounts import signing_keys
from app.extensions import db
from tests.conftest import AppFactory, Caller, sign_up

PATH = "/.well-known/jwks.json"
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}


def keys_of(app: Flask) -> list[dict[str, str]]:
    answer = app.test_client().get(PATH)
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "application/jwk-set+json"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    keys: list[dict[str, str]] = json.loads(answer.text)["keys"]
    return keys


def test_symmetric_keys_are_never_shown(app: Flask) -> None:
    assert keys_of(app) == []
    with app.app_context():
        signing_keys.make()
        db.session.commit()
        signing_keys.ring()
    assert keys_of(app) == []


@pytest.mark.asvs("11.6.1")
@pytest.mark.parametrize(("algorithm", "kty"), [("RS256", "RSA"), ("EdDSA", "OKP")])
def test_anybody_can_verify_an_access_token_by_the_set(
    make_app: AppFactory, algorithm: str, kty: str
) -> None:
    app = make_app(JWT_ALGORITHM=algorithm)
    token = sign_up(app, "alice").token or ""
    [shown] = keys_of(app)
    assert (shown["kty"], shown["alg"], shown["use"]) == (kty, algorithm, "sig")
    assert PRIVATE & set(shown) == set()
    key = jwt.PyJWKSet.from_dict({"keys": [shown]})[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, [algorithm], audience="slugline", issuer="slugline")
    assert claims["type"] == "access"


def test_set_holds_the_next_key_before_it_signs_and_no_revoked_one(make_app: AppFactory) -> None:
    app = make_app(JWT_ALGORITHM="EdDSA")
    sign_up(app, "alice")
    with app.app_context():
        first = signing_keys.signer().kid
        second = signing_keys.make().kid
        db.session.commit()
        signing_keys.ring()
    assert {key["kid"] for key in keys_of(app)} == {first, second}
    with app.app_context():
        signing_keys.revoke(first)
        db.session.commit()
        signing_keys.ring()
    assert [key["kid"] for key in keys_of(app)] == [second]


def test_it_is_read_alone(anonymous: Caller) -> None:
    assert anonymous.client.head(PATH).status_code == 200
    assert anonymous.client.post(PATH).status_code == 405
