"""Making what tests are about, and looking at what is stored, past the API."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from PIL import Image
from sqlalchemy import select, update

from app import clock, database
from app.accounts.models import User
from app.audit.models import AuditEvent
from app.extensions import db
from app.links import domains
from app.links.models import Link
from tests.conftest import Caller

URL = "https://example.com/"


def make_link(caller: Caller, **fields: Any) -> dict[str, Any]:
    """Make a link through the API; return it as answered."""
    answer = caller.post("/links", json={"url": URL, **fields})
    assert answer.status_code == 201, answer.text
    link: dict[str, Any] = answer.json
    return link


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    """A red picture with a blue upper left quarter."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (0, 0, size[0] // 2, size[1] // 2))
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def send_picture(caller: Caller) -> None:
    """Let the caller have an avatar, if there is none."""
    upload = {"avatar": (io.BytesIO(picture()), "me.png")}
    sent = caller.put("/users/me/avatar", data=upload, headers={"If-None-Match": "*"})
    assert sent.status_code in (201, 412), sent.text


def follow(caller: Caller, href: str) -> Any:
    """GET a href of `_links`."""
    return caller.get(href.removeprefix("/api/v1"))


def stored_links(app: Flask) -> list[dict[str, Any]]:
    """Every row of `links`, seen through a new connection."""
    with app.app_context(), database.reading() as connection:
        return [dict(row) for row in connection.execute(select(Link.__table__).order_by(Link.id)).mappings()]


def stored_link(app: Flask, code: str) -> dict[str, Any]:
    """The row of the only link with this code."""
    [row] = [row for row in stored_links(app) if row["code"] == code]
    return row


def change_link(app: Flask, code: str, **columns: Any) -> None:
    """Write columns that no call of the API writes."""
    with app.app_context(), database.writing() as connection:
        connection.execute(update(Link).where(Link.code == code).values(**columns))


def internal_id(app: Flask, caller: Caller) -> int:
    with app.app_context(), database.reading() as connection:
        return int(connection.scalar(select(User.id).where(User.public_id == caller.id)) or 0)


def set_role(app: Flask, caller: Caller, role: str) -> None:
    with app.app_context(), database.writing() as connection:
        connection.execute(update(User).where(User.public_id == caller.id).values(role=role))


def set_column(app: Flask, model: type, **columns: Any) -> None:
    """Write columns of all rows."""
    with app.app_context(), database.writing() as connection:
        connection.execute(update(model).values(**columns))


def add_domain(app: Flask, host: str) -> None:
    with app.app_context():
        domains.add(host)
        db.session.commit()


def events(app: Flask, *actions: str) -> list[dict[str, Any]]:
    """What was recorded of these actions, the oldest first."""
    wanted = select(AuditEvent.__table__).where(AuditEvent.action.in_(actions)).order_by(AuditEvent.id)
    with app.app_context(), database.reading() as connection:
        return [dict(row) for row in connection.execute(wanted).mappings()]


def from_now(**delta: float) -> str:
    """A time as clients write it."""
    return f"{datetime.now(UTC) + timedelta(**delta):%Y-%m-%dT%H:%M:%SZ}"


def let_pass(monkeypatch: pytest.MonkeyPatch, **delta: float) -> None:
    """Move the application's clock on from the present."""
    later = datetime.now(UTC) + timedelta(**delta)
    monkeypatch.setattr(clock, "now", lambda: later)
