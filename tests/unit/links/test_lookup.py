"""The bounds of app/links/lookup.py; tests/integration/links/test_lookup.py has the rest, on real databases."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import pytest

from app.links.lookup import GENERATION, MAX_HOSTS, Key, Lookup, NotNow, Source
from app.links.resolve import Resolved

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Nothing:
    """A source without links."""

    changes = 0

    def stamp(self) -> object | None:
        return self

    def domain_ids(self, hosts: Collection[str], wait: bool) -> dict[str, int]:
        return {}

    def links(self, domain_id: int, codes: Collection[str], wait: bool) -> dict[str, Resolved]:
        return {}


def url_of(link: Resolved | None, _now: datetime) -> str | None:
    return link.url if link else None


def find(lookup: Lookup[Any], code: str = "abc", host: str = "sho.rt") -> Any:
    return lookup.find([(host, code)], AT, wait=True, unknown=None)[0]


def test_random_codes_do_not_fill_the_memory() -> None:
    lookup = Lookup(Nothing(), url_of)
    for number in range(5 * GENERATION):
        find(lookup, f"x{number}")
        find(lookup, "hot", host=f"h{number}")
    assert len(lookup._young) + len(lookup._old) <= 2 * GENERATION
    assert len(lookup._hosts) <= MAX_HOSTS
    assert (1, "hot") in lookup._young | lookup._old, "what is in use stays"


@pytest.mark.parametrize("host", ["a..b", "sho.rt..", "a b", "x" * 300, ""])
def test_a_malformed_host_is_left_to_others_and_not_kept(host: str) -> None:
    lookup = Lookup(Nothing(), url_of)
    for wait in (False, True):
        assert lookup.find([(host, "abc")], AT, wait, NotNow) == [NotNow]
    assert lookup._hosts == {}


def test_a_link_that_changed_while_it_was_read_is_not_kept() -> None:
    class Changing(Nothing):
        def links(self, domain_id: int, codes: Collection[str], wait: bool) -> dict[str, Resolved]:
            self.changes += 1
            return {}

    source: Source = Changing()
    lookup = Lookup(source, url_of)
    find(lookup)
    assert lookup._young == {}
    key: Key = (1, "abc")
    lookup.renew([(key, None)], source.changes - 1, AT)  # type: ignore[list-item]  # as good as any link
    assert lookup._young == {}


@pytest.mark.parametrize("stamped", [True, False])
def test_however_many_are_asked_for_the_database_is_asked_once_for_domains_and_once_for_links(
    stamped: bool,
) -> None:
    asked: list[tuple[str, int]] = []

    class Counting(Nothing):
        def stamp(self) -> object | None:
            return self if stamped else None

        def domain_ids(self, hosts: Collection[str], wait: bool) -> dict[str, int]:
            asked.append(("domains", len(hosts)))
            return {"h1": 7}

        def links(self, domain_id: int, codes: Collection[str], wait: bool) -> dict[str, Resolved]:
            asked.append((f"links of {domain_id}", len(codes)))
            return {}

    hits = [(f"h{number % 3}", f"x{number}") for number in range(30)]
    assert Lookup(Counting(), url_of).find(hits, AT, True, NotNow) == [None] * 30
    assert sorted(asked) == [("domains", 3), ("links of 1", 20), ("links of 7", 10)]


def test_a_database_that_does_not_answer_is_waited_for_once_for_domains_and_once_for_links() -> None:
    waited: list[str] = []

    class Silent(Nothing):
        def domain_ids(self, hosts: Collection[str], wait: bool) -> dict[str, int]:
            waited.append("domains")
            raise NotNow

        def links(self, domain_id: int, codes: Collection[str], wait: bool) -> dict[str, Resolved]:
            waited.append("links")
            raise NotNow

    class SilentOfLinks(Silent):
        def domain_ids(self, hosts: Collection[str], wait: bool) -> dict[str, int]:
            return {"h1": 7}

    hits = [(f"h{number}", "abc") for number in range(200)]
    for source, expected in ((Silent(), "domains"), (SilentOfLinks(), "links")):
        waited.clear()
        assert Lookup(source, url_of).find(hits, AT, True, NotNow) == [NotNow] * 200
        assert waited == [expected]
