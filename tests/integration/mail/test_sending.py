"""The outbox and the worker's part, against a real mail server."""

import socket
import ssl
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from urllib.parse import quote

import pytest
from email_validator import EmailNotValidError
from flask import Flask
from prometheus_client import REGISTRY
from sqlalchemy import func, select

from app import clock, database
from app.extensions import db
from app.mail import outbox, sending, transport
from app.mail.models import OutgoingMail
from app.mail.outbox import Addressed, Letter
from tests.integration.mail.conftest import PASSWORD, USER, Mailbox, authenticate
from tests.making import let_pass
from tests.servers import free_port

LETTER = Letter(
    "Confirm - Slugline", f"Open this:\n\nhttp://sho.rt/account/verify#token={'x' * 32}{'y' * 60}\n"
)
Serve = Callable[..., int]


def write(app: Flask, to: str = "ada@example.org", **options: timedelta) -> None:
    with app.app_context():
        outbox.put(to, LETTER, "usr_x", **options)
        db.session.commit()


def send(app: Flask) -> None:
    with app.app_context():
        sending.send_due()


def waiting(app: Flask) -> int:
    with app.app_context(), database.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(OutgoingMail)) or 0)


def through(app: Flask, url: str, starttls: bool = False) -> None:
    app.config.update(SMTP_URL=url, SMTP_STARTTLS=starttls, MAIL_FROM="Slugline <slugline@go.example.org>")


def signed_in_at(scheme: str, port: int, password: str = PASSWORD) -> str:
    return f"{scheme}://{USER}:{quote(password, safe='')}@127.0.0.1:{port}"


@pytest.fixture
def posting(app: Flask, serve: Serve) -> Flask:
    """An application with a mail server that is up."""
    through(app, f"smtp://127.0.0.1:{serve()}")
    return app


def test_mail_arrives_as_it_was_written(posting: Flask, mailbox: Mailbox) -> None:
    write(posting)
    send(posting)
    [message] = mailbox.taken
    assert mailbox.recipients == ["ada@example.org"]
    assert (message["From"], message["To"]) == ("Slugline <slugline@go.example.org>", "ada@example.org")
    assert message["Subject"] == LETTER.subject and message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@go.example.org>") and message["Date"]
    assert message.get_content_type() == "text/plain"
    assert message.get_content() == LETTER.text.replace("\n", "\r\n")
    assert waiting(posting) == 0


def test_many_go_over_one_connection(posting: Flask, mailbox: Mailbox) -> None:
    for n in range(5):
        write(posting, f"a{n}@example.org")
    send(posting)
    assert mailbox.recipients == [f"a{n}@example.org" for n in range(5)]


def test_mail_of_what_was_rolled_back_is_never_sent(posting: Flask, mailbox: Mailbox) -> None:
    with posting.app_context():
        outbox.put("ada@example.org", LETTER, "usr_x")
        db.session.flush()
        db.session.rollback()
    send(posting)
    assert mailbox.taken == []


