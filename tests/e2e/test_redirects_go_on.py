"""Redirects wait for nobody: not for a writer, not for the worker; what they record is counted later."""

import time

import pytest

from tests.e2e.processes import eventually
from tests.service import Service, writing_elsewhere
from tests.stopwatch import stopwatch

VISITS = 100
LONGER_THAN_THE_WORKER_PAUSES = 1.0  # seconds
SHOWS_WITHIN = 2.0  # seconds, the promise of the contract


def visit(service: Service, code: str, times: int = VISITS) -> int:
    """Follow the link; return how often it led on."""
    connection = service.connect()
    answers = [service.visit(code, connection=connection).status for _ in range(times)]
    connection.close()
    return answers.count(302)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(request, start, new_database) -> Service:
    return start(new_database(request.param))


@pytest.fixture
def token(service: Service) -> str:
    return service.sign_up()


@pytest.fixture
def code(service: Service, token: str) -> str:
    return service.link(token)


def test_redirects_answer_while_somebody_writes_and_are_counted_afterwards(service, token, code):
    followed = 0
    with writing_elsewhere(service.database_url):
        end = time.monotonic() + LONGER_THAN_THE_WORKER_PAUSES
        while time.monotonic() < end:
            followed += visit(service, code, 10)
        # Nobody else could write all the while, and all these redirects were answered nevertheless.
        assert service.clicks(token, code) == 0
    assert followed >= 10
    eventually(lambda: service.clicks(token, code) == followed)


def test_redirects_answer_without_a_worker_and_are_counted_by_the_next(service, token, code):
    assert service.worker.stop() == 0
    assert visit(service, code) == VISITS
    assert service.clicks(token, code) == 0
    service.restart_worker()
    eventually(lambda: service.clicks(token, code) == VISITS)


def test_a_click_shows_in_the_stats_within_two_seconds(service, token, code):
    """Each is sent when the one before shows, so that it waits for all that the worker pauses."""
    for number in range(1, 4):
        with stopwatch() as taken:
            visit(service, code, 1)
            eventually(lambda number=number: service.clicks(token, code) == number)
            assert taken() < SHOWS_WITHIN
