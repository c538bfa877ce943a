"""A browser at a Slugline on HTTPS, and what the pages it shows have it send."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.conftest import PASSWORD, Caller, sign_up
from tests.sharing import shared

OURS = "https://sho.rt"
LISTED = "https://app.sho.rt"  # another host of the same site, whose pages are the operator's
UNLISTED = "https://blog.sho.rt"  # one whose pages are somebody else's
EVIL = "https://evil.example"


@contextmanager
def house_on_https(template: Path, folder: Path, **changes: str) -> Iterator[Flask]:
    with shared(template, folder, PUBLIC_URL=OURS, CORS_ORIGINS=LISTED, **changes) as app:
        yield app


class Browser:
    """Keeps cookies as browsers do, and sends with a call what the page's place and script make it send."""

    def __init__(self, app: Flask, account: Caller | None = None) -> None:
        self.client: FlaskClient = app.test_client()
        self.account = account or sign_up(app, "reader")
        self.csrf = ""

    def sign_in(self, transport: str = "cookie", **headers: str) -> TestResponse:
        body = {"email": self.account.email, "password": PASSWORD, "transport": transport}
        answer = self.call("POST", "/auth/login", json=body, headers=headers)
        if answer.status_code == 200:
            self.csrf = answer.json.get("csrf_token", "")
        return answer

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        return self.client.open(f"/api/v1{path}", method=method, base_url=OURS, **options)

    def change(self, method: str, path: str, **options: Any) -> TestResponse:
        """A call with the session's CSRF token, as a page of ours makes it."""
        return self.call(
            method, path, headers={"X-CSRF-Token": self.csrf} | options.pop("headers", {}), **options
        )

    def cookie(self, name: str) -> str:
        found = self.client.get_cookie(f"__Host-slugline_{name}", "sho.rt")
        return found.value if found else ""

    def set_cookie(self, name: str, value: str) -> None:
        self.client.set_cookie(f"__Host-slugline_{name}", value, domain="sho.rt", secure=True)
