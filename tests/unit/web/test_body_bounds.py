"""app/web/body.py"""

import io
from typing import Any

import pytest
from flask import Flask, request
from gunicorn.http.errors import InvalidChunkSize, NoMoreData

from app.web import body, errors

LIMIT = 1000


@pytest.fixture
def bounded(bare: Flask) -> Flask:
    bare.config["MAX_CONTENT_LENGTH"] = LIMIT
    body.init_app(bare)
    errors.init_app(bare)
    bare.add_url_rule("/", view_func=lambda: str(len(request.get_data())), methods=["GET", "POST"])
    return bare


class Malformed:
    """What Gunicorn's body reader does at a bad chunk."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self, _size: int) -> bytes:
        raise self.error


def send(app: Flask, data: bytes | Malformed, *, chunked: bool) -> Any:
    stream: Any = io.BytesIO(data) if isinstance(data, bytes) else data
    if not chunked:
        return app.test_client().post("/", data=data)
    environ = {"wsgi.input": stream, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    return app.test_client().post("/", environ_overrides=environ)


@pytest.mark.asvs("5.2.1")
@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize(("size", "status"), [(0, 200), (LIMIT, 200), (LIMIT + 1, 413), (50 * LIMIT, 413)])
def test_bodies_are_bounded_however_they_come(bounded: Flask, chunked: bool, size: int, status: int) -> None:
    answer = send(bounded, b"x" * size, chunked=chunked)
    assert answer.status_code == status
    assert (
        answer.text == str(size) if status == 200 else answer.headers["X-Error-Code"] == "PAYLOAD_TOO_LARGE"
    )


@pytest.mark.asvs("4.2.1")
@pytest.mark.parametrize("error", [InvalidChunkSize(b"zz"), NoMoreData(), OSError("gone")])
def test_malformed_chunks_are_400(bounded: Flask, error: Exception) -> None:
    answer = send(bounded, Malformed(error), chunked=True)
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (400, "MALFORMED_JSON")


@pytest.mark.parametrize(("length", "status"), [(body.MAX_URI, 200), (body.MAX_URI + 1, 414)])
def test_path_and_query_are_bounded_together(bounded: Flask, length: int, status: int) -> None:
    answer = bounded.test_client().get("/?" + "q" * (length - 2))
    assert answer.status_code == status


def test_escapes_count_as_they_came(bounded: Flask) -> None:
    assert bounded.test_client().get("/?" + "%61" * 1500).status_code == 414


@pytest.mark.parametrize("path", ["/%00", "/a%00b", "/%00?x=1"])
def test_nothing_has_a_name_with_nul(bounded: Flask, path: str) -> None:
    bounded.add_url_rule("/<name>", "named", lambda name: name)
    answer = bounded.test_client().get(path)
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "NOT_FOUND")
