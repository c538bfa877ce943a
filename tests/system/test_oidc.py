"""Signing in at a real OpenID provider: npm's oidc-provider, started here. It demands PKCE, names itself beside the
code (RFC 9207), and tells addresses by its userinfo endpoint alone."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser as Chromium

from tests.e2e.processes import PATIENCE
from tests.issuer import CLIENT_ID, CLIENT_SECRET, parameters
from tests.servers import free_port
from tests.service import Service, serving
from tests.system.openid import BEGIN, NAME, Browser, providing

Open = Callable[..., Browser]
pytestmark = pytest.mark.timeout(600)  # whoever is first has npm install the provider


@pytest.fixture(scope="module")
def port() -> int:
    """The provider's."""
    return free_port()


@pytest.fixture(scope="module")
def service(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("signing-in")
    shutil.copy(sqlite_template, folder / "slugline.db")
    prefix = f"OIDC_{NAME.upper()}"
    settings = {
        # Of the second one discovery names another issuer than the settings.
        "OIDC_PROVIDERS": f"{NAME} impostor",
        f"{prefix}_ISSUER": f"http://127.0.0.1:{port}",
        f"{prefix}_CLIENT_ID": CLIENT_ID,
        f"{prefix}_CLIENT_SECRET": CLIENT_SECRET,
        f"{prefix}_TRUST_EMAIL": "true",
        "OIDC_IMPOSTOR_ISSUER": f"http://localhost:{port}",
        "OIDC_IMPOSTOR_CLIENT_ID": CLIENT_ID,
        "OIDC_IMPOSTOR_CLIENT_SECRET": CLIENT_SECRET,
        "GUESSES_LOGIN_IP": "none",
    }
    with serving(f"sqlite:///{folder}/slugline.db", folder, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def issuer(service: Service, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with providing(service, port, tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture
def opened(service: Service, issuer: str) -> Iterator[Open]:
    """Opens a new browser."""
    browsers: list[Browser] = []

    def open_one(token: str | None = None) -> Browser:
        browsers.append(Browser(service, token))
        return browsers[-1]

    yield open_one
    for browser in browsers:
        browser.close()


def assert_refused(answer: requests.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


def test_somebody_new_signs_up_and_comes_back_to_the_same_account(opened: Open) -> None:
    ids = []
    for _ in range(2):
        browser = opened()
        answer = browser.sign_in("grace")
        assert answer.status_code == 200, answer.text
        browser.token = answer.json()["access_token"]
        account = browser.call("GET", "/users/me").json()
        assert (account["email"], account["name"]) == ("grace@example.org", "grace")
        ids.append(account["id"])
    assert ids[0] == ids[1]


def test_provider_is_linked_by_who_is_signed_in_and_signs_in_then(service: Service, opened: Open) -> None:
    browser = opened(service.sign_up("linda-of-slugline@example.org"))
    returned = browser.sign_in_there(browser.begin(f"{BEGIN}/link"), "linda")
    linked = browser.call("POST", f"{BEGIN}/link/complete", returned)
    assert linked.status_code == 200, linked.text
    assert linked.json()["subject"] == "linda"
    another = opened()
    another.token = another.sign_in("linda").json()["access_token"]
    assert another.call("GET", "/users/me").json()["email"] == "linda-of-slugline@example.org"


def test_registered_address_is_taken_until_it_is_proven(service: Service, opened: Open) -> None:
    service.sign_up("paula@example.org")
    assert_refused(opened().sign_in("paula"), 409, "EMAIL_TAKEN")
    with closing(sqlite3.connect(service.database_url.removeprefix("sqlite:///"))) as stored, stored:
        stored.execute("UPDATE users SET email_verified_at = created_at WHERE email = 'paula@example.org'")
    browser = opened()
    browser.token = browser.sign_in("paula").json()["access_token"]
    [identity] = browser.call("GET", "/users/me/identities").json()["items"]
    assert identity["subject"] == "paula"


def test_unverified_address_is_refused(opened: Open) -> None:
    assert_refused(opened().sign_in("unverified-eve"), 403, "FORBIDDEN")


def test_attackers_callback_in_the_victims_browser_is_refused(opened: Open) -> None:
    attacker, victim = opened(), opened()
    attackers = attacker.sign_in_there(attacker.begin(), "mallory")
    victim.begin()
    assert_refused(victim.call("POST", f"{BEGIN}/complete", attackers), 403, "CSRF_FAILED")
    url = f"{BEGIN}/callback?code={attackers['code']}&state={attackers['state']}"
    assert_refused(victim.call("GET", url), 403, "CSRF_FAILED")


def test_code_is_good_once_and_with_its_verifier_alone(opened: Open) -> None:
    browser, thief = opened(), opened()
    returned = browser.sign_in_there(browser.begin(), "rita")
    stolen = {**returned, "state": thief.sign_in_there(thief.begin(), "mallory")["state"]}
    assert_refused(thief.call("POST", f"{BEGIN}/complete", stolen), 401, "INVALID_CREDENTIALS")
    returned = browser.sign_in_there(browser.begin(), "rita")
    assert browser.call("POST", f"{BEGIN}/complete", returned).status_code == 200
    assert_refused(browser.call("POST", f"{BEGIN}/complete", returned), 403, "CSRF_FAILED")
    again = {**returned, "state": browser.sign_in_there(browser.begin(), "rita")["state"]}
    assert_refused(browser.call("POST", f"{BEGIN}/complete", again), 401, "INVALID_CREDENTIALS")


@pytest.mark.parametrize("verifier", [{}, {"code_verifier": "x" * 43}], ids=["missing", "another"])
def test_provider_gives_nothing_for_a_code_without_our_verifier(
    service: Service, issuer: str, opened: Open, verifier: dict[str, str]
) -> None:
    """Whoever gets hold of code and client secret has neither: the verifier never left Slugline."""
    browser = opened()
    returned = browser.sign_in_there(browser.begin(), "vera")
    redirect_uri = f"{service.base}/api/v1{BEGIN}/callback"
    form = {"grant_type": "authorization_code", "code": returned["code"], "redirect_uri": redirect_uri}
    answer = requests.post(
        f"{issuer}/token", {**form, **verifier}, auth=(CLIENT_ID, CLIENT_SECRET), timeout=PATIENCE
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("iss", [None, "https://evil.example"])
def test_answer_of_another_issuer_is_refused(opened: Open, issuer: str, iss: str | None) -> None:
    browser = opened()
    returned = browser.sign_in_there(browser.begin(), "iris")
    assert returned["iss"] == issuer
    answer = browser.call("POST", f"{BEGIN}/complete", {**returned, "iss": iss})
    assert_refused(answer, 401, "INVALID_CREDENTIALS")


def test_discovery_that_names_another_issuer_is_refused(opened: Open) -> None:
    answer = opened().call("POST", "/auth/oidc/impostor", {"return_to": "/docs"})
    assert_refused(answer, 502, "BAD_GATEWAY")


def test_person_who_says_no_at_the_provider_comes_back_with_that(opened: Open) -> None:
    browser = opened()
    page = browser.session.get(browser.begin(), timeout=PATIENCE)
    answer = browser.session.get(f"{page.url}/abort", timeout=PATIENCE)
    assert answer.url.endswith("error=access_denied") and "/docs#state=" in answer.url


def test_all_of_it_in_chromium(browser: Chromium, service: Service, issuer: str) -> None:
    go = f"""async () => {{
        const answer = await fetch("/api/v1{BEGIN}", {{method: "POST",
            headers: {{"Content-Type": "application/json"}}, body: JSON.stringify({{return_to: "/docs"}})}});
        location = (await answer.json()).authorization_url;
    }}"""
    complete = f"""async returned => {{
        const answer = await fetch("/api/v1{BEGIN}/complete", {{method: "POST",
            headers: {{"Content-Type": "application/json"}}, body: JSON.stringify(returned)}});
        return [answer.status, (await answer.json()).token_type, document.cookie];
    }}"""
    with browser.new_context() as context:
        context.route(lambda url: "127.0.0.1" not in url, lambda route: route.abort())  # the provider's fonts
        context.set_default_timeout(PATIENCE * 1000)
        page = context.new_page()
        page.goto(f"{service.base}/docs")
        page.evaluate(go)
        page.wait_for_url(f"{issuer}/interaction/*")
        page.fill('[name="login"]', "charlotte")
        page.fill('[name="password"]', "any")
        page.click('button[type="submit"]')
        page.locator('input[name="prompt"][value="consent"]').wait_for(state="attached")
        with page.expect_response("**/callback?*") as back:
            page.click('button[type="submit"]')
        page.wait_for_url(f"{service.base}/docs#*")
        # Swagger UI has use for the hash itself.
        returned = parameters(back.value.headers["location"])
        assert page.evaluate(complete, returned) == [200, "Bearer", ""]
