"""Planted secrets, and the places where none of them may turn up: two tables, for whoever adds to the application.

A new secret: a row of CANARIES (or, where the application makes it, `house.canaries[...] = ...` while driving). A new
place where something is kept or sent: a row of PLACES. A new call: a step of `tests/security/driving.py`.
"""

import base64
import io
import json
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis
from flask import Flask
from sqlalchemy import select, text

from app import database
from app.audit import trail
from app.extensions import db
from app.logs import log
from tests.conftest import SECRETS

CANARIES = {
    "password": "canary Password 7f3a",
    "new password": "canary NewPassword 81bc",
    "wrong password": "canary WrongPassword 55d0",
    "too short password": "canary9e1",
    "link password": "canary LinkPassword c3a9",
    "wrong link password": "canary WrongLink 02ee",
    "e-mail": "Canary.Person@private-canary.example",
    "unknown e-mail": "nobody.canary@private-canary.example",
    "malformed e-mail": "canary-malformed@@private",
    "IPv4 address": "193.99.144.87",
    "IPv6 address": "2a02:2e0:3fe:1001:7777:772e:2:85",
    "host of the IPv6 address": "7777:772e:2:85",
    "malformed credential": "canaryMalformedCredential4b7d",
    "query secret": "canaryQuerySecret6602",
    "idempotency key": "canary-idempotency-key-7714",
    "SECRET_KEY": SECRETS["SECRET_KEY"],
    "JWT_SECRET": SECRETS["JWT_SECRET"],
}
EMAILS = ("e-mail",)
AT_HOME = {
    ("users", "email"): EMAILS,
    ("users", "email_key"): EMAILS,
    ("one_time_tokens", "address"): EMAILS,
    ("stored_answers", "key"): ("idempotency key",),
}
"""Columns whose purpose is to hold one."""


@dataclass
class House:
    """A Slugline that was driven through all it does, and what was seen of it."""

    app: Flask
    log: io.StringIO
    store: str
    """The URL of its Redis."""
    canaries: dict[str, str] = field(default_factory=lambda: dict(CANARIES))
    errors: list[str] = field(default_factory=list)
    exports: list[str] = field(default_factory=list)


def spellings(secret: str) -> set[str]:
    """How a secret may look where it leaked, in lower case."""
    raw = secret.encode()
    encoded = {base64.b64encode(raw[start:]).decode().rstrip("=")[:-1] for start in range(3)}
    found = {secret, quote(secret, safe=""), quote(secret), json.dumps(secret)[1:-1], raw.hex(), *encoded}
    with suppress(ValueError):
        found.add(ip_address(secret).exploded)
    return {spelling.lower() for spelling in found}


def leaks(seen: str, canaries: dict[str, str], spared: Iterable[str] = ()) -> set[str]:
    """The names of the secrets that stand in it."""
    lower = seen.lower()
    return {
        name
        for name, secret in canaries.items()
        if name not in spared and any(spelling in lower for spelling in spellings(secret))
    }


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        with suppress(zlib.error):  # a stored answer
            value = zlib.decompress(value)
        return str(value.decode("latin-1")) + value.hex()
    return str(value)


def _files(folder: Path) -> str:
    return "".join(_text(path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file())


def _store(house: House) -> str:
    with redis.Redis.from_url(house.store) as connection:
        kept = [(key, connection.dump(key)) for key in connection.scan_iter()]
        kept += [(key, connection.get(key)) for key, _ in kept if connection.type(key) == b"string"]
    return "".join(_text(part) for pair in kept for part in pair)


def _rows(house: House, *, tables: Iterable[str] | None = None) -> str:
    """Each value, but those that are at home there; what is at home in one column is looked for in all others."""
    seen = []
    with house.app.app_context(), database.reading() as connection:
        for table in db.metadata.sorted_tables:
            if tables is None or table.name in tables:
                for row in connection.execute(select(table)).mappings():
                    seen += [_cell(table.name, name, value) for name, value in row.items()]
    return "\n".join(seen)


def _cell(table: str, column: str, value: Any) -> str:
    told = _text(value)
    for name in AT_HOME.get((table, column), ()):
        for spelling in (CANARIES[name], CANARIES[name].lower()):
            told = told.replace(spelling, "")
    return told


PLACES: dict[str, Callable[[House], str]] = {
    "logs of all levels": lambda house: house.log.getvalue(),
    "spool": lambda house: _files(house.app.config["SPOOL_DIR"]),
    "Redis": _store,
    "exports": lambda house: "\n".join(house.exports),
    "errors": lambda house: "\n".join(house.errors),
    "audit log": lambda house: _rows(house, tables=["audit_events"]),
    "security log": lambda house: house.app.config["SECURITY_LOG"].read_text(),
    "database": _rows,
}


def _plant_in_store(house: House, secret: str) -> None:
    with redis.Redis.from_url(house.store) as connection:
        connection.hset("planted", "field", secret)


def _plant_in_events(house: House, secret: str) -> None:
    with house.app.app_context():
        trail.record("thing.done", None, owner=None, after={"told": secret})
        db.session.commit()


def _plant_in_rows(house: House, secret: str) -> None:
    with house.app.app_context(), database.writing() as connection:
        connection.execute(text("UPDATE links SET notes = :secret"), {"secret": secret})


def _plant_in_log(house: House, secret: str) -> None:
    path: Path = house.app.config["SECURITY_LOG"]
    path.write_text(path.read_text() + secret)


PLANT: dict[str, Callable[[House, str], object]] = {
    "logs of all levels": lambda _, secret: log.debug("planted", body={"password": secret}),
    "spool": lambda house, secret: (house.app.config["SPOOL_DIR"] / "planted.spool").write_text(secret),
    "Redis": _plant_in_store,
    "exports": lambda house, secret: house.exports.append(secret),
    "errors": lambda house, secret: house.errors.append(secret),
    "audit log": _plant_in_events,
    "security log": _plant_in_log,
    "database": _plant_in_rows,
}
"""A leak into each place, which has to be found."""