@pytest.mark.asvs("16.5.2")
def test_server_that_is_down_loses_no_mail(
    app: Flask, mailbox: Mailbox, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    through(app, f"smtp://127.0.0.1:{port}")
    write(app)
    send(app)
    assert waiting(app) == 1
    serve(port=port)
    send(app)
    assert mailbox.taken == []  # not yet due
    let_pass(monkeypatch, seconds=31)
    send(app)
    assert len(mailbox.taken) == 1 and waiting(app) == 0


@pytest.mark.parametrize("says", ["451 Try again", "421 Going down"])
def test_server_that_says_later_is_asked_later(
    posting: Flask, mailbox: Mailbox, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox.says = says
    write(posting)
    send(posting)
    assert waiting(posting) == 1
    mailbox.says = "250 OK"
    let_pass(monkeypatch, seconds=31)
    send(posting)
    assert len(mailbox.taken) == 1


def test_address_that_the_server_does_not_know_is_given_up(posting: Flask, mailbox: Mailbox) -> None:
    mailbox.says = "550 No such user ada@example.org"
    write(posting)
    send(posting)
    assert waiting(posting) == 0


@pytest.mark.parametrize("command", ["MAIL", "DATA"])
def test_mail_that_the_server_refuses_for_good_is_given_up(
    posting: Flask, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Whether for its sender or for what it says; later it says the same."""

    async def refuse(*_arguments: object) -> str:
        return "554 Message rejected"

    write(posting)
    with monkeypatch.context() as patch:
        patch.setattr(mailbox, f"handle_{command}", refuse, raising=False)
        send(posting)
    assert waiting(posting) == 0


def test_mail_whose_text_is_not_taken_now_is_sent_later(
    posting: Flask, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def put_off(*_arguments: object) -> str:
        return "451 Greylisted"

    write(posting)
    with monkeypatch.context() as patch:
        patch.setattr(mailbox, "handle_DATA", put_off)
        send(posting)
    let_pass(monkeypatch, seconds=31)
    send(posting)
    assert len(mailbox.taken) == 1


@pytest.mark.asvs("16.2.5")
def test_logs_of_failures_name_nobody(
    posting: Flask, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    for mailbox.says in ("550 No such user ada@example.org", "451 ada@example.org is busy"):
        write(posting)
        send(posting)
    ours = [record.getMessage() for record in caplog.records if record.name == "slugline"]
    assert len(ours) == 2
    assert not [text for text in ours if "ada@" in text or "token" in text]


def test_mail_is_given_up_when_its_time_is_over(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    through(app, f"smtp://127.0.0.1:{free_port()}")
    write(app, lasts=timedelta(minutes=30))
    send(app)
    let_pass(monkeypatch, minutes=30)
    send(app)
    assert waiting(app) == 0
    assert "given up: too old" in caplog.text


def test_tries_are_ever_further_apart() -> None:
    waits = [sending.wait(tries).total_seconds() for tries in (1, 2, 3, 6, 1000)]
    assert waits == [30, 60, 120, 900, 900]


def test_killed_worker_leaves_the_mail_to_the_next(
    posting: Flask, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He had claimed it; nobody else touches it before the lease is over."""
    write(posting)
    with posting.app_context():
        assert sending._claim()
    send(posting)
    assert mailbox.taken == []
    let_pass(monkeypatch, seconds=sending.LEASE.total_seconds() + 1)
    send(posting)
    assert len(mailbox.taken) == 1


def test_worker_killed_after_the_server_took_it_sends_it_again_under_the_same_id(
    posting: Flask, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_claimed: object) -> None:
        raise KeyboardInterrupt

    write(posting)
    with monkeypatch.context() as patch:
        patch.setattr(sending, "_delete", killed)
        with pytest.raises(KeyboardInterrupt):
            send(posting)
    let_pass(monkeypatch, seconds=sending.LEASE.total_seconds() + 1)
    send(posting)
    first, second = mailbox.taken
    assert first["Message-ID"] == second["Message-ID"]


def test_two_workers_send_each_mail_once(posting: Flask, mailbox: Mailbox) -> None:
    for n in range(12):
        write(posting, f"a{n}@example.org")
    together = Barrier(4)

    def work(_: int) -> None:
        together.wait()
        send(posting)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    send(posting)  # one that found a mail taken by another may have stopped early
    assert sorted(mailbox.recipients) == sorted(f"a{n}@example.org" for n in range(12))


def test_after_the_secret_changed_old_mails_are_given_up(posting: Flask, mailbox: Mailbox) -> None:
    write(posting)
    posting.config["SECRET_KEY"] = "another secret key of some length"
    send(posting)
    assert (mailbox.taken, waiting(posting)) == ([], 0)


@pytest.mark.asvs("1.3.3", "1.3.11")
@pytest.mark.parametrize("to", ["ada@example.org\r\nBcc: eve@example.net", "ada@example.org\n\nHello"])
def test_line_break_in_an_address_gets_into_no_header(app: Flask, to: str) -> None:
    """Nor does it keep the mails behind it waiting."""
    write(app, to)
    send(app)
    assert waiting(app) == 0
    with app.app_context():
        with pytest.raises(EmailNotValidError):
            Addressed(to, "s", "t", "<i@x>").message(clock.now())
        with pytest.raises(ValueError, match="linefeed"):
            Addressed("ada@example.org", "s\r\nBcc: eve@example.net", "t", "<i@x>").message(clock.now())


def test_domain_beyond_ascii_goes_as_every_server_knows_it(posting: Flask, mailbox: Mailbox) -> None:
    write(posting, "ada@b\u00fccher.example")
    send(posting)
    assert mailbox.recipients == ["ada@xn--bcher-kva.example"]


def test_name_beyond_ascii_is_sent_where_the_server_takes_it(
    app: Flask, mailbox: Mailbox, serve: Serve
) -> None:
    through(app, f"smtp://127.0.0.1:{serve(enable_SMTPUTF8=True)}")
    write(app, "jos\u00e9@example.org")
    send(app)
    assert mailbox.recipients == ["jos\u00e9@example.org"]


def test_name_beyond_ascii_is_given_up_where_it_does_not(app: Flask, mailbox: Mailbox, serve: Serve) -> None:
    through(app, f"smtp://127.0.0.1:{serve(enable_SMTPUTF8=False)}")
    write(app, "jos\u00e9@example.org")
    send(app)
    assert (mailbox.taken, waiting(app)) == ([], 0)


@pytest.mark.usefixtures("trusted")
def test_starttls_and_password(app: Flask, mailbox: Mailbox, serve: Serve, tls: ssl.SSLContext) -> None:
    port = serve(tls_context=tls, require_starttls=True, authenticator=authenticate, auth_required=True)
    through(app, signed_in_at("smtp", port), starttls=True)
    write(app)
    send(app)
    assert (mailbox.over_tls, mailbox.signed_in) == ([True], [True])


@pytest.mark.usefixtures("trusted")
def test_tls_from_the_first_byte_and_password(
    app: Flask, mailbox: Mailbox, serve: Serve, tls: ssl.SSLContext
) -> None:
    # aiosmtpd knows nothing of a TLS that it did not begin itself, and offers no sign-in without.
    port = serve(ssl_context=tls, authenticator=authenticate, auth_require_tls=False)
    through(app, signed_in_at("smtps", port))
    write(app)
    send(app)
    assert (mailbox.recipients, mailbox.signed_in) == (["ada@example.org"], [True])


@pytest.mark.usefixtures("trusted")
def test_wrong_password_loses_no_mail_and_stands_in_no_log(
    app: Flask, serve: Serve, tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    port = serve(tls_context=tls, require_starttls=True, authenticator=authenticate, auth_required=True)
    through(app, signed_in_at("smtp", port, "wr0ng"), starttls=True)
    write(app)
    send(app)
    assert waiting(app) == 1
    [told] = [record.getMessage() for record in caplog.records if record.name == "slugline"]
    assert "SMTPAuthenticationError" in told and "535" in told
    encoded = b64encode(f"\0{USER}\0wr0ng".encode()).decode()
    assert "wr0ng" not in told and encoded not in told


def test_server_that_says_nothing_is_asked_later(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        through(app, f"smtp://127.0.0.1:{silent.getsockname()[1]}")
        write(app)
        send(app)
    assert waiting(app) == 1


@pytest.mark.asvs("12.3.2")
def test_certificate_that_nobody_vouches_for_gets_no_mail(
    app: Flask, mailbox: Mailbox, serve: Serve, tls: ssl.SSLContext
) -> None:
    through(app, signed_in_at("smtp", serve(tls_context=tls, authenticator=authenticate)), starttls=True)
    write(app)
    send(app)
    assert (mailbox.taken, waiting(app)) == ([], 1)


@pytest.mark.asvs("12.3.1")
def test_server_without_starttls_gets_no_mail_where_it_is_required(
    app: Flask, mailbox: Mailbox, serve: Serve
) -> None:
    """Somebody between could have taken the offer out."""
    through(app, f"smtp://127.0.0.1:{serve()}", starttls=True)
    write(app)
    send(app)
    assert (mailbox.taken, waiting(app)) == ([], 1)


def test_console_shows_the_mail_in_development(app: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    write(app)
    send(app)
    shown = capsys.readouterr().out
    assert "--- mail to ada@example.org" in shown and "#token=" in shown
    assert waiting(app) == 0


def test_production_without_a_server_writes_nothing_down(app: Flask) -> None:
    app.config["MAIL_ON"] = False
    write(app)
    assert waiting(app) == 0


def test_what_became_of_mails_is_counted(app: Flask, serve: Serve, mailbox: Mailbox) -> None:
    def counted() -> list[float]:
        labels = ("sent", "failed", "given up")
        return [
            REGISTRY.get_sample_value("slugline_mails_total", {"outcome": name}) or 0.0 for name in labels
        ]

    before = counted()
    through(app, f"smtp://127.0.0.1:{serve()}")
    write(app)
    send(app)
    mailbox.says = "550 no such mailbox"
    write(app)
    send(app)
    through(app, f"smtp://127.0.0.1:{free_port()}")
    write(app)
    send(app)
    assert [after - was for after, was in zip(counted(), before, strict=True)] == [1, 1, 1]
