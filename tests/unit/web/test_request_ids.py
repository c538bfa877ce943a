"""app/web/request_id.py"""

import re

import pytest
from flask import Flask

from app.web import request_id


@pytest.fixture
def numbered(bare: Flask) -> Flask:
    request_id.init_app(bare)
    bare.add_url_rule("/", view_func=request_id.current)
    return bare


@pytest.mark.parametrize(
    "sent", ["req_8f3a2b1c", "a" * 128, "0af7651916cd43dd8448eb211c80319c", "A.b_c-1234"]
)
def test_sane_id_of_the_client_is_kept(numbered: Flask, sent: str) -> None:
    answer = numbered.test_client().get("/", headers={"X-Request-ID": sent})
    assert (answer.headers["X-Request-ID"], answer.text) == (sent, sent)


@pytest.mark.parametrize(
    "sent", ["", "short", "a" * 129, "with space", "<script>alert(1)</script>", "a,b,c,d,e", "\u00e9" * 9]
)
def test_any_other_is_replaced(numbered: Flask, sent: str) -> None:
    answer = numbered.test_client().get("/", headers={"X-Request-ID": sent})
    assert re.fullmatch(r"req_[A-Za-z0-9]{22}", answer.headers["X-Request-ID"])


def test_each_request_has_its_own(numbered: Flask) -> None:
    client = numbered.test_client()
    assert len({client.get("/").text for _ in range(5)}) == 5


def test_outside_a_request_there_is_one_too() -> None:
    assert request_id.current().startswith("req_")
