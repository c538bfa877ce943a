"""app/web/errors.py: how exceptions become the one shape."""

import json

import pytest
from flask import Flask, abort
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError, TimeoutError
from werkzeug import exceptions

from app import errors
from app.errors import AppError, FieldError, ValidationFailed
from app.web.errors import header_text, init_app, payload, problem, refusal


def test_payload_leaves_out_what_does_not_apply() -> None:
    error = payload(errors.NotFound(), "req_1")["error"]
    assert error == {
        "code": "NOT_FOUND",
        "message": "There is nothing here.",
        "field": None,
        "request_id": "req_1",
    }


def test_payload_has_reason_and_every_field() -> None:
    refused = ValidationFailed.of([FieldError("url", "Bad."), FieldError("tags.0", "Worse.")])
    assert payload(refused, "req_1")["error"]["details"] == [
        {"field": "url", "message": "Bad."},
        {"field": "tags.0", "message": "Worse."},
    ]
    assert payload(errors.AuthRequired(reason="expired"), "req_1")["error"]["reason"] == "expired"


@pytest.mark.asvs("1.2.1")
@given(st.text())
def test_header_text_is_short_printable_ascii(message: str) -> None:
    sent = header_text(message)
    assert sent.isascii()
    assert sent.isprintable()
    assert len(sent) <= 200


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.Conflict(), errors.Conflict),
        (exceptions.BadRequest(), errors.ValidationFailed),
        (exceptions.ClientDisconnected(), errors.ValidationFailed),
        (exceptions.NotFound(), errors.NotFound),
        (exceptions.RequestEntityTooLarge(), errors.PayloadTooLarge),
        (exceptions.RequestURITooLarge(), errors.URITooLong),
        (exceptions.UnsupportedMediaType(), errors.UnsupportedMediaType),
        (exceptions.ImATeapot(), errors.InternalError),
        (RuntimeError("x"), errors.InternalError),
        (OperationalError("SELECT 1", None, Exception("database is locked")), errors.Unavailable),
        (TimeoutError("the pool is empty"), errors.Unavailable),
        (
            InterfaceError("SELECT 1", None, Exception("gone"), connection_invalidated=True),
            errors.Unavailable,
        ),
        (DataError("SELECT 1", None, Exception("NUL")), errors.InternalError),
        (IntegrityError("INSERT", None, Exception("taken")), errors.InternalError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_exception_becomes_its_refusal(error: Exception, kind: type[AppError]) -> None:
    assert type(refusal(error)) is kind


def test_allowed_methods_are_kept_and_other_headers_are_not() -> None:
    kept = refusal(exceptions.MethodNotAllowed(["GET", "PUT"]))
    assert kept.headers == {"Allow": "GET, PUT"}


@pytest.mark.asvs("16.5.4")
def test_any_exception_of_a_view_comes_in_the_one_shape(bare: Flask) -> None:
    init_app(bare)

    @bare.get("/<int:status>")
    def fail(status: int) -> None:
        if status == 0:
            raise KeyError("a secret")
        abort(status)

    for status, expected in ((0, 500), (404, 404), (413, 413), (418, 500)):
        answer = bare.test_client().get(f"/{status}")
        assert answer.status_code == expected
        error = json.loads(answer.data)["error"]
        assert answer.headers["X-Error-Code"] == error["code"]
        assert answer.headers["X-Error-Message"] == error["message"]
        assert "secret" not in answer.text


def test_problem_says_all_that_the_one_shape_says(bare: Flask) -> None:
    bare.config["PUBLIC_URL"] = "https://go.example.org"
    refused = ValidationFailed.of([FieldError("url", "Bad."), FieldError("tags.0", "Worse.")])
    with bare.app_context():
        told = problem(refused, "req_12345678")
    assert told == {
        "type": "https://go.example.org/docs/errors#VALIDATION_ERROR",
        "title": "The request is not valid.",
        "status": 400,
        "detail": "Bad.",
        "instance": "urn:slugline:request:req_12345678",
        "code": "VALIDATION_ERROR",
        "field": "url",
        "request_id": "req_12345678",
        "details": [{"field": "url", "message": "Bad."}, {"field": "tags.0", "message": "Worse."}],
    }
