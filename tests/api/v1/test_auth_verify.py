"""POST /auth/register while addresses are verified, /auth/verify, /auth/verify/resend."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from app import clock, database
from app.accounts import letters, users
from app.accounts.models import User
from app.cli.worker import close_never_verified
from tests.conftest import PASSWORD, Caller, sign_up
from tests.mailbox import REQUIRED, asked, mails, sent_token, subjects, token_of
from tests.making import let_pass, set_column

ADA = {"email": "ada@example.org", "password": PASSWORD}


@pytest.fixture
def app(app: Flask) -> Flask:
    """One that verifies addresses; its settings are put back after the test."""
    app.config.update(REQUIRED)
    return app


def sign_in(caller: Caller, **account: str) -> tuple[int, str | None]:
    answer = caller.post("/auth/login", json={**ADA, **account})
    return answer.status_code, answer.json.get("error", {}).get("code")


@pytest.mark.asvs("6.3.8")
def test_new_and_taken_addresses_get_one_answer(app: Flask, anonymous: Caller) -> None:
    new = anonymous.post("/auth/register", json={**ADA, "name": "Ada"})
    anonymous.post("/auth/verify", json={"token": sent_token(app, ADA["email"]), "password": PASSWORD})
    answers = [new, anonymous.post("/auth/register", json={**ADA, "name": "Ada"})]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json == answers[1].json == {"status": "accepted"}
    assert "Location" not in answers[0].headers


def test_account_opens_with_the_link_that_was_sent(app: Flask, anonymous: Caller) -> None:
    asked(anonymous, "/auth/register", **ADA)
    [mail] = mails(app)
    assert mail.to == ADA["email"]
    assert "http://sho.rt/account/verify#token=" in mail.text
    assert sign_in(anonymous) == (403, "EMAIL_UNVERIFIED")
    assert (
        anonymous.post("/auth/verify", json={"token": token_of(mail), "password": PASSWORD}).status_code
        == 204
    )
    assert sign_in(anonymous) == (200, None)


def test_only_who_knows_the_password_is_told_that_it_waits(app: Flask, anonymous: Caller) -> None:
    asked(anonymous, "/auth/register", **ADA)
    mails(app)
    assert sign_in(anonymous, password="not the right one") == (401, "INVALID_CREDENTIALS")


@pytest.mark.asvs("6.4.1")
def test_link_is_good_once(app: Flask, anonymous: Caller) -> None:
    asked(anonymous, "/auth/register", **ADA)
    token = sent_token(app, ADA["email"])
    statuses = [
        anonymous.post("/auth/verify", json={"token": token, "password": PASSWORD}).status_code
        for _ in range(2)
    ]
    assert statuses == [204, 403]


@pytest.mark.asvs("6.4.1")
def test_link_is_dead_after_a_day(app: Flask, anonymous: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(anonymous, "/auth/register", **ADA)
    token = sent_token(app, ADA["email"])
    let_pass(monkeypatch, hours=24, seconds=1)
    answer = anonymous.post("/auth/verify", json={"token": token, "password": PASSWORD})
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "INVALID_ONE_TIME_TOKEN")


def test_newer_link_ends_the_older(app: Flask, anonymous: Caller) -> None:
    asked(anonymous, "/auth/register", **ADA)
    older = sent_token(app, ADA["email"])
    asked(anonymous, "/auth/verify/resend", email="ADA@example.org")
    newer = sent_token(app, ADA["email"])
    statuses = [
        anonymous.post("/auth/verify", json={"token": t, "password": PASSWORD}).status_code
        for t in (older, newer)
    ]
    assert statuses == [403, 204]


@pytest.mark.asvs("2.3.1")
def test_link_of_another_purpose_verifies_nothing(app: Flask, anonymous: Caller) -> None:
    asked(anonymous, "/auth/register", **ADA)
    mails(app)
    asked(anonymous, "/auth/password/forgot", email=ADA["email"])
    assert (
        anonymous.post(
            "/auth/verify", json={"token": sent_token(app, ADA["email"]), "password": PASSWORD}
        ).status_code
        == 403
    )


def test_registering_a_taken_address_tells_its_owner_and_changes_nothing(
    app: Flask, anonymous: Caller
) -> None:
    asked(anonymous, "/auth/register", **ADA)
    anonymous.post("/auth/verify", json={"token": sent_token(app, ADA["email"]), "password": PASSWORD})
    asked(anonymous, "/auth/register", email=ADA["email"], password="another good long secret")
    assert subjects(app) == ["You have an account already"]
    assert sign_in(anonymous) == (200, None)


def test_who_registers_ahead_of_the_owner_gets_no_way_in(app: Flask, anonymous: Caller) -> None:
    """Pre-hijacking: the owner verifies an account whose password a stranger chose."""
    asked(anonymous, "/auth/register", email=ADA["email"], password="the stranger's password")
    strangers = sent_token(app, ADA["email"])
    asked(anonymous, "/auth/register", **ADA)
    [mail] = mails(app)
    assert "/account/reset#token=" in mail.text
    assert anonymous.post("/auth/verify", json={"token": strangers, "password": PASSWORD}).status_code == 403
    answer = anonymous.post(
        "/auth/password/reset", json={"token": token_of(mail), "password": "what the owner chose"}
    )
    assert answer.status_code == 204
    assert sign_in(anonymous, password="the stranger's password")[0] == 401
    assert sign_in(anonymous, password="what the owner chose") == (200, None)


def test_asking_again_for_a_contested_address_leads_to_a_password_too(app: Flask, anonymous: Caller) -> None:
    for password in ("the stranger's password", PASSWORD):
        asked(anonymous, "/auth/register", email=ADA["email"], password=password)
    assert subjects(app) == ["Confirm your e-mail address", "Choose a password"]
    asked(anonymous, "/auth/verify/resend", email=ADA["email"])
    assert subjects(app) == ["Choose a password"]


def test_resending_writes_to_nobody_else(app: Flask, anonymous: Caller) -> None:
    asked(anonymous, "/auth/verify/resend", email="nobody@example.org")
    assert mails(app) == []


def test_accounts_of_before_sign_in_as_ever(app: Flask) -> None:
    app.config["EMAIL_VERIFICATION"] = False
    alice = sign_up(app, "alice")
    app.config["EMAIL_VERIFICATION"] = True
    assert sign_in(alice, email=alice.email) == (200, None)
    assert alice.get("/users/me").json["email_verified_at"] is None


def test_address_of_before_can_be_verified(app: Flask) -> None:
    app.config["EMAIL_VERIFICATION"] = False
    alice = sign_up(app, "alice")
    asked(alice, "/auth/verify/resend", email=alice.email)
    version = alice.get("/users/me").headers["ETag"]
    assert (
        alice.post(
            "/auth/verify", json={"token": sent_token(app, alice.email), "password": PASSWORD}
        ).status_code
        == 204
    )
    read = alice.get("/users/me")
    assert read.json["email_verified_at"] is not None
    assert read.headers["ETag"] != version
    asked(alice, "/auth/verify/resend", email=alice.email)
    assert mails(app) == []  # there is nothing left to verify


def test_account_that_nobody_verifies_is_closed_after_a_week(
    app: Flask, anonymous: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(anonymous, "/auth/register", **ADA)
    mails(app)
    app.config["EMAIL_VERIFICATION"] = False
    alice = sign_up(app, "alice")
    app.config["EMAIL_VERIFICATION"] = True
    for days, known in ((6, 1), (8, 0)):
        let_pass(monkeypatch, days=days)
        with app.app_context():
            close_never_verified()
            with database.reading() as connection:
                query = select(func.count()).select_from(User).where(User.email == ADA["email"])
                assert connection.scalar(query) == known
    assert mails(app, ADA["email"]) == []  # which may be a stranger's
    assert sign_in(alice, email=alice.email) == (200, None)


def test_account_in_use_while_verification_is_off_is_not_closed(
    app: Flask, anonymous: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(anonymous, "/auth/register", **ADA)
    mails(app)
    app.config["EMAIL_VERIFICATION"] = False
    assert sign_in(anonymous) == (200, None)
    app.config["EMAIL_VERIFICATION"] = True
    let_pass(monkeypatch, days=8)
    with app.app_context():
        close_never_verified()
    assert sign_in(anonymous) == (200, None)


def test_nobody_is_closed_while_verification_is_off(
    app: Flask, anonymous: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(anonymous, "/auth/register", **ADA)
    mails(app)
    app.config["EMAIL_VERIFICATION"] = False
    let_pass(monkeypatch, days=8)
    with app.app_context():
        close_never_verified()
    assert sign_in(anonymous) == (200, None)


def test_account_verified_while_others_are_closed_stays(
    app: Flask, anonymous: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker has read whom it is to close, and comes to it later."""
    asked(anonymous, "/auth/register", **ADA)
    token = sent_token(app, ADA["email"])
    asked(anonymous, "/auth/register", email="nobody@example.org", password=PASSWORD)
    mails(app)
    set_column(app, User, created_at=clock.now() - timedelta(days=8))
    with app.app_context():
        late = users.never_verified()
        assert len(late) == 2
        assert anonymous.post("/auth/verify", json={"token": token, "password": PASSWORD}).status_code == 204
        monkeypatch.setattr(users, "never_verified", lambda: late)
        close_never_verified()
        with database.reading() as connection:
            assert connection.scalars(select(User.status).order_by(User.id)).all() == ["active", "closed"]
    assert sign_in(anonymous) == (200, None)


