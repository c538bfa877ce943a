"""Redirects wait for nobody: not for a writer, not for the worker; what they record is counted later."""

import time
from contextlib import closing

import pytest

from tests.e2e.processes import eventually
from tests.service import ENGINES, Service, writing_elsewhere
from tests.stopwatch import stopwatch

VISITS = 100
HELD = 10.0  # seconds; twice what a writer waits for its turn (app.database._BUSY_TIMEOUT)
PAUSE = 0.1  # seconds
AT_ONCE = 0.5  # seconds
SHOWS_WITHIN = 2.0  # seconds, the promise of the contract


def follow(service: Service, code: str, times: int = VISITS) -> None:
    """Visit the link, and be led on at once each time."""
    with stopwatch() as taken, closing(service.connect()) as connection:
        for _ in range(times):
            asked_at = taken()
            assert service.visit(code, connection=connection).status == 302
            assert taken() - asked_at < AT_ONCE


@pytest.fixture(scope="module", params=ENGINES)
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
        end = time.monotonic() + HELD
        while time.monotonic() < end:
            follow(service, code, 10)
            followed += 10
            time.sleep(PAUSE)
        # Nobody else could write all the while, and all these redirects were answered nevertheless.
        assert service.clicks(token, code) == 0
    eventually(lambda: service.clicks(token, code) == followed)


def test_redirects_answer_without_a_worker_and_are_counted_by_the_next(service, token, code):
    assert service.worker.stop() == 0
    follow(service, code)
    assert service.clicks(token, code) == 0
    service.restart_worker()
    eventually(lambda: service.clicks(token, code) == VISITS)


def test_a_click_shows_in_the_stats_within_two_seconds(service, token, code):
    """Each is sent when the one before shows, so that it waits for all that the worker pauses."""
    for number in range(1, 4):
        with stopwatch() as taken:
            follow(service, code, 1)
            eventually(lambda number=number: service.clicks(token, code) == number)
            assert taken() < SHOWS_WITHIN
