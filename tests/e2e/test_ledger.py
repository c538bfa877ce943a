"""The short form of `make ledger`: what was answered is counted, once, whatever is killed."""

import pytest

from tests.ledger import TARGETS, Result, run
from tests.service import ENGINES

VISITS = 900
SEED = 7


def ledger(start, url: str, application: str = "wsgi:app") -> Result:
    service = start(url, application, WEB_WORKERS="2")
    return run(service, visits=VISITS, targets=list(TARGETS), seed=SEED)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_answered_visit_is_stored_once_whatever_is_killed(start, new_database, engine):
    result = ledger(start, new_database(engine))
    assert result.kills.total() == 3
    assert len(result.answered) >= VISITS
    assert result.by_hot_worker > len(result.answered) / 2
    assert not result.lost
    assert not result.doubled
    assert not result.refused
    assert result.balanced


def test_clicks_kept_in_memory_do_not_survive_the_same_kills(start, new_database):
    """The control: were this green, the ledger could not see a loss."""
    result = ledger(start, new_database("sqlite"), "tests.memory_wsgi:app")
    assert len(result.lost) > 0
    assert not result.balanced


@pytest.mark.parametrize(
    ("stored", "counted"),
    [(["a"], 1), (["a", "b", "b"], 3), (["a", "b", "c"], 3), (["a", "b"], 3)],
    ids=["lost", "doubled", "never sent", "roll-ups differ"],
)
def test_the_ledger_sees_every_kind_of_imbalance(stored, counted):
    result = Result(sent={"a", "b"}, answered={"a", "b"}, stored=stored, counted=counted)
    assert not result.balanced


def test_a_visit_cut_off_by_a_kill_may_be_stored_or_not():
    for stored in (["a"], ["a", "b"]):
        assert Result(sent={"a", "b"}, answered={"a"}, stored=stored, counted=len(stored)).balanced
