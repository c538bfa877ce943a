"""Hostile referrers do not make the facets grow without end, and each click is counted all the same."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app import database
from app.clicks import facetbound
from app.clicks.batch import Facets
from app.clicks.countries import countries
from app.clicks.facetbound import OTHER, FacetBound
from app.clicks.ingest import Ingester
from app.clicks.models import AccountFacet, ClickFacet
from tests.integration.clicks.conftest import AT, Finished, drain
from tests.integration.clicks.rolled import line, own_links, table


@pytest.fixture
def owned() -> None:
    own_links()


def facets(model: Any = ClickFacet, dimension: str = "referrer") -> dict[tuple[int, str], int]:
    """Clicks by subject and value, of all days."""
    found: Counter[tuple[int, str]] = Counter()
    for key, (clicks,) in table(model).items():
        named = dict(zip([column.name for column in model.__table__.primary_key], key, strict=True))
        if named["dimension"] == dimension:
            found[named.get("link_id", named.get("owner_id")), named["value"]] += clicks
    return dict(found)


def referred(*hosts: str, link_id: int = 1) -> list[bytes]:
    return [line(link_id=link_id, referrer=f"https://{host}/") for host in hosts]


@pytest.fixture
def bound_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facetbound, "MAX_VALUES", 3)


@pytest.mark.usefixtures("owned", "bound_of_three")
def test_values_beyond_the_bound_are_counted_together(spool_dir: Path, finished: Finished) -> None:
    for hosts in (["a", "b", "a"], ["c", "d", "a"], ["e", "c", "f", "f"], ["a", "d"]):
        finished(referred(*hosts))
        with Ingester(spool_dir, countries()) as ingester:  # each reads from the database what there is
            drain(ingester)
    assert facets() == {(1, "a"): 4, (1, "b"): 1, (1, "c"): 2, (1, OTHER): 5}
    assert facets(dimension="browser") == {(1, "Firefox"): 12}


@pytest.mark.usefixtures("owned", "bound_of_three")
def test_an_account_has_a_bound_of_its_own(ingester: Ingester, finished: Finished) -> None:
    finished([*referred("a", "b"), *referred("c", "d", link_id=2), *referred("e", link_id=3)])
    drain(ingester)
    assert facets() == {(1, "a"): 1, (1, "b"): 1, (2, "c"): 1, (2, "d"): 1, (3, "e"): 1}
    assert facets(AccountFacet) == {(10, "a"): 1, (10, "b"): 1, (10, "c"): 1, (10, OTHER): 1, (11, "e"): 1}


@pytest.mark.usefixtures("bound_of_three")
def test_the_bound_is_one_days(ingester: Ingester, finished: Finished) -> None:
    finished(referred("a", "b", "c"))
    finished([line(at=AT + timedelta(days=1), referrer="https://d/")])
    drain(ingester)
    assert facets() == {(1, "a"): 1, (1, "b"): 1, (1, "c"): 1, (1, "d"): 1}


def test_values_count_that_are_stored_while_the_next_are_worked_out(
    ingester: Ingester, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL. The first batch may not come to the bound, so that what there is is read for the second."""
    monkeypatch.setattr(facetbound, "MAX_VALUES", 8)
    finished(referred(*"abcd"))
    finished(referred(*"efghijk"))
    drain(ingester)
    assert facets() == {**{(1, host): 1 for host in "abcdefgh"}, (1, OTHER): 3}


def test_a_bound_that_forgets_looks_again() -> None:
    bound, facets = FacetBound(ClickFacet, remembered=0), {(1, 20_574): Facets(countries={"DE": 1})}
    for _ in range(2):
        with database.writing() as connection:
            assert bound.unknown(facets) == [*facets]
            bound.look(connection, facets, facets)


def test_values_that_come_again_do_not_come_to_the_bound(
    ingester: Ingester, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facetbound, "MAX_VALUES", 12)
    for hosts in ("abc", "abc", "abc", "abcdefgh"):
        finished(referred(*hosts))
        drain(ingester)
    assert OTHER not in {host for _, host in facets()}
