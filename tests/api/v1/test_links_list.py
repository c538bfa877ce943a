"""GET /links."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import combinations, pairwise
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import insert, select

from app import database
from app.links.models import DEFAULT_DOMAIN_ID, Domain, Link, Tag, link_tags
from tests.conftest import Caller
from tests.making import URL, add_domain, follow, internal_id, make_link, set_role
from tests.watching import statements

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def codes(caller: Caller, query: str = "") -> list[str]:
    """All codes of a list, page after page."""
    href = f"/links?{query}"
    found: list[str] = []
    for _ in range(100):
        answer = follow(caller, href)
        assert answer.status_code == 200, answer.text
        found += [link["code"] for link in answer.json["items"]]
        if "next" not in answer.json["_links"]:
            return found
        href = answer.json["_links"]["next"]["href"]
    raise AssertionError("the list has no end")


def put_links(app: Flask, owner: Caller, *links: dict[str, Any]) -> None:
    """Store links as they are, code `c0`, `c1`, ... unless one is given."""
    made = {"owner_id": internal_id(app, owner), "url": URL, "created_at": NOW, "updated_at": NOW}
    with app.app_context(), database.writing() as connection:
        for number, link in enumerate(links):
            connection.execute(insert(Link), [{**made, "code": f"c{number}", **link}])


def tag_all_links(app: Flask, owner: Caller, names: list[str]) -> None:
    owner_id = internal_id(app, owner)
    with app.app_context(), database.writing() as connection:
        connection.execute(insert(Tag), [{"owner_id": owner_id, "name": name} for name in names])
        pairs = (
            select(Link.id, Tag.id).join(Tag, Tag.owner_id == Link.owner_id).where(Link.owner_id == owner_id)
        )
        connection.execute(insert(link_tags).from_select(["link_id", "tag_id"], pairs))


def domain_id(app: Flask, host: str) -> int:
    with app.app_context(), database.reading() as connection:
        return int(connection.scalar(select(Domain.id).where(Domain.host == host)) or 0)


def test_list_is_ones_own_newest_first_each_as_it_is_read(alice: Caller, bob: Caller) -> None:
    made = [make_link(alice, tags=["a"]) for _ in range(3)]
    make_link(bob)
    answer = alice.get("/links")
    assert answer.status_code == 200
    assert answer.json["items"] == made[::-1]
    assert answer.json["page"] == {"limit": 20, "next_cursor": None, "prev_cursor": None, "has_more": False}
    assert answer.json["_links"] == {name: {"href": "/api/v1/links"} for name in ("self", "first")}
    assert answer.headers["Link"] == '</api/v1/links>; rel="first"'
    assert alice.call("HEAD", "/links").status_code == 200


def test_pages_are_walked_by_body_and_by_header(app: Flask, alice: Caller) -> None:
    put_links(app, alice, *[{} for _ in range(25)])
    seen: list[str] = []
    path = "/links?limit=10&sort=code&q=EXAMPLE"
    for has_more in (True, True, False):
        answer = follow(alice, path)
        page = answer.json["page"]
        seen += [link["code"] for link in answer.json["items"]]
        assert (page["limit"], page["has_more"]) == (10, has_more)
        assert (page["next_cursor"] is not None) == has_more
        relations = dict(
            reversed(part) for part in re.findall(r'<([^>]+)>; rel="(\w+)"', answer.headers["Link"])
        )
        assert relations["first"] == "/api/v1/links?limit=10&sort=code&q=EXAMPLE"
        assert relations == {
            name: link["href"] for name, link in answer.json["_links"].items() if name != "self"
        }
        assert ("prev" in relations) == bool(seen[10:])
        if has_more:
            assert relations["next"] == answer.json["_links"]["next"]["href"]
            path = relations["next"]
            assert alice.get(f"/links?limit=10&sort=code&q=EXAMPLE&cursor={page['next_cursor']}").json
        assert follow(alice, answer.json["_links"]["self"]["href"]).json == answer.json
    assert seen == sorted(f"c{number}" for number in range(25))


def test_prev_leads_to_exactly_the_page_before(app: Flask, alice: Caller) -> None:
    put_links(app, alice, *[{"title": f"{number % 3}"} for number in range(7)])
    pages = [alice.get("/links?limit=3&sort=-title,code").json]
    while "next" in pages[-1]["_links"]:
        pages.append(follow(alice, pages[-1]["_links"]["next"]["href"]).json)
    assert [len(page["items"]) for page in pages] == [3, 3, 1]
    for before, page in pairwise(pages):
        back = follow(alice, page["_links"]["prev"]["href"]).json
        assert back["items"] == before["items"]
        assert back["page"] == before["page"]


def test_cursors_show_nothing_of_what_they_hold(app: Flask, alice: Caller) -> None:
    put_links(app, alice, {"title": "secret-1"}, {"title": "secret-2"}, {"id": 10**12})
    for sort in ("title", "-code", "created_at,code"):
        cursor = alice.get(f"/links?limit=2&sort={sort}").json["page"]["next_cursor"]
        held = urlsafe_b64decode(cursor + "==")
        assert not any(part in held for part in (b"secret", b"c1", b"2026", b"0000"))
    small, big = (
        alice.get(f"/links?limit={limit}&sort=code").json["page"]["next_cursor"] for limit in (1, 2)
    )
    assert len(small) == len(big) <= 64


def test_fields_show_what_is_named_and_nothing_else(app: Flask, alice: Caller) -> None:
    link = make_link(alice, tags=["a"])
    for names in (["code", "url"], ["tags"], ["status", "owner", "short_url", "_links"], [*link]):
        [item] = alice.get(f"/links?fields={','.join(names)}").json["items"]
        assert item == {name: link[name] for name in names}
    assert set(alice.get("/links?fields=clicks,code").json["items"][0]) == {"clicks", "code"}
    assert set(alice.get("/links?fields=code&embed=clicks").json["items"][0]) == {"code"}
    with statements(app) as seen:
        alice.get("/links?fields=code,url")
    assert not any("link_tags" in statement for statement in seen)


def test_total_counts_what_the_filters_match(app: Flask, alice: Caller, bob: Caller) -> None:
    put_links(app, alice, *[{"enabled": number % 2 == 0} for number in range(5)])
    make_link(bob)
    for query, total in (("", 5), ("&status=disabled", 2), ("&q=c3", 1), ("&q=nothing", 0), ("&page=9", 5)):
        assert alice.get(f"/links?limit=1&include_total=true{query}").json["page"]["total"] == total
    assert "total" not in alice.get("/links?include_total=false").json["page"]


def test_pages_by_number_say_where_the_others_are(app: Flask, alice: Caller) -> None:
    put_links(app, alice, *[{} for _ in range(5)])

    def relations(query: str) -> dict[str, str]:
        links = alice.get(f"/links?limit=2&sort=code&{query}").json["_links"]
        return {name: re.search(r"[?&](page=\d+|cursor)", link["href"])[1] for name, link in links.items()}

    assert relations("page=1") == {"self": "page=1", "first": "page=1", "next": "page=2"}
    assert relations("page=2&include_total=true") == {
        "self": "page=2",
        "first": "page=1",
        "prev": "page=1",
        "next": "page=3",
        "last": "page=3",
    }
    assert relations("page=3") == {"self": "page=3", "first": "page=1", "prev": "page=2"}
    assert relations("page=900&include_total=true")["prev"] == "page=3"
    third = alice.get("/links?limit=2&sort=code&page=3").json
    assert [link["code"] for link in third["items"]] == ["c4"]
    back = alice.get(f"/links?limit=2&sort=code&cursor={third['page']['prev_cursor']}").json
    assert [link["code"] for link in back["items"]] == ["c2", "c3"]


def test_what_follows_the_last_numbered_page_is_found_by_cursor(app: Flask, alice: Caller) -> None:
    put_links(app, alice, *[{} for _ in range(1002)])
    answer = alice.get("/links?limit=1&page=1000&include_total=true").json
    assert set(answer["_links"]) == {"self", "first", "prev", "next"}
    assert "cursor=" in answer["_links"]["next"]["href"]
    assert follow(alice, answer["_links"]["next"]["href"]).json["items"][0]["code"] == "c1"


def test_filters_combine_as_python_says(app: Flask, alice: Caller) -> None:
    add_domain(app, "go.example.org")
    links = [
        {
            "code": f"{number:02}",
            "title": (None, "Sale", "sail")[number % 3],
            "enabled": number % 2 == 0,
            "created_at": NOW.replace(day=1 + number % 5),
            "domain_id": DEFAULT_DOMAIN_ID if number % 4 else domain_id(app, "go.example.org"),
        }
        for number in range(24)
    ]
    put_links(app, alice, *links)
    wanted: dict[str, Callable[[dict[str, Any]], bool]] = {
        "q=SA": lambda link: bool(link["title"]),
        "status=disabled": lambda link: not link["enabled"],
        "domain=go.example.org": lambda link: link["domain_id"] != DEFAULT_DOMAIN_ID,
        "created_from=2026-05-02T12:00:00Z": lambda link: link["created_at"].day >= 2,
        "created_to=2026-05-04T12:00:00Z": lambda link: link["created_at"].day < 4,
    }
    for chosen in (chosen for size in (2, 3, 5) for chosen in combinations(wanted, size)):
        expected = [link["code"] for link in links if all(wanted[name](link) for name in chosen)]
        answer = alice.get(
            f"/links?{'&'.join(chosen)}&sort=code&limit=100&include_total=true&fields=code"
        ).json
        assert [item["code"] for item in answer["items"]] == expected, chosen
        assert answer["page"]["total"] == len(expected)


def test_each_sort_is_total_in_both_directions(app: Flask, alice: Caller) -> None:
    titles = [None, "b", "", "B", "é", "a", None]
    put_links(app, alice, *[{"title": title} for title in titles])
    with_titles = sorted(range(len(titles)), key=lambda number: (titles[number] or "", number))
    expected = {
        "created_at": [f"c{number}" for number in range(len(titles))],
        "updated_at": [f"c{number}" for number in range(len(titles))],
        "code": [f"c{number}" for number in range(len(titles))],
        "title": [f"c{number}" for number in with_titles],
    }
    for sort, order in expected.items():
        for limit in (3, 100):
            assert codes(alice, f"sort={sort}&limit={limit}") == order
            assert codes(alice, f"sort=-{sort}&limit={limit}") == order[::-1]


def test_times_sort_by_what_they_are(app: Flask, alice: Caller) -> None:
    put_links(
        app,
        alice,
        {"created_at": NOW.replace(day=3), "updated_at": NOW.replace(day=4)},
        {"created_at": NOW.replace(day=1), "updated_at": NOW.replace(day=9)},
        {"created_at": NOW.replace(day=2), "updated_at": NOW.replace(day=2)},
    )
    assert codes(alice) == codes(alice, "sort=-created_at") == ["c0", "c2", "c1"]
    assert codes(alice, "sort=updated_at&limit=1") == ["c2", "c0", "c1"]


@pytest.mark.asvs("1.2.4")
def test_q_finds_a_part_of_code_title_or_url_in_any_case(app: Flask, alice: Caller) -> None:
    put_links(
        app,
        alice,
        {"code": "Summer"},
        {"title": "The SUMMER sale"},
        {"url": "https://example.com/summer"},
        {"code": "x", "title": "100% off_now"},
        {"code": "y", "title": "100 percent / offsnow"},
        {"code": "z", "notes": "summer"},
        {"code": "umlaut", "title": "Ärger im Büro"},
    )
    found = {
        "sUmMeR": {"Summer", "c1", "c2"},
        "äRGER IM bÜ": {"umlaut"},
        "100%": {"x"},
        "f_n": {"x"},
        "%": {"x"},
        "/ o": {"y"},
        "\\": set(),
        "nothing": set(),
    }
    for q, expected in found.items():
        assert set(codes(alice, f"q={quote(q)}")) == expected, q


def test_filters_narrow_and_combine(app: Flask, alice: Caller) -> None:
    add_domain(app, "go.example.org")
    make_link(alice, code="one", tags=["a", "b"])
    make_link(alice, code="two", tags=["A"], enabled=False)
    make_link(alice, code="three", tags=["a"], enabled=False, domain="go.example.org")
    cases = {
        "tag=a": {"one", "three"},
        "tag=A": {"two"},
        "tag=%20b%20": {"one"},
        "tag=ab": set(),
        "status=disabled": {"two", "three"},
        "status=active": {"one"},
        "domain=go.example.org": {"three"},
        "domain=SHO.rt": {"one", "two"},
        "tag=a&status=disabled&q=THR": {"three"},
        "tag=a&status=disabled&domain=sho.rt": set(),
    }
    for query, expected in cases.items():
        assert set(codes(alice, query)) == expected, query


def test_status_lists_exactly_those_in_the_state(app: Flask, alice: Caller) -> None:
    states: dict[str, dict[str, Any]] = {
        "blocked": {"blocked_reason": "phishing"},
        "disabled": {"enabled": False},
        "scheduled": {"starts_at": datetime(2099, 1, 1, tzinfo=UTC)},
        "expired": {"expires_at": NOW.replace(year=2020)},
        "exhausted": {"max_clicks": 2, "clicks_used": 2},
        "active": {"max_clicks": 2, "clicks_used": 1},
    }
    put_links(app, alice, *[{**columns, "code": status} for status, columns in states.items()])
    make_link(alice, code="deleted")
    alice.delete("/links/deleted")
    for status in [*states, "deleted"]:
        [link] = alice.get(f"/links?status={status}").json["items"]
        assert link["code"] == link["status"] == status
    assert set(codes(alice)) == set(states)


def test_period_of_creation_has_its_beginning_and_not_its_end(app: Flask, alice: Caller) -> None:
    put_links(app, alice, *[{"created_at": NOW.replace(hour=hour)} for hour in (10, 11, 12)])
    assert codes(alice, "created_from=2026-05-01T11:00:00Z&sort=created_at") == ["c1", "c2"]
    assert codes(alice, "created_to=2026-05-01T11:00:00Z") == ["c0"]
    offset = quote("2026-05-01T13:00:00+02:00")
    assert codes(alice, f"created_from={offset}&created_to=2026-05-01T12:00:00Z") == ["c1"]


def test_others_links_are_for_managers(app: Flask, alice: Caller, bob: Caller) -> None:
    make_link(alice, code="hers")
    make_link(bob, code="his")
    for owner in ("all", alice.id, "usr_nobody"):
        answer = bob.get(f"/links?owner={owner}")
        assert (answer.status_code, answer.json["error"]["code"]) == (403, "FORBIDDEN")
    assert codes(bob, f"owner={bob.id}") == ["his"]
    for role in ("manager", "admin"):
        set_role(app, bob, role)
        assert codes(bob) == ["his"]
        assert codes(bob, f"owner={alice.id}") == ["hers"]
        assert codes(bob, "owner=all&sort=code") == ["hers", "his"]
        assert codes(bob, "owner=usr_nobody") == []
        assert bob.get("/links?owner=all&q=her").json["items"][0]["owner"] == alice.id


def test_cursor_is_good_for_its_own_list_only(app: Flask, alice: Caller, bob: Caller) -> None:
    for caller in (alice, bob):
        for _ in range(3):
            make_link(caller)
    cursor = alice.get("/links?limit=1").json["page"]["next_cursor"]
    refused = [
        (alice, f"cursor={cursor}&sort=created_at"),
        (alice, f"cursor={cursor}&q=example"),
        (alice, f"cursor={cursor}&status=active"),
        (bob, f"cursor={cursor}"),
        (alice, f"cursor={cursor[::-1]}"),
        (alice, f"cursor={cursor[:-4]}"),
        (alice, f"cursor={cursor[:4]}"),
        (alice, f"cursor={cursor}&page=1"),
        (alice, f"cursor={quote('é' * 40)}"),
        (alice, f"cursor=A{cursor}"),
        (alice, "cursor=1"),
        (alice, "cursor=.."),
        (alice, "cursor=" + "x" * 3001),
    ]
    for caller, query in refused:
        answer = caller.get(f"/links?{query}")
        assert answer.status_code == 400, query
        assert answer.json["error"]["field"] == ("page" if "page" in query else "cursor")
    for free in ("limit=2", "limit=2&embed=clicks", "sort=-created_at", "fields=url", "include_total=true"):
        assert alice.get(f"/links?cursor={cursor}&{free}").status_code == 200, free


def test_cursor_of_the_longest_title_fits_into_a_url(app: Flask, alice: Caller) -> None:
    emoji = "\N{GRINNING FACE}"
    titles = ["".join(chr(0x1F600 + (number * step) % 64) for step in range(255)) for number in (7, 11)]
    put_links(app, alice, *[{"title": title} for title in titles])
    q = quote("".join(chr(0x1F600 + (11 * step) % 64) for step in range(100)))
    assert codes(alice, "sort=title&limit=1") == codes(alice, "sort=title")
    assert codes(alice, f"sort=title&limit=1&q={q}&tag={quote(emoji * 50)}") == []
    assert codes(alice, f"sort=title&limit=1&q={q}") == ["c1"]


def test_hundred_links_with_tags_take_a_handful_of_statements(app: Flask, alice: Caller) -> None:
    put_links(app, alice, *[{} for _ in range(100)])
    tag_all_links(app, alice, ["one", "two"])
    for embed in ("", "&embed=clicks"):
        with statements(app) as seen:
            answer = alice.get(f"/links?limit=100{embed}")
        assert len(answer.json["items"]) == 100
        assert all(link["tags"] == ["one", "two"] for link in answer.json["items"])
        assert 1 < len(seen) <= (5 if embed else 4), seen
