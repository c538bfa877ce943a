"""The orders that lists have."""

import pytest

from app.links.listing import SORTS, order


def test_sorts_are_those_of_the_contract() -> None:
    names = {"created_at", "updated_at", "code", "title"}
    assert set(SORTS) == names | {f"-{name}" for name in names}


@pytest.mark.parametrize("sort", SORTS)
def test_order_is_total_and_shows_no_internal_number_of_links(sort: str) -> None:
    columns = [str(column) for column in order(sort).columns]
    assert order(sort).descending == sort.startswith("-")
    assert columns[-1] == "links.domain_id"
    assert "links.code" in columns[-2]
    assert "links.id" not in " ".join(columns)
