"""GET /users/me/export: all that is kept about oneself."""

import base64
import json
from typing import Any

import jsonschema
import pytest
from flask import Flask
from sqlalchemy import insert, select

from app import database
from app.accounts.models import ApiKey
from app.api import files
from app.api.v1.schemas.own_data import ExportedEvent, ExportedLink
from app.links.models import Link
from tests.belongings import CANARIES, SEALED, Belongings, settle
from tests.conftest import PASSWORD, AppFactory, Caller, sign_up
from tests.factors import with_totp
from tests.making import (
    change_link,
    events,
    from_now,
    let_pass,
    make_link,
    set_role,
    stored_link,
)

PATH = "/users/me/export"
NOT_IN_IT = {"way back from a provider", "idempotency key"}


@pytest.fixture
def ada(app: Flask) -> Belongings:
    return settle(app)


def exported(caller: Caller) -> dict[str, Any]:
    answer = caller.get(PATH)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def test_all_that_its_person_wrote_stands_in_it(ada: Belongings) -> None:
    text = json.dumps(exported(ada.owner), ensure_ascii=False)
    for name, written in {**CANARIES, **SEALED}.items():
        assert (written in text) is (name not in NOT_IN_IT), name


def test_no_secret_stands_in_it(app: Flask, ada: Belongings) -> None:
    text = ada.owner.get(PATH).text
    with app.app_context(), database.reading() as connection:
        hashes = connection.scalar(select(ApiKey.secret_hash)) or ""
    for name, secret in {**ada.secrets, "hash of a key": hashes}.items():
        assert secret not in text, name
    assert "pbkdf2" not in text.lower()


def test_each_part_tells_what_there_is(app: Flask, ada: Belongings) -> None:
    found = exported(ada.owner)
    account = found["account"]
    assert (account["id"], account["role"], account["has_password"]) == (ada.owner.id, "user", True)
    kind, _, picture = found["avatar"].partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(picture) == ada.owner.get("/users/me/avatar").data
    assert (found["second_factor"]["enabled"], found["second_factor"]["recovery_codes_left"]) == (True, 10)
    assert found["known_devices"]["count"] == 1
    [session] = found["sessions"]
    assert (session["current"], session["two_factors"], session["ended_at"]) == (True, True, None)
    assert session["ip_prefix"] == "127.0.0.0/24"
    assert [key["scopes"] for key in found["api_keys"]] == [["links:read"]]
    assert [token["purpose"] for token in found["tokens_sent"]] == ["email"]
    assert [use["uses"] for use in found["deprecated_calls"]] == [1]
    assert found["tags"] == ["b", CANARIES["tag"]]
    assert {*found["left_out"]} == {"clicks", "statistics", "secrets", "mail_texts", "answers"}


def test_links_tell_all_fields_in_whatever_state(app: Flask, ada: Belongings) -> None:
    ada.owner.patch(
        "/links/ada", json={"expires_at": from_now(days=1), "max_clicks": 9, "forward_query": True}
    )
    links = {link["code"]: link for link in exported(ada.owner)["links"]}
    shown = ada.owner.get("/links/ada?embed=clicks").json
    del shown["_links"], shown["owner"]
    assert links["ada"] == {**shown, "deleted_at": None, "clicks_used": 0}
    assert shown["tags"] == ["b", CANARIES["tag"]]
    assert shown["clicks"]["total"] == 5
    assert [links[code]["status"] for code in ("ada-blocked", "ada-deleted")] == ["blocked", "deleted"]
    assert links["ada-deleted"]["deleted_at"].endswith("Z")
    assert links["ada-deleted"]["url"] != ""


def test_answer_is_of_the_documented_shape_and_nothing_more(app: Flask, ada: Belongings) -> None:
    document = app.test_client().get("/api/v1/openapi.json").json
    schema = {"$ref": "#/components/schemas/OwnDataOut", "components": document["components"]}
    found = exported(ada.owner)
    jsonschema.Draft202012Validator(schema).validate(found)
    assert list(found) == list(document["components"]["schemas"]["OwnDataOut"]["properties"])
    assert {*found["links"][0]} == {*ExportedLink().fields}
    assert {*found["events"][0]} == {*ExportedEvent().fields}


def test_it_is_a_file_that_nobody_keeps(alice: Caller) -> None:
    headers = alice.get(PATH).headers
    assert headers["Content-Type"] == "application/json"
    assert headers["Content-Disposition"].startswith('attachment; filename="slugline-account-2')
    assert headers["Cache-Control"] == "no-store"


def test_nothing_of_others_stands_in_it(ada: Belongings, bob: Caller) -> None:
    make_link(bob, code="his")
    found = exported(bob)
    assert [link["code"] for link in found["links"]] == ["his"]
    assert {event["owner"] for event in found["events"]} == {bob.id}
    assert (found["avatar"], found["passkeys"], found["mails_waiting"]) == (None, [], [])
    assert ada.owner.id not in json.dumps(found)


