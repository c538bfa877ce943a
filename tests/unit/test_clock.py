"""app/clock.py"""

from datetime import UTC, datetime

import pytest

from app import clock


@pytest.mark.asvs("16.2.2")
def test_now_is_aware_and_in_utc() -> None:
    assert clock.now().tzinfo is UTC
    assert datetime.now(UTC) <= clock.now() <= datetime.now(UTC)
