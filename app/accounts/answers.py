"""Answers kept for calls that may come again (Idempotency-Key, draft-ietf-httpapi-idempotency-key-header).

An answer is stored in the transaction of the work it tells of, so that there are both or neither, whichever
process is killed. A key is its user's own and is good for 24 hours (contract, "Idempotency-Key").
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.exc import OperationalError

from app import clock, database
from app.accounts.models import StoredAnswer
from app.errors import Conflict, PayloadTooLarge
from app.extensions import db

KEPT = timedelta(hours=24)
_LARGE = 16 * 1024  # bytes, compressed
_ROOM = 64 * 1024 * 1024  # bytes of large answers that are kept for a user
_LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's lock_timeout


class AnsweredMeanwhile(Conflict):
    """409: the same call is being answered at this moment, and came first."""

    message = "A request with this Idempotency-Key is being answered; try again."

    def __init__(self) -> None:
        super().__init__(reason="in_progress", headers={"Retry-After": "1"})


@dataclass(frozen=True)
class Answer:
    """`request`: a hash that tells this call from another; `body` as it was sent."""

    request: bytes
    status: int
    headers: Mapping[str, str]
    body: bytes


def find(user_id: int, key: str) -> Answer | None:
    """The answer that was stored under the user's key in the last 24 hours. Begins no write transaction."""
    row = select(StoredAnswer.request, StoredAnswer.status, StoredAnswer.headers, StoredAnswer.body).where(
        StoredAnswer.user_id == user_id, StoredAnswer.key == key, StoredAnswer.created_at > clock.now() - KEPT
    )
    with database.reading() as connection:
        found = connection.execute(row).one_or_none()
    return found and Answer(found.request, found.status, found.headers, zlib.decompress(found.body))


def store(user_id: int, key: str, answer: Answer) -> None:
    """Keep the answer; waits for a call with the same key that is about to be committed.

    Raises AnsweredMeanwhile where that one was, or takes too long: then this call's work has to be undone.
    Raises PayloadTooLarge where the user's large answers fill their room.
    """
    now = clock.now()
    body = zlib.compress(answer.body, level=1)
    if len(body) > _LARGE:
        _check_room(user_id, len(body))
    values = {
        "request": answer.request,
        "status": answer.status,
        "headers": dict(answer.headers),
        "body": body,
        "created_at": now,
    }
    insertion = database.insert_into(StoredAnswer, db.session.connection())
    kept = insertion.values(user_id=user_id, key=key, **values).on_conflict_do_update(
        index_elements=["user_id", "key"], set_=values, where=StoredAnswer.created_at <= now - KEPT
    )
    try:
        stored = db.session.execute(kept.returning(StoredAnswer.user_id)).first()
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise AnsweredMeanwhile() from error
    if stored is None:
        raise AnsweredMeanwhile()


def _check_room(user_id: int, size: int) -> None:
    """Hold a user's large answers, those of batches, to a bound; the small ones are held by the limit on calls."""
    length = func.length(StoredAnswer.body)
    taken = select(func.coalesce(func.sum(length), 0)).where(StoredAnswer.user_id == user_id, length > _LARGE)
    if int(db.session.scalar(taken) or 0) + size > _ROOM:
        raise PayloadTooLarge(
            "The answers kept for your Idempotency-Keys are too large; send fewer links, or no key."
        )


def forget(user_id: int) -> None:
    """Delete what was kept for a user whose account is closed."""
    db.session.execute(delete(StoredAnswer).where(StoredAnswer.user_id == user_id))


def forget_expired() -> None:
    """Delete what is older than 24 hours; the worker calls it."""
    with database.writing() as connection:
        connection.execute(delete(StoredAnswer).where(StoredAnswer.created_at <= clock.now() - KEPT))