def test_weak_password_and_closed_registration_are_refused_at_once(app: Flask, anonymous: Caller) -> None:
    assert anonymous.post("/auth/register", json={**ADA, "password": "short"}).status_code == 400
    app.config["REGISTRATION"] = "closed"
    assert anonymous.post("/auth/register", json=ADA).status_code == 403


def test_fourth_mail_of_a_kind_in_an_hour_is_429_whoever_has_the_address(
    app: Flask, anonymous: Caller
) -> None:
    for email in ("ada@example.org", "nobody@example.org"):
        answers = [anonymous.post("/auth/verify/resend", json={"email": email}) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
        assert int(answers[-1].headers["Retry-After"]) > 3000


def test_strangers_who_ask_for_other_mails_leave_the_owner_his_new_password(
    app: Flask, anonymous: Caller
) -> None:
    app.config["MAILS_ADDRESS"] = "1/hour"
    asked(anonymous, "/auth/register", **ADA)
    proof = {"token": sent_token(app, ADA["email"]), "password": PASSWORD}
    assert anonymous.post("/auth/verify", json=proof).status_code == 204
    asked(anonymous, "/auth/verify/resend", email=ADA["email"])
    assert mails(app) == []
    asked(anonymous, "/auth/password/forgot", email=ADA["email"])
    assert subjects(app) == ["Choose a new password"]


def test_one_address_of_the_network_causes_no_more_mails_than_allowed(app: Flask, anonymous: Caller) -> None:
    app.config["MAILS_IP"] = "2/hour"
    statuses = [
        anonymous.post("/auth/password/forgot", json={"email": f"a{n}@example.org"}).status_code
        for n in range(3)
    ]
    assert statuses == [202, 202, 429]


def test_guesses_at_links_are_counted(app: Flask, anonymous: Caller) -> None:
    app.config["GUESSES_ONE_TIME"] = "3/minute"
    statuses = [
        anonymous.post("/auth/verify", json={"token": f"x{n}", "password": PASSWORD}).status_code
        for n in range(4)
    ]
    assert statuses == [403, 403, 403, 429]


def test_without_a_mail_server_production_says_so(app: Flask, anonymous: Caller) -> None:
    app.config["MAIL_ON"] = False
    answer = anonymous.post("/auth/password/forgot", json={"email": "ada@example.org"})
    assert (answer.status_code, answer.json["error"]["code"]) == (501, "NOT_IMPLEMENTED")


def test_disabled_account_gets_no_mail(app: Flask) -> None:
    app.config["EMAIL_VERIFICATION"] = False
    alice = sign_up(app, "alice")
    with app.app_context(), database.writing() as connection:
        connection.execute(update(User).where(User.public_id == alice.id).values(status="disabled"))
    for path in ("/auth/password/forgot", "/auth/verify/resend"):
        asked(alice, path, email=alice.email)
    app.config["EMAIL_VERIFICATION"] = True
    asked(alice, "/auth/register", email=alice.email, password=PASSWORD)
    assert mails(app) == []


@pytest.mark.asvs("1.3.11")
@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/130.0 Safari/537.36 Edg/130.0", "Edge on Windows"),
        ("Win a prize at http://evil.example/", "an unknown program"),
        ("", "an unknown program"),
    ],
)
def test_letters_say_nothing_that_a_stranger_wrote(agent: str, kind: str) -> None:
    assert letters.kind_of_device(agent) == kind
