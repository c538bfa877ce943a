"""API keys as requests present them: whom one speaks for, where from, and that it was used.

A key has what its owner has at this moment, or less: a disabled owner's is dead, a changed role counts at once. The
secret has 131 random bits, so guesses at it are not counted one by one: they spend from the address's bucket, as bad
tokens do.
"""

import hmac
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import Counter
from sqlalchemy import Row, bindparam, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute

from app import addresses, clock, database
from app.accounts import second_factor
from app.accounts.api_keys import earlier_secrets, hash_of
from app.accounts.models import ApiKey, User
from app.accounts.principals import ADMIN, Principal
from app.audit import trail
from app.errors import AppError, AuthRequired, InvalidToken
from app.logs import log

PREFIX = "sl_"
"""What every key begins with, and no token."""
REFUSED = Counter("slugline_refused_api_keys", "API keys refused, by what was wrong with them", ["reason"])
NOTED_EVERY = timedelta(minutes=1)
_FORM = re.compile(r"sl_([A-Za-z0-9]{22})_[A-Za-z0-9]{22}")
_NEVER = datetime.max.replace(tzinfo=UTC)
_NOBODYS = "0" * 64
_noting = threading.Lock()
# Made once: it is asked at every call.
_COLUMNS: tuple[Any, ...] = (
    *(ApiKey.id, ApiKey.public_id, ApiKey.user_id, ApiKey.scopes, ApiKey.two_factors, ApiKey.networks),
    *(ApiKey.secret_hash, ApiKey.retired, ApiKey.expires_at, ApiKey.last_used_at, ApiKey.refused_at),
    *(User.public_id.label("user"), User.role),
)
_QUERY = (
    select(*_COLUMNS)
    .join(User, User.id == ApiKey.user_id)
    .where(ApiKey.public_id == bindparam("public_id"), User.status == "active")
)


class ForeignAddress(AppError):
    """403: the key is good, and bound to networks that the client's address lies in none of."""

    status, code, message = 403, "FORBIDDEN", "This API key may not be used from this address."


def authenticate(text: str, address: str) -> Principal:
    """Return whom a key speaks for. Raises InvalidToken, AuthRequired (expired) or ForeignAddress.

    Reads through a short connection of its own: no write transaction is open while a view thinks.
    """
    now = clock.now()
    found = _stored(text)
    end = _end_of(text, found)
    if found is None or end is None:
        REFUSED.labels("unknown").inc()
        raise InvalidToken("The API key is not valid: it is unknown or was revoked.")
    if end <= now:
        REFUSED.labels("expired").inc()
        raise AuthRequired("The API key has expired.", reason="expired")
    if found.networks and not addresses.is_within(address, found.networks):
        REFUSED.labels("address").inc()
        _note_refusal(found, now)
        raise ForeignAddress()
    _note_use(found, now)
    scopes = frozenset(found.scopes)
    lent = second_factor.counted(found.role, found.two_factors)
    lends = ADMIN in scopes
    return Principal(
        found.user_id,
        found.user,
        lent if lends else "user",
        found.public_id,
        scopes=scopes,
        owner_role=found.role,
        is_withheld=lends and lent != found.role,
        secret_hash=hash_of(text),
    )


def _stored(text: str) -> Row[Any] | None:
    """The key that the text names, of an active owner."""
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    with database.reading() as connection:
        return connection.execute(_QUERY, {"public_id": f"key_{form[1]}"}).first()


def _end_of(text: str, found: Row[Any] | None) -> datetime | None:
    """When the presented secret ends; None where it is none of the key's.

    Every one is compared, and for an unknown key nobody's: how long it takes tells nothing (ASVS 5.0 11.2.4).
    """
    expiry = (found.expires_at if found else None) or _NEVER
    ends = {**earlier_secrets(found.retired), found.secret_hash: _NEVER} if found else {_NOBODYS: _NEVER}
    presented = hash_of(text)
    matching = [end for kept, end in ends.items() if hmac.compare_digest(kept, presented)]
    return min(expiry, *matching) if matching else None


def _note_use(found: Row[Any], now: datetime) -> None:
    """Write when the key was last used: once a minute, and of a process's requests one at a time waits for it."""
    if _is_due(found.last_used_at, now) and _noting.acquire(blocking=False):
        try:
            with _in_passing(), database.writing() as connection:
                connection.execute(_noted(found, ApiKey.last_used_at, now))
        finally:
            _noting.release()


def _note_refusal(found: Row[Any], now: datetime) -> None:
    """Record a use from elsewhere, once a minute: a GET's own session cannot, and the log is nobody's to fill."""
    if _is_due(found.refused_at, now):
        with _in_passing(), database.writing() as connection:
            noting = _noted(found, ApiKey.refused_at, now).returning(ApiKey.id)
            if connection.execute(noting).first():
                refusal = trail.event("api_key.refused", found.public_id, found.user, failed=True)
                trail.record_all(connection, [refusal])


def _is_due(last: datetime | None, now: datetime) -> bool:
    return last is None or last <= now - NOTED_EVERY


def _noted(found: Row[Any], column: InstrumentedAttribute[datetime | None], now: datetime) -> Any:
    """Of several at once, one statement finds the key as it was."""
    due = or_(column.is_(None), column <= now - NOTED_EVERY)
    return update(ApiKey).where(ApiKey.id == found.id, due).values({column: now})


@contextmanager
def _in_passing() -> Iterator[None]:
    """What the database cannot take now is no reason to fail the call."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        log.warning("use of an API key not noted", error=type(error).__name__)
