"""POST /links/batch."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from app import database
from app.api.v1.batch import LARGEST
from app.api.v1.schemas.batch_input import MOST_ITEMS, MOST_PASSWORDS
from app.links import codes
from app.links.models import Tag, link_tags
from tests.conftest import AppFactory, Caller, sign_up
from tests.making import URL, add_domain, follow, make_link, stored_link, stored_links

Item = dict[str, Any]


def create(**fields: Any) -> Item:
    return {"op": "create", "link": {"url": URL, **fields}}


def update(code: str, **changes: Any) -> Item:
    return {"op": "update", "code": code, "changes": changes}


def delete(code: str) -> Item:
    return {"op": "delete", "code": code}


def send(caller: Caller, *items: Any, **flags: bool) -> Any:
    return caller.post("/links/batch", json={"items": items, **flags})


def done(caller: Caller, *items: Any, **flags: bool) -> Any:
    """The body of an answer that must be 200."""
    answer = send(caller, *items, **flags)
    assert answer.status_code == 200, answer.text
    return answer.json


def statuses(body: Any) -> list[int]:
    return [result["status"] for result in body["items"]]


@contextmanager
def at_once(app: Flask, transactions: int, table: str) -> Iterator[None]:
    """Let so many batches, begun within, write into a table from the same moment on."""
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    with app.app_context(), database.writing() as connection:
        connection.execute(text(f"LOCK TABLE {table} IN EXCLUSIVE MODE"))
        yield
        with database.reading() as other:
            while other.scalar(waiting) < transactions:
                other.rollback()  # or it sees the same statistics again
                time.sleep(0.005)


def test_items_are_done_in_order_and_told_in_order(alice: Caller) -> None:
    make_link(alice, code="old", tags=["a"])
    items = [
        create(code="new", tags=["b"]),
        update("old", tags=["a", "b"], title="T"),
        delete("old"),
        create(),
    ]
    body = done(alice, *items)
    assert [(r["index"], r["op"], r["status"]) for r in body["items"]] == [
        (0, "create", 201),
        (1, "update", 200),
        (2, "delete", 204),
        (3, "create", 201),
    ]
    assert {key: body[key] for key in ("atomic", "dry_run", "summary")} == {
        "atomic": False,
        "dry_run": False,
        "summary": {"total": 4, "succeeded": 4, "failed": 0},
    }
    new, old, gone, drawn = body["items"]
    assert (old["link"]["title"], old["link"]["tags"]) == ("T", ["a", "b"])
    assert set(gone) == {"index", "op", "status"}
    for result in (new, drawn):
        assert follow(alice, result["link"]["_links"]["self"]["href"]).json == result["link"]
    assert alice.get("/links/old").status_code == 404


def test_items_see_what_those_before_them_left(alice: Caller) -> None:
    body = done(
        alice,
        update("x", title="early"),
        create(code="x", title="first"),
        create(code="x", title="second"),
        update("x", title="changed"),
        delete("x"),
        update("x", title="late"),
        create(code="x"),
    )
    assert statuses(body) == [404, 201, 409, 200, 204, 404, 409]
    assert [r["link"]["title"] for r in body["items"] if "link" in r] == ["first", "changed"]


def test_bad_items_leave_the_good_ones_alone(app: Flask, alice: Caller, bob: Caller) -> None:
    make_link(bob, code="his")
    body = done(
        alice,
        create(code="good"),
        create(code="his"),
        create(url="ftp://example.com", code="bad code"),
        update("his", title="mine"),
        update("good", starts_at="2026-02-01T00:00:00Z", expires_at="2099-01-01T00:00:00Z"),
        update("good", expires_at="2026-01-01T00:00:00Z"),
        {"op": "update", "code": "good", "changes": {}, "zzz": 1},
        {"op": "delete", "code": "good", "domain": "other.example"},
        create(code="also"),
    )
    assert statuses(body) == [201, 409, 400, 404, 200, 400, 400, 400, 201]
    errors = {r["index"]: (r["error"]["code"], r["error"]["field"]) for r in body["items"] if "error" in r}
    assert errors == {
        1: ("CODE_TAKEN", "link.code"),
        2: ("VALIDATION_ERROR", "link.url"),
        3: ("NOT_FOUND", None),
        5: ("VALIDATION_ERROR", "changes.expires_at"),
        6: ("VALIDATION_ERROR", "zzz"),
        7: ("VALIDATION_ERROR", "domain"),
    }
    assert {d["field"] for d in body["items"][2]["error"]["details"]} == {"link.url", "link.code"}
    assert body["summary"] == {"total": 9, "succeeded": 3, "failed": 6}
    assert {row["code"] for row in stored_links(app)} == {"his", "good", "also"}


def test_atomic_batch_is_done_as_a_whole(alice: Caller) -> None:
    body = done(alice, create(code="one"), update("one", title="T"), atomic=True)
    assert (body["atomic"], statuses(body)) == (True, [201, 200])
    assert alice.get("/links/one").json["title"] == "T"


@pytest.mark.asvs("2.3.3")
def test_atomic_batch_with_a_bad_item_does_nothing_and_names_each(app: Flask, alice: Caller) -> None:
    make_link(alice, code="there", title="before")
    before = stored_link(app, "there")
    answer = send(
        alice,
        create(code="one", tags=["x"]),
        update("there", title="after"),
        create(code="there"),
        delete("nowhere"),
        create(url="nonsense", title=1),
        atomic=True,
    )
    assert answer.status_code == 409
    error = answer.json["error"]
    assert (error["code"], error["field"]) == ("CODE_TAKEN", "items.2.link.code")
    assert error["message"].startswith("Nothing was done. Item 2: ")
    fields = [detail["field"] for detail in error["details"]]
    assert fields[:2] == ["items.2.link.code", "items.3"]
    assert set(fields[2:]) == {"items.4.link.url", "items.4.link.title"}
    assert [before] == stored_links(app)
    with app.app_context(), database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(Tag)) == 0


@pytest.mark.parametrize("atomic", [False, True])
def test_dry_run_tells_what_would_be_and_leaves_no_trace(app: Flask, alice: Caller, atomic: bool) -> None:
    make_link(alice, code="there", tags=["a"])
    before = stored_links(app)
    items = [create(code="one", tags=["x"]), create(tags=["y"]), update("there", tags=["z"]), delete("there")]
    body = done(alice, *items, dry_run=True, atomic=atomic)
    assert (body["dry_run"], statuses(body)) == (True, [201, 201, 200, 204])
    one, drawn, there, _ = (result.get("link", {}) for result in body["items"])
    assert (one["code"], one["short_url"], one["tags"]) == ("one", "http://sho.rt/s/one", ["x"])
    assert (drawn["code"], drawn["short_url"], drawn["url"]) == (None, None, URL)
    assert there["tags"] == ["z"]
    assert not any("_links" in link for link in (one, drawn, there))
    assert stored_links(app) == before
    with app.app_context(), database.reading() as connection:
        assert list(connection.scalars(select(Tag.name))) == ["a"]
        assert connection.scalar(select(func.count()).select_from(link_tags)) == 1
    assert statuses(done(alice, *items, atomic=atomic)) == [201, 201, 200, 204]


def test_if_match_compares_the_version(app: Flask, alice: Caller) -> None:
    make_link(alice, code="x")
    old, hashed = '"1-0123456789ab"', "2-0123456789ab"
    body = done(
        alice,
        {**update("x", title="A"), "if_match": old},
        {**update("x", title="B"), "if_match": old},
        {**delete("x"), "if_match": old},
        {**update("x", title="C"), "if_match": "new"},
        {**delete("y"), "if_match": old},
        {**delete("x"), "if_match": hashed},
    )
    assert statuses(body) == [200, 412, 412, 400, 404, 204]
    assert body["items"][1]["error"]["code"] == "PRECONDITION_FAILED"
    assert body["items"][3]["error"]["field"] == "if_match"
    assert (stored_link(app, "x")["title"], stored_link(app, "x")["version"]) == ("A", 3)


def test_links_of_other_domains_are_told_apart(app: Flask, alice: Caller) -> None:
    add_domain(app, "other.example")
    elsewhere = {"domain": "other.example"}
    body = done(
        alice,
        create(code="x"),
        create(code="x", **elsewhere),
        {**update("x", title="T"), **elsewhere},
        {**delete("x"), "domain": "sho.rt"},
    )
    assert statuses(body) == [201, 201, 200, 204]
    [link] = alice.get("/links").json["items"]
    assert (link["domain"], link["title"]) == ("other.example", "T")


def test_a_list_shows_new_links_in_the_order_of_their_items(alice: Caller) -> None:
    made = done(alice, *(create(code=code) for code in ("m", "z", "a")), create(), create(code="b"))
    listed = [link["code"] for link in alice.get("/links?sort=created_at").json["items"]]
    assert listed == [result["link"]["code"] for result in made["items"]]


def test_random_codes_that_are_taken_are_drawn_again(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    make_link(alice, code="taken")
    drawn = iter(["taken", "chosen", "same", "same", "other", "third", "fourth"])
    monkeypatch.setattr(codes, "generate", lambda *_: next(drawn))
    body = done(alice, create(), create(), create(), create(), create(code="chosen"))
    assert statuses(body) == [201] * 5
    assert [r["link"]["code"] for r in body["items"]] == ["other", "third", "same", "fourth", "chosen"]


@pytest.mark.parametrize(
    ("items", "field"),
    [
        ([], "items"),
        ([delete("x")] * (MOST_ITEMS + 1), "items"),
        (None, "items"),
        ("x", "items"),
        ([delete("x"), 1], "items.1"),
        ([None], "items.0"),
        ([{"code": "x"}], "items.0.op"),
        ([{"op": ["delete"], "code": "x"}], "items.0.op"),
        ([delete("x"), {"op": "drop"}], "items.1.op"),
        (
            [create(password="secret")] * MOST_PASSWORDS + [update("x", password="s")],
            "items.10.changes.password",
        ),
    ],
)
def test_what_is_no_batch_is_400_and_nothing_is_done(alice: Caller, items: Any, field: str) -> None:
    answer = alice.post("/links/batch", json={"items": items})
    assert (answer.status_code, answer.json["error"]["field"]) == (400, field)
    assert alice.get("/links").json["items"] == []


@pytest.mark.asvs("15.2.2")
def test_passwords_are_hashed_and_bounded_in_number(app: Flask, alice: Caller) -> None:
    items = [create(code=f"c{n}", password="open sesame") for n in range(MOST_PASSWORDS)]
    body = done(alice, *items, *([update("c0", password=None)] * 20), create(code="free"))
    assert [r["link"]["has_password"] for r in body["items"][:MOST_PASSWORDS]] == [True] * MOST_PASSWORDS
    assert stored_link(app, "c0")["password_hash"] is None
    assert stored_link(app, "c1")["password_hash"].startswith("pbkdf2:sha256:")


def test_a_thousand_links_are_made_and_deleted(app: Flask, alice: Caller) -> None:
    for item in (lambda n: create(code=f"c{n}", tags=["all", f"t{n}"]), lambda n: delete(f"c{n}")):
        assert done(alice, *map(item, range(MOST_ITEMS)))["summary"]["succeeded"] == MOST_ITEMS
    assert [row["version"] for row in stored_links(app)] == [2] * MOST_ITEMS


# SQLite alone: nothing here is the database's.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_body_may_have_4_mib_where_others_have_256_kib(alice: Caller) -> None:
    body = json.dumps({"items": [delete("x")]}).encode()
    for size, status in ((LARGEST, 200), (LARGEST + 1, 413)):
        padded = body + b" " * (size - len(body))
        answer = alice.post("/links/batch", data=padded, content_type="application/json")
        assert answer.status_code == status
    assert alice.post("/links", data=b" " * 300_000, content_type="application/json").status_code == 413


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_batch_spends_one_from_the_bucket_of_new_links(make_app: AppFactory) -> None:
    app = make_app(RATELIMIT_ENABLED="true", LIMIT_CREATE="2/minute")
    alice = sign_up(app, "alice")
    assert [send(alice, create(), create(), create()).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_link_may_have_the_code_batch(alice: Caller) -> None:
    make_link(alice, code="batch")
    assert alice.get("/links/batch").json["code"] == "batch"
    assert alice.patch("/links/batch", json={"title": "T"}).status_code == 200
    assert statuses(done(alice, delete("batch"))) == [204]


# SQLite has one writer at a time.
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_batches_of_the_same_links_wait_for_each_other_in_one_order(app: Flask, alice: Caller) -> None:
    """In opposite orders they would lock each other out, which PostgreSQL ends with an error."""
    new = [create(code=f"x{n}") for n in range(200)]
    tagged = [update(f"x{n}", title="T", tags=[f"t{n}"]) for n in range(200)]
    for table, items in {"links": new, "tags": tagged}.items():

        def call(worker: int, items: list[Item] = items) -> int:
            caller = Caller(app.test_client(), token=alice.token)
            return int(send(caller, *(items if worker % 2 else items[::-1])).status_code)

        with ThreadPoolExecutor(4) as threads:
            with at_once(app, 4, table):
                calls = [threads.submit(call, worker) for worker in range(4)]
            assert [found.result() for found in calls] == [200] * 4
    assert {(row["version"], row["title"]) for row in stored_links(app)} == {(2, "T")}


@pytest.mark.asvs("15.2.2")
def test_an_answer_that_would_be_too_large_is_413_and_nothing_is_done(app: Flask, alice: Caller) -> None:
    """A small batch that changes one large link again and again."""
    make_link(alice, code="larger", notes="\N{SNOWMAN}" * 5000)
    answer = send(alice, *[update("larger", title=str(number)) for number in range(1000)])
    assert (answer.status_code, answer.json["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert stored_link(app, "larger")["title"] is None


def test_an_atomic_refusal_names_a_hundred_fields_at_most(alice: Caller) -> None:
    item = create(**{f"z{number}": 1 for number in range(30)})
    answer = send(alice, *[item] * 10, atomic=True)
    assert (answer.status_code, len(answer.json["error"]["details"])) == (400, 100)
