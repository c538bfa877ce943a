"""The bound on branches that `make test COVERAGE=1` sets."""

import pytest

from tests.branches import judged


@pytest.mark.parametrize(("taken", "suffices"), [(2000, True), (1900, True), (1899, False), (0, False)])
def test_less_than_95_percent_of_the_branches_do_not_suffice(taken, suffices):
    totals = {
        "covered_lines": 13_000,
        "num_statements": 13_000,
        "covered_branches": taken,
        "num_branches": 2000,
    }
    assert judged(totals)[1] == suffices


def test_the_share_is_of_branches_alone():
    totals = {"covered_lines": 10, "num_statements": 10, "covered_branches": 1839, "num_branches": 1926}
    assert judged(totals)[0] == "Branches of app/: 1,839 of 1,926 taken, 95.48%"
