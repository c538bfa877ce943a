"""A batch is the single calls in order: the same results, the same rows, whatever the items."""

import itertools
from typing import Any

from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import Caller
from tests.making import stored_links

CODES = ["a", "b", "no code"]
STORED_OTHERWISE = {"id", "code", "created_at", "updated_at", "deleted_at", "password_hash"}
SHOWN_OTHERWISE = {"code", "short_url", "created_at", "updated_at", "_links"}
OTHER = "other.example"

_numbers = itertools.count(1)
_good: list[dict[str, Any]] = [
    {},
    {"title": "T", "tags": ["x"]},
    {"title": None, "tags": ["y", " x ", "y"], "enabled": False},
    {"tags": None, "starts_at": "2026-01-01T00:00:00Z"},
    {"expires_at": "2097-01-01T00:00:00Z"},
    {"starts_at": None, "expires_at": None, "max_clicks": 5},
    {"starts_at": "2098-01-01T00:00:00Z"},  # wrong where the link expires before
    {"password": "secret"},
    {"password": None, "max_clicks": None},
]
_bad: list[dict[str, Any]] = [
    {"title": 1},
    {"max_clicks": 0, "zzz": 1},
    {"expires_at": "2020-01-01T00:00:00Z"},
]
_fields = st.tuples(st.sampled_from(_good), st.sampled_from([*_good, *_bad])).map(lambda two: two[0] | two[1])
_url = st.sampled_from(
    ["HTTP://Example.COM", "https://example.org/ü", "https://example.org", "http://sho.rt/s/x"]
)
_code = st.sampled_from([*CODES[:2] * 3, *CODES[2:]])
_domain = st.sampled_from([{}, {}, {"domain": "SHO.RT"}, {"domain": OTHER}])
_named = st.tuples(_code, _domain).map(lambda two: {"code": two[0], **two[1]})
_made = st.tuples(_fields, _named, st.fixed_dictionaries({"url": _url})).map(lambda p: p[0] | p[1] | p[2])
_items = st.one_of(
    st.builds(lambda link: {"op": "create", "link": link}, _made),
    st.builds(lambda named, changes: {"op": "update", **named, "changes": changes}, _named, _fields),
    st.builds(lambda named: {"op": "delete", **named}, _named),
)


def coded(item: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The item with its code in a space of its own."""
    if item["op"] == "create":
        return item | {"link": item["link"] | {"code": prefix + item["link"]["code"]}}
    return item | {"code": prefix + item["code"]}


def alone(caller: Caller, item: dict[str, Any]) -> tuple[int, Any]:
    """What the item's single call answers."""
    query = f"?domain={item['domain']}" if "domain" in item else ""
    if item["op"] == "create":
        answer = caller.post("/links", json=item["link"])
    elif item["op"] == "update":
        answer = caller.patch(f"/links/{item['code']}{query}", json=item["changes"])
    else:
        answer = caller.delete(f"/links/{item['code']}{query}")
    return answer.status_code, answer.json if answer.data else None


def told(result: dict[str, Any]) -> tuple[int, Any]:
    """A batch's result as the single call would have it."""
    if "error" in result:
        return result["status"], {"error": result["error"]}
    return result["status"], result.get("link")


def comparable(answer: tuple[int, Any], op: str) -> tuple[int, Any]:
    """Without what differs from call to call, and without where the fields stand."""
    status, body = answer
    if body is None or "error" not in body:
        return status, body and {name: value for name, value in body.items() if name not in SHOWN_OTHERWISE}
    error = body["error"]
    named = [error["field"], *(detail["field"] for detail in error.get("details", []))]
    part = {"create": "link.", "update": "changes."}.get(op, "")
    messages = [detail["message"] for detail in error.get("details", [])]
    return status, (error["code"], error["message"], messages, [(n or "").removeprefix(part) for n in named])


def rows(app: Flask, prefix: str) -> list[dict[str, Any]]:
    found = [row for row in stored_links(app) if row["code"].startswith(prefix)]
    return [
        {"code": row["code"].removeprefix(prefix)}
        | {name: bool(row[name]) for name in ("deleted_at", "password_hash")}
        | {name: value for name, value in row.items() if name not in STORED_OTHERWISE}
        for row in sorted(found, key=lambda row: row["code"])
    ]


def test_batch_is_its_single_calls_in_order(app: Flask, alice: Caller) -> None:
    @given(st.lists(_items, min_size=1, max_size=7))
    @settings(
        max_examples=20,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def compare(items: list[dict[str, Any]]) -> None:
        number = next(_numbers)
        singly, together = f"s{number}-", f"b{number}-"
        items = [{"op": "create", "link": {"url": "https://example.org", "code": "a"}}, *items]
        ops = [item["op"] for item in items]
        expected = [comparable(alone(alice, coded(item, singly)), item["op"]) for item in items]
        answer = alice.post("/links/batch", json={"items": [coded(item, together) for item in items]})
        assert answer.status_code == 200, answer.text
        assert [comparable(told(r), op) for r, op in zip(answer.json["items"], ops, strict=True)] == expected
        assert rows(app, together) == rows(app, singly)

    compare()
    made = [row for row in stored_links(app) if row["code"].startswith("b")]
    assert {bool(row["deleted_at"]) for row in made} == {True, False}, (
        "the items are too tame to tell anything"
    )
