"""Swagger UI at /docs in a real Chromium: a person signs in there and tries every call with what is filled in.

The calls of admins are tried with an admin's token.

Nothing is typed but ids and tokens, which a person copies from the answer before: so the specification's examples
must be good enough to be sent. `page` fails on a complaint of the browser and on a request to another host.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page

from tests.conftest import PASSWORD
from tests.e2e.processes import ROOT
from tests.making import picture
from tests.service import Service, serving

DOCUMENT = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
OPERATIONS = {
    found["operationId"]: (method, path, found)
    for path, item in DOCUMENT["paths"].items()
    for method, found in item.items()
    if method != "parameters"
}
# Which call needs which before it. Those that no list names are tried in between, in the document's order.
FIRST = ("shorten", "create_link", "get_link", "put_link", "patch_link")
LAST = ("put_avatar", "get_avatar", "delete_avatar", "delete_link", "restore_link")
OF_ACCOUNTS = (
    *("register", "login", "logout", "refresh", "change_password", "delete_me"),
    *("list_sessions", "end_session", "end_other_sessions"),
    *("sign_in_by_passkey", "enrol_totp", "confirm_totp", "remove_totp", "renew_recovery_codes"),
    *("add_passkey", "remove_passkey"),
)
OF_KEYS = (
    "create_api_key",
    "list_api_keys",
    "get_api_key",
    "patch_api_key",
    "rotate_api_key",
    "revoke_api_key",
)
OF_AUTHENTICATORS = {
    "sign_in_by_passkey": 401,
    "confirm_totp": 403,
    "remove_totp": 404,
    "renew_recovery_codes": 409,
    "add_passkey": 400,
    "remove_passkey": 404,
}
"""What nobody can do by hand, or undo: it is refused, and as documented."""
OF_ADMINS = (
    *("invalidate_cache", "list_users", "patch_user", "delete_user"),
    *("block_link", "unblock_link", "add_domain", "remove_domain"),
)
# These take a token that was sent by mail, which no example is.
BY_MAIL = ("verify_email", "reset_password", "confirm_email")
# What a provider sends a browser back with, nobody can type: tests/system/test_oidc.py.
OF_PROVIDERS = (
    *("begin_sign_in", "complete_sign_in", "begin_link", "complete_link"),
    "remove_identity",
)
BETWEEN = [
    name
    for name in OPERATIONS
    if name not in {*FIRST, *LAST, *OF_ACCOUNTS, *OF_KEYS, *OF_ADMINS, *OF_PROVIDERS}
]
ADMIN = "root@example.org"


@pytest.fixture(scope="module")
def service(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("swagger")
    shutil.copy(sqlite_template, folder / "slugline.db")
    with serving(f"sqlite:///{folder}/slugline.db", folder) as running:
        yield running


def admins_token(service: Service) -> str:
    """The access token of an admin made for it."""
    subprocess.run(
        [sys.executable, "-m", "flask", "users", "create-admin", "--email", ADMIN],
        env={**service.variables, "ADMIN_PASSWORD": PASSWORD},
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    account = {"email": ADMIN, "password": PASSWORD}
    return str(service.call("POST", "/api/v1/auth/login", body=account).json["access_token"])


class Person:
    """Somebody at Swagger UI."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def authorize(self, scheme: str, token: str) -> None:
        """Put a token in, for the one that is there."""
        self._page.locator(".auth-wrapper > .authorize").click()
        dialog = self._page.locator(".auth-container").filter(has_text=scheme)
        if (there := dialog.get_by_role("button", name="Remove authorization")).count():
            there.click()
        dialog.get_by_label("auth-bearer-value").fill(token)
        dialog.get_by_role("button", name="Apply credentials").click()
        dialog.get_by_role("button", name="Close").click()

    def forget(self, scheme: str) -> None:
        """Take a token out again."""
        self._page.locator(".auth-wrapper > .authorize").click()
        dialog = self._page.locator(".auth-container").filter(has_text=scheme)
        dialog.get_by_role("button", name="Remove authorization").click()
        dialog.get_by_role("button", name="Close").click()

    def execute(self, name: str, **typed: str) -> tuple[int, Any]:
        """Press Execute; return status and JSON (None where there is no body) of the answer that is shown.

        `typed` are parameters to fill in, by name.
        """
        block = self.opened(name)
        for parameter, value in typed.items():
            block.locator(f'tr[data-param-name="{parameter}"] input').fill(value)
            block.locator(f'tr[data-param-name="{parameter}"] input').blur()  # it is taken with a delay else
        execute = block.get_by_role("button", name="Execute")
        execute.wait_for()
        if (file := block.locator('input[type="file"]')).count():
            file.set_input_files({"name": "me.png", "mimeType": "image/png", "buffer": picture()})
        with self._page.expect_response(lambda answer: "/api/v1/" in answer.url) as caught:
            execute.click()
        shown = block.locator(".live-responses-table tbody .response-col_status").first
        status = int(shown.inner_text().split()[0])
        assert status == caught.value.status
        block.locator(".opblock-summary-control").dispatch_event("click")
        is_json = caught.value.headers.get("content-type", "").startswith("application/json")
        return status, caught.value.json() if is_json and status != 204 else None

    def opened(self, name: str) -> Locator:
        """The block of a call, which was closed."""
        method, path, _ = OPERATIONS[name]
        block = self._page.locator(f'.opblock-{method}:has([data-path="{path}"])')
        block.locator(".opblock-summary-control").dispatch_event("click")
        return block


