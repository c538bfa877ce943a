"""GET /links/{code} and GET /links as application/ld+json, read by a JSON-LD processor."""

from typing import Any

import pytest
from flask import Flask
from pyld import jsonld

from tests.conftest import Caller
from tests.making import add_domain, make_link

LD = "application/ld+json"
CONTEXT = "http://sho.rt/api/v1/contexts/link.jsonld"
SCHEMA, OWN = "https://schema.org/", f"{CONTEXT}#"


def read(caller: Caller, path: str) -> dict[str, Any]:
    answer = caller.get(path, headers={"Accept": LD})
    assert (answer.status_code, answer.content_type) == (200, LD)
    assert "Accept" in answer.vary
    found: dict[str, Any] = answer.json
    return found


def expanded(caller: Caller, document: dict[str, Any]) -> list[dict[str, Any]]:
    """What a processor makes of it, which fetches the context from the application itself."""

    def load(url: str, _options: object) -> dict[str, Any]:
        answer = caller.client.get(url.removeprefix("http://sho.rt"))
        assert answer.status_code == 200, url
        return {
            "contentType": answer.content_type,
            "contextUrl": None,
            "documentUrl": url,
            "document": answer.json,
        }

    found: list[dict[str, Any]] = jsonld.expand(document, {"documentLoader": load})
    return found


def test_link_is_the_same_object_with_a_meaning(alice: Caller) -> None:
    link = make_link(alice, code="spring", title="Spring", tags=["a", "b"], expires_at="2099-05-01T00:00:00Z")
    document = read(alice, "/links/spring?embed=clicks")
    assert document.pop("@context") == CONTEXT
    assert document.pop("@id") == "http://sho.rt/api/v1/links/spring"
    assert document.pop("@type") == "ShortLink"
    assert document == alice.get("/links/spring?embed=clicks").json
    [node] = expanded(alice, read(alice, "/links/spring"))
    assert node["@type"] == [f"{OWN}ShortLink"]
    assert node[f"{SCHEMA}url"] == [{"@id": link["short_url"]}]
    assert node[f"{OWN}target"] == [{"@id": link["url"]}]
    assert node[f"{SCHEMA}name"] == [{"@value": "Spring"}]
    assert node[f"{SCHEMA}keywords"] == [{"@value": "a"}, {"@value": "b"}]
    time = {"@type": "http://www.w3.org/2001/XMLSchema#dateTime", "@value": link["expires_at"]}
    assert node[f"{SCHEMA}expires"] == [time]


def test_every_statement_about_a_link_means_something(alice: Caller) -> None:
    """A word that the context forgot would be dropped without a sound."""
    full = {
        "title": "T",
        "notes": "N",
        "tags": ["a"],
        "max_clicks": 5,
        "starts_at": "2020-01-01T00:00:00Z",
        "expires_at": "2099-01-01T00:00:00Z",
    }
    make_link(alice, code="full", **full)
    document = read(alice, "/links/full?embed=clicks")
    document["blocked_reason"] = "phishing"  # what is null means nothing
    document["clicks"]["last_at"] = "2026-01-01T00:00:00.000Z"
    [node] = expanded(alice, document)
    assert len(node.keys() - {"@id", "@type"}) == len(
        document.keys() - {"@context", "@id", "@type", "_links"}
    )
    [clicks] = node[f"{OWN}clicks"]
    assert len(clicks) == len(document["clicks"])


def test_page_is_an_ordered_list_of_links(alice: Caller) -> None:
    for code in ("one", "two"):
        make_link(alice, code=code)
    document = read(alice, "/links?sort=code")
    [node] = expanded(alice, document)
    assert node["@type"] == [f"{SCHEMA}ItemList"]
    assert node["@id"].startswith("http://sho.rt/api/v1/links?")
    [items] = node[f"{SCHEMA}itemListElement"]
    names = [item["@id"] for item in items["@list"]]
    assert names == [f"http://sho.rt/api/v1/links/{code}" for code in ("one", "two")]
    plain = alice.get("/links?sort=code").json
    assert [{k: v for k, v in item.items() if k[0] != "@"} for item in document["items"]] == plain["items"]


def test_names_stay_apart_over_domains_and_after_deletion(app: Flask, alice: Caller) -> None:
    add_domain(app, "other.example")
    make_link(alice, code="same")
    make_link(alice, code="same", domain="other.example")
    names = {item["@id"] for item in read(alice, "/links")["items"]}
    assert names == {
        "http://sho.rt/api/v1/links/same",
        "http://sho.rt/api/v1/links/same?domain=other.example",
    }
    for query in ("", "?domain=other.example"):
        alice.delete(f"/links/same{query}")
    assert {item["@id"] for item in read(alice, "/links?status=deleted")["items"]} == names


@pytest.mark.parametrize("profile", ["compacted", "expanded"])
def test_compacted_profile_is_what_there_is(alice: Caller, profile: str) -> None:
    make_link(alice, code="x")
    sent = f'{LD};profile="http://www.w3.org/ns/json-ld#{profile}"'
    answer = alice.get("/links/x", headers={"Accept": sent})
    assert answer.status_code == (200 if profile == "compacted" else 406)


@pytest.mark.parametrize("path", ["/users/me", "/stats", "/auth/sessions"])
def test_nothing_else_comes_as_linked_data(alice: Caller, path: str) -> None:
    assert alice.get(path, headers={"Accept": LD}).status_code == 406


def test_context_is_public_and_revalidated(anonymous: Caller) -> None:
    answer = anonymous.get("/contexts/link.jsonld")
    assert answer.content_type == LD
    assert answer.headers["Cache-Control"] == "public, max-age=86400"
    again = anonymous.get("/contexts/link.jsonld", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
