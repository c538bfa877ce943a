"""Mails as people get them: asked for by a call, sent by the worker to a server, their links opened in a browser."""

import re
import shutil
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from playwright.sync_api import Page

from tests.conftest import PASSWORD
from tests.e2e.processes import PATIENCE, eventually
from tests.servers import free_port
from tests.service import Service, serving

NEW = "another good long secret"


class Mailbox:
    """Links of the mails that came, by recipient."""

    def __init__(self) -> None:
        self.links: dict[str, list[str]] = {}
        self.port = 0

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        text = message_from_bytes(envelope.content, policy=policy.default).get_content()
        for to in envelope.rcpt_tos:
            self.links.setdefault(to, []).extend(re.findall(r"^http\S+#token=\S+", text, re.MULTILINE))
        return "250 OK"

    def link(self, to: str) -> str:
        """The link of the mail that comes next."""
        eventually(lambda: self.links.get(to))
        return self.links[to].pop(0)


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    mailbox = Mailbox()
    server = Controller(mailbox, hostname="127.0.0.1", port=free_port(), ready_timeout=PATIENCE)
    server.start()
    mailbox.port = server.port
    yield mailbox
    server.stop()


@pytest.fixture(scope="module")
def service(
    mailbox: Mailbox, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("mailing")
    shutil.copy(sqlite_template, folder / "slugline.db")
    own = {
        "EMAIL_VERIFICATION": "on",
        "SMTP_URL": f"smtp://127.0.0.1:{mailbox.port}",
        "MAIL_FROM": "Slugline <slugline@example.org>",
        "GUESSES_LOGIN_IP": "none",
    }
    with serving(f"sqlite:///{folder}/slugline.db", folder, **own) as running:
        yield running


def sign_in(service: Service, email: str, password: str) -> tuple[int, str]:
    answer = service.call("POST", "/api/v1/auth/login", body={"email": email, "password": password})
    return answer.status, answer.json.get("access_token", "")


def test_links_of_mails_do_what_they_say(page: Page, service: Service, mailbox: Mailbox) -> None:
    email = "ada@example.org"
    account = {"email": email, "password": PASSWORD}
    assert service.call("POST", "/api/v1/auth/register", body=account).status == 202

    page.goto(mailbox.link(email))
    assert "token" not in page.url  # nor in the browser's history
    assert sign_in(service, email, PASSWORD)[0] == 403  # opened, and nothing done yet
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_text("Done. You can sign in now.").wait_for()
    status, token = sign_in(service, email, PASSWORD)
    assert status == 200

    service.call("POST", "/api/v1/auth/password/forgot", body={"email": email})
    page.goto(mailbox.link(email))
    page.get_by_label("New password").fill(NEW)
    page.get_by_role("button", name="Set the password").click()
    page.get_by_text("Done. You can sign in now.").wait_for()
    assert service.call("GET", "/api/v1/users/me", token=token).status == 401
    status, token = sign_in(service, email, NEW)
    assert status == 200

    change = {"email": "new@example.org", "password": NEW}
    assert service.call("PUT", "/api/v1/users/me/email", token=token, body=change).status == 202
    page.goto(mailbox.link("new@example.org"))
    page.get_by_label("Your password").fill(NEW)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_text("Done. You can sign in now.").wait_for()
    assert sign_in(service, "new@example.org", NEW)[0] == 200
    for log in (service.web.log, service.worker.log):
        assert "token=" not in log.read_text() and "example.org" not in log.read_text()


def test_page_without_a_token_asks_for_it(page: Page, service: Service) -> None:
    page.goto(f"{service.base}/account/verify")
    assert page.get_by_label("Token").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