@pytest.mark.timeout(900)  # Chromium draws some hundred screens of Swagger UI
def test_every_call_can_be_tried_with_what_is_filled_in(
    page: Page, service: Service, look: Callable[[str], None]
) -> None:
    answers: dict[str, int] = {}
    bodies: dict[str, Any] = {}
    page.goto(f"{service.base}/docs")
    person = Person(page)

    def tried(name: str, **typed: str) -> Any:
        answers[name], body = person.execute(name, **typed)
        return body

    def signed_in() -> dict[str, str]:
        tokens: dict[str, str] = tried("login")
        person.authorize("accessToken", tokens["access_token"])
        return tokens

    user = tried("register")
    signed_in()
    tried("logout")
    signed_in()
    host = service.base.partition("://")[2]
    typed = {"get_user": {"user_id": user["id"]}, "get_domain": {"host": host}}
    for name in (*FIRST, *BETWEEN, *LAST):
        bodies[name] = tried(name, **typed.get(name, {}))
    look("links")
    signed_in()  # on a slow machine more than the five minutes ago in which one may change keys
    key = tried("create_api_key")["id"]
    for name in OF_KEYS[1:]:
        tried(name, **({} if name == "list_api_keys" else {"key_id": key}))
    sessions = tried("list_sessions")["items"]
    person.authorize("accessToken", admins_token(service))
    other = service.call("GET", "/api/v1/users/me", token=service.sign_up("other@example.org")).json["id"]
    typed = {"patch_user": {"user_id": user["id"]}, "delete_user": {"user_id": other}}
    for name in OF_ADMINS:
        tried(name, **typed.get(name, {}))
    tokens = signed_in()
    tried("enrol_totp")
    for name in OF_AUTHENTICATORS:
        tried(name, **({"passkey_id": "psk_none"} if name == "remove_passkey" else {}))
    tried("end_session", session_id=sessions[0]["id"])
    tried("end_other_sessions")
    person.forget("accessToken")
    person.authorize("refreshToken", tokens["refresh_token"])
    tokens = tried("refresh")
    person.forget("refreshToken")
    person.authorize("accessToken", tokens["access_token"])
    tried("change_password")
    tried("delete_me")
    assert set(answers) == set(OPERATIONS) - set(OF_PROVIDERS)
    for name, status in answers.items():
        assert str(status) in OPERATIONS[name][2]["responses"]
    refused = {name: status for name, status in answers.items() if status >= 400}
    assert refused == dict.fromkeys(BY_MAIL, 403) | OF_AUTHENTICATORS
    assert bodies["change_links"]["summary"] == {"total": 3, "succeeded": 3, "failed": 0}


def test_an_open_call_scrolls_within_itself_on_a_phone(page: Page, service: Service) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(f"{service.base}/docs")
    Person(page).opened("change_links").get_by_role("button", name="Execute").wait_for()
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(fits)
    page.evaluate("""document.querySelector("link[href='docs/page.css']").disabled = true""")
    assert not page.evaluate(fits)  # so it is our style that does it
