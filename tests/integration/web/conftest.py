"""What is around the API is the same on both databases: SQLite will do here."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

Shape = Callable[[TestResponse, int, str], dict[str, Any]]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def one_shape() -> Shape:
    """Assert the one shape of errors; return the error."""

    def check(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
        assert answer.status_code == status, answer.text
        assert answer.mimetype == "application/json"
        error: dict[str, Any] = json.loads(answer.data)["error"]
        assert set(error) - {"details", "reason"} == {"code", "message", "field", "request_id"}
        assert error["code"] == code == answer.headers["X-Error-Code"]
        assert error["request_id"] == answer.headers["X-Request-ID"]
        return error

    return check
