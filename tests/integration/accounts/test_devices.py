"""app/accounts/devices.py: what makes a device known, and for how long."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app import clock, database
from app.accounts import devices
from app.accounts.devices import Device
from app.accounts.models import KnownDevice
from app.extensions import db
from tests.conftest import Caller
from tests.making import internal_id, let_pass

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
HOME = Device(FIREFOX, "192.0.2.7")


def remember(app: Flask, caller: Caller, device: Device = HOME) -> bool:
    with app.app_context():
        count = devices.remember(internal_id(app, caller), caller.id, device)
        db.session.commit()
    return count > 0


def is_known(app: Flask, caller: Caller, device: Device = HOME) -> bool:
    user_id = internal_id(app, caller)
    with app.app_context(), database.reading() as connection:
        return devices.known(user_id, caller.id, device, connection) is not None


@pytest.mark.parametrize(
    ("device", "known"),
    [
        (HOME, True),
        (Device(FIREFOX.replace("130", "131"), "192.0.2.200"), True),
        (Device(FIREFOX, "192.0.3.7"), False),
        (Device("curl/8.5.0", "192.0.2.7"), False),
        (Device("", ""), False),
    ],
)
def test_kind_of_browser_in_a_network_is_known_again(
    app: Flask, alice: Caller, device: Device, known: bool
) -> None:
    assert not is_known(app, alice)
    assert remember(app, alice)
    assert is_known(app, alice, device) == known
    assert remember(app, alice, device) != known


def test_device_is_known_to_one_account_only(app: Flask, alice: Caller, bob: Caller) -> None:
    remember(app, alice)
    assert not is_known(app, bob)


def test_device_is_forgotten_after_ninety_days(
    app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(app, alice)
    let_pass(monkeypatch, days=89)
    assert not remember(app, alice)
    then = clock.now() + timedelta(days=90)
    monkeypatch.setattr(clock, "now", lambda: then)
    assert not is_known(app, alice)
    assert remember(app, alice)


def test_chore_deletes_the_forgotten(app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(app, alice)
    let_pass(monkeypatch, days=91)
    with app.app_context():
        devices.forget_old()
        with database.reading() as connection:
            assert connection.execute(select(KnownDevice.user_id)).all() == []


def test_one_device_too_many_forgets_the_one_not_seen_for_longest(
    app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a stranger with the password could let the table grow without end."""
    monkeypatch.setattr(devices, "MOST", 2)
    away, other = Device("curl/8.5.0", "198.51.100.1"), Device("curl/8.5.0", "203.0.113.1")
    for hours, device in enumerate((away, HOME, away, other)):
        let_pass(monkeypatch, hours=hours)
        remember(app, alice, device)
    assert [is_known(app, alice, device) for device in (HOME, away, other)] == [False, True, True]


def test_closed_account_leaves_no_device(app: Flask, alice: Caller) -> None:
    remember(app, alice)
    assert alice.delete("/users/me").status_code == 204
    with app.app_context(), database.reading() as connection:
        assert connection.execute(select(KnownDevice.user_id)).all() == []


def test_row_tells_neither_network_nor_browser(app: Flask, alice: Caller) -> None:
    remember(app, alice)
    with app.app_context(), database.reading() as connection:
        kept = str(connection.execute(select(KnownDevice.__table__)).all())
    assert "192.0.2" not in kept
    assert "Firefox" not in kept


def test_name_keeps_no_control_characters_and_255_at_most() -> None:
    assert Device("a\x00b\n" + "c" * 300, "").name == "a b " + "c" * 251