def test_what_one_did_to_others_links_stands_behind_ones_own_events(
    app: Flask, alice: Caller, bob: Caller
) -> None:
    make_link(alice, code="hers")
    set_role(app, bob, "manager")
    assert bob.put("/links/hers/block", json={"reason": "phishing"}).status_code == 200
    told = exported(bob)["events"]
    assert (told[-1]["action"], told[-1]["owner"]) == ("link.blocked", alice.id)
    assert {event["owner"] for event in told[:-1]} == {bob.id}
    assert "link.blocked" in [event["action"] for event in exported(alice)["events"]]


def test_download_is_recorded_and_stands_in_itself_but_a_head_takes_nothing(
    app: Flask, alice: Caller
) -> None:
    assert alice.call("HEAD", PATH).status_code == 200
    assert events(app, "account.exported") == []
    assert exported(alice)["events"][-1]["action"] == "account.exported"
    [recorded] = events(app, "account.exported")
    assert (recorded["actor"], recorded["owner"], recorded["subject"]) == (alice.id,) * 3


def test_it_takes_somebody_who_has_just_shown_who_he_is(
    app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_pass(monkeypatch, minutes=6)
    refused = alice.get(PATH)
    assert (refused.status_code, refused.json["error"]["reason"]) == (403, "reauthentication_required")
    assert events(app, "account.exported") == []
    assert alice.post("/auth/reauthenticate", json={"password": PASSWORD}).status_code == 204
    assert alice.get(PATH).status_code == 200


def test_one_factor_is_not_enough_where_there_are_two(app: Flask, alice: Caller) -> None:
    account = {"email": alice.email, "password": PASSWORD}
    earlier = Caller(app.test_client(), token=alice.post("/auth/login", json=account).json["access_token"])
    assert earlier.get(PATH).status_code == 200
    with_totp(alice)
    assert [caller.get(PATH).status_code for caller in (earlier, alice)] == [403, 200]


def test_api_key_carries_nothing_away(alice: Caller) -> None:
    scopes = ["links:read", "stats:read", "users:read"]
    key = alice.post("/api-keys", json={"name": "k", "scopes": scopes}).json["key"]
    assert Caller(alice.client, token=key).get(PATH).status_code == 403


def test_nobody_asks_for_it_in_a_loop(make_app: AppFactory) -> None:
    app = make_app(RATELIMIT_ENABLED="true", LIMIT_EXPORT="2/hour")
    alice, bob = sign_up(app, "alice"), sign_up(app, "bob")
    answers = [alice.call(method, PATH) for method in ("GET", "HEAD", "GET")]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[-1].headers["Retry-After"]) > 60
    assert bob.get(PATH).status_code == 200
    assert len(events(app, "account.exported")) == 2


def test_link_that_can_no_longer_be_restored_is_its_code(app: Flask, alice: Caller) -> None:
    make_link(alice, code="gone")
    change_link(app, "gone", url="", deleted_at=stored_link(app, "gone")["created_at"])
    [link] = exported(alice)["links"]
    assert (link["code"], link["url"], link["status"]) == ("gone", "", "deleted")


def test_of_a_mail_that_cannot_be_read_any_more_the_times_are_told(app: Flask, ada: Belongings) -> None:
    app.config["SECRET_KEY"] = "another" * 5
    mails = exported(ada.owner)["mails_waiting"]
    assert {(mail["to"], mail["subject"]) for mail in mails} == {(None, None)}
    assert all(mail["created_at"] < mail["expires_at"] for mail in mails)


def test_many_links_are_read_in_pieces_and_none_is_lost(
    app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_IN_MEMORY", 1024)
    made = stored_link(app, make_link(alice, code="first", tags=["t"])["code"])
    row = {name: value for name, value in made.items() if name != "id"}
    with app.app_context(), database.writing() as connection:
        connection.execute(insert(Link), [{**row, "code": f"c{number}"} for number in range(2_100)])
    with alice.get(PATH) as answer:
        assert answer.content_length == len(answer.data)
        links = json.loads(answer.data)["links"]
    assert [link["code"] for link in links] == ["first", *(f"c{number}" for number in range(2_100))]
    assert [link["tags"] for link in links[:2]] == [["t"], []]


def test_fault_on_the_way_sends_no_half_file(
    app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_link(alice)
    monkeypatch.setattr("app.api.v1.schemas.own_data.link_shown", lambda *_: 1 / 0)
    assert alice.get(PATH).status_code == 500
    monkeypatch.undo()
    assert len(exported(alice)["links"]) == 1
