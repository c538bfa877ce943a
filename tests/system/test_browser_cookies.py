"""Signing in by cookie in a real Chromium: a page of a listed origin of this site can, one of another site cannot.

Slugline is at 127.0.0.1 here; so is the frontend, on a port of its own, which makes it another origin of the same
site. `localhost` is another site.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Error as PlaywrightError

from tests.conftest import PASSWORD
from tests.service import Service, serving
from tests.system.conftest import take_out

CALL = """
    const call = async (method, path, body, csrf) => {
        const answer = await fetch(base + "/api/v1" + path, {
            method, credentials: "include", body: body && JSON.stringify(body),
            headers: {...(body && {"Content-Type": "application/json"}), ...(csrf && {"X-CSRF-Token": csrf})},
        });
        return {status: answer.status, read: answer.status === 204 ? null : await answer.json()};
    };
"""
SIGN_IN_AND_SHORTEN = (
    """async ([base, account]) => {"""
    + CALL
    + """
    const signed = await call("POST", "/auth/login", {...account, transport: "cookie"});
    const csrf = signed.read.csrf_token;
    return {
        shown: Object.keys(signed.read).sort(),
        me: (await call("GET", "/users/me")).read.email,
        bare: (await call("POST", "/links", {url: "https://example.org/"})).read.error.code,
        made: (await call("POST", "/links", {url: "https://example.org/"}, csrf)).status,
        renewed: (await call("POST", "/auth/refresh", undefined, csrf)).read.csrf_token === csrf,
        seen: document.cookie,
        csrf,
    };
}"""
)
READ = """async ([base]) => {""" + CALL + """ return await call("GET", "/links"); }"""
# What needs no leave from CORS: a form's POST, and a picture. Nobody can read what comes; so ask the service.
SEND_BLINDLY = """async ([base]) => {
    const path = base + "/api/v1/auth/logout";
    await fetch(path, {method: "POST", mode: "no-cors", credentials: "include"}).catch(() => null);
    const form = Object.assign(document.createElement("form"), {method: "POST", action: path, target: "sink"});
    const sink = Object.assign(document.createElement("iframe"), {name: "sink"});
    document.body.append(sink, form);
    const done = new Promise(resolve => { sink.onload = resolve; });
    form.submit();
    await done;
}"""


@pytest.fixture(scope="module")
def service(
    elsewhere: int, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("cookies")
    shutil.copy(sqlite_template, folder / "slugline.db")
    with serving(
        f"sqlite:///{folder}/slugline.db", folder, CORS_ORIGINS=f"http://127.0.0.1:{elsewhere}"
    ) as running:
        yield running


def test_a_page_of_this_site_signs_in_by_cookie_and_one_of_another_does_nothing(
    page, service, elsewhere, complaints
):
    account = {"email": "page@example.org", "password": PASSWORD}
    service.sign_up(account["email"])

    page.goto(f"http://127.0.0.1:{elsewhere}/")
    found = page.evaluate(SIGN_IN_AND_SHORTEN, [service.base, account])
    assert found["shown"] == ["csrf_token", "expires_in"]
    assert found["me"] == account["email"]
    assert (found["bare"], found["made"], found["renewed"]) == ("CSRF_FAILED", 201, True)
    # Ports share cookies: on a host of its own the page would not even see this one.
    assert found["seen"] == f"slugline_csrf={found['csrf']}"

    kept = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert set(kept) == {"slugline_access", "slugline_refresh", "slugline_csrf"}
    assert {cookie["sameSite"] for cookie in kept.values()} == {"Strict"}

    page.goto(f"http://localhost:{elsewhere}/")
    for script in (READ, SIGN_IN_AND_SHORTEN):
        with pytest.raises(PlaywrightError, match="Failed to fetch"):
            page.evaluate(script, [service.base, account])
    page.evaluate(SEND_BLINDLY, [service.base])
    forbidden = ("CORS policy", "net::ERR_FAILED")
    framed = ("net::ERR_BLOCKED_BY_RESPONSE.NotSameOrigin", "frame-ancestors 'none'")
    take_out(page, complaints, *forbidden, *forbidden, *framed)

    page.goto(f"http://127.0.0.1:{elsewhere}/")
    still = page.evaluate(READ, [service.base])
    assert (still["status"], len(still["read"]["items"])) == (200, 1)
