"""/account: the pages that links in mails lead to, as they are sent; tests/system/test_account_pages.py uses them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.account_pages import FILES, PAGES
from tests.sharing import shared


@pytest.fixture(scope="module")
def reader(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    with shared(sqlite_template, tmp_path_factory.mktemp("account")) as app:
        yield app.test_client()


@pytest.mark.parametrize("name", PAGES)
def test_each_page_makes_its_own_call(reader: FlaskClient, name: str) -> None:
    answer = reader.get(f"/account/{name}")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert f'data-call="/api/v1{PAGES[name].call}"' in answer.text


@pytest.mark.parametrize("name", ["verify", *FILES])
def test_all_of_it_is_asked_for_anew_and_unchanged_is_304(reader: FlaskClient, name: str) -> None:
    with reader.get(f"/account/{name}") as answer:
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
        tag = answer.headers["ETag"]
    with reader.get(f"/account/{name}", headers={"If-None-Match": tag}) as answer:
        assert (answer.status_code, answer.data) == (304, b"")


@pytest.mark.parametrize("name", ["nothing", "account.html", "..%2Faccount_pages.py"])
def test_anything_else_is_404_in_the_one_shape(reader: FlaskClient, name: str) -> None:
    answer = reader.get(f"/account/{name}")
    assert answer.status_code == 404
    assert answer.json["error"]["code"] == "NOT_FOUND"
