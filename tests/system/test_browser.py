"""What a person and a page of another origin do with Slugline in a real Chromium: CORS, Swagger UI, visitors' pages.

`page` (in conftest.py) fails on whatever the browser complains of in its console (a blocked style, a refused
request) and on a request to any host that is not ours.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Error as PlaywrightError

from tests.conftest import PASSWORD
from tests.service import Service, serving
from tests.system.conftest import take_out

LINK_PASSWORD = "a link's password"

# A frontend's own call: signs in by bearer token, makes a link, and reads the headers that CORS exposes.
SIGN_IN_AND_SHORTEN = """
async ([base, account]) => {
    const call = (method, path, body, token) => fetch(base + "/api/v1" + path, {
        method,
        headers: {"Content-Type": "application/json", ...(token && {Authorization: "Bearer " + token})},
        body: JSON.stringify(body),
    });
    await call("POST", "/auth/register", account);
    const tokens = await (await call("POST", "/auth/login", account)).json();
    const made = await call("POST", "/links", {url: "https://example.org/"}, tokens.access_token);
    const refused = await call("PATCH", "/links/none", {}, tokens.access_token);
    const link = await fetch(base + made.headers.get("Location"), {
        method: "PATCH",
        headers: {
            "Content-Type": "application/json", Authorization: "Bearer " + tokens.access_token,
            "If-Match": made.headers.get("ETag"),
        },
        body: "{}",
    });
    const read = answer => ({status: answer.status, ...Object.fromEntries(
        ["Location", "ETag", "X-Request-ID", "RateLimit", "RateLimit-Policy", "X-Error-Code"].map(
            name => [name, answer.headers.get(name)]
        )
    )});
    return [read(made), read(refused), read(link)];
}
"""


@pytest.fixture(scope="module")
def service(
    elsewhere: int, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """With `localhost` for a listed origin, and 127.0.0.1 on the same port for one that is not."""
    folder = tmp_path_factory.mktemp("browsed")
    shutil.copy(sqlite_template, folder / "slugline.db")
    own = {
        "CORS_ORIGINS": f"http://localhost:{elsewhere}",
        "RATELIMIT_ENABLED": "true",
        "LIMIT_ANONYMOUS": "1000/minute",
        "LIMIT_REGISTER": "none",
    }
    with serving(f"sqlite:///{folder}/slugline.db", folder, **own) as running:
        yield running


@pytest.fixture(scope="module")
def token(service: Service) -> str:
    return service.sign_up()


def test_a_page_of_a_listed_origin_signs_in_and_reads_the_headers(page, service, elsewhere):
    page.goto(f"http://localhost:{elsewhere}/")
    account = {"email": "page@example.org", "password": PASSWORD}
    made, refused, link = page.evaluate(SIGN_IN_AND_SHORTEN, [service.base, account])
    assert made["status"] == 201
    assert made["Location"].startswith("/api/v1/links/")
    assert made["X-Request-ID"].startswith("req_")
    assert made["RateLimit"] and made["RateLimit-Policy"]
    assert (refused["status"], refused["X-Error-Code"]) == (404, "NOT_FOUND")
    assert (link["status"], link["ETag"]) == (200, made["ETag"])
    assert made["ETag"].startswith('"1-')


def test_a_page_of_another_origin_reads_nothing(page, service, elsewhere, complaints):
    page.goto(f"http://127.0.0.1:{elsewhere}/")
    with pytest.raises(PlaywrightError, match="Failed to fetch"):
        page.evaluate(
            SIGN_IN_AND_SHORTEN, [service.base, {"email": "evil@example.org", "password": PASSWORD}]
        )
    take_out(page, complaints, "CORS policy", "net::ERR_FAILED")


def test_a_person_opens_a_link_with_a_password(page, service, token, elsewhere, look):
    """The 303 from the form leads to another site, which a `form-action` policy would block."""
    target = f"http://localhost:{elsewhere}/"
    code = service.link(token, url=target, password=LINK_PASSWORD)
    page.goto(f"{service.base}/s/{code}")
    look("password")
    for guess in ("not the password", LINK_PASSWORD):
        page.get_by_label("Password").fill(guess)
        page.get_by_role("button", name="Open the link").click()
        if guess != LINK_PASSWORD:
            assert page.get_by_role("alert").inner_text() == "The password is not right."
            look("wrong")
    page.wait_for_url(target)
    assert page.title() == "Elsewhere"


def test_a_person_looks_before_following(page, service, token, elsewhere, look):
    target = f"http://localhost:{elsewhere}/"
    code = service.link(token, url=target)
    page.goto(f"{service.base}/s/{code}+")
    look("preview")
    assert page.locator(".target").inner_text() == target
    page.get_by_role("link", name="Open the link").click()
    page.wait_for_url(target)


def test_a_link_that_is_not_there_is_a_page(page, service, look):
    answer = page.goto(f"{service.base}/s/none")
    look("404")
    assert answer.status == 404
    assert page.get_by_role("heading").inner_text() == "No such link"
    # The style sheet's hash is in the policy: without it the page would be bare.
    assert page.evaluate("getComputedStyle(document.querySelector('main')).borderRadius") == "12px"


def test_the_pages_fit_a_phone_in_the_dark(browser, service, token, tmp_path):
    code = service.link(token, url=f"https://example.org/{'long/' * 40}")
    size = {"width": 320, "height": 640}
    with browser.new_context(viewport=size, color_scheme="dark") as context:
        page = context.new_page()
        page.goto(f"{service.base}/s/{code}+")
        page.screenshot(path=tmp_path / "phone.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(19, 20, 23)"
