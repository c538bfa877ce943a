"""The orders that lists have."""

from app.links.listing import SORTS


def test_sorts_are_those_of_the_contract() -> None:
    names = {"created_at", "updated_at", "code", "title"}
    assert set(SORTS) == names | {f"-{name}" for name in names}
