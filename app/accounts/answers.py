"""Answers kept for calls that may come again (Idempotency-Key, draft-ietf-httpapi-idempotency-key-header).

An answer is stored in the transaction of the work it tells of, so that there are both or neither, whichever
process is killed. A key is its user's own and is good for 24 hours (contract, "Idempotency-Key").
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select

from app import clock, database
from app.accounts.models import StoredAnswer
from app.errors import Conflict
from app.extensions import db

KEPT = timedelta(hours=24)


class AnsweredMeanwhile(Conflict):
    """409: the same call is being answered at this moment, and came first."""

    message = "A request with this Idempotency-Key is being answered; try again."


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

    Raises AnsweredMeanwhile where that one was: then this call's work has to be undone.
    """
    now = clock.now()
    values = {
        "request": answer.request,
        "status": answer.status,
        "headers": dict(answer.headers),
        "body": zlib.compress(answer.body, level=1),
        "created_at": now,
    }
    insertion = database.insert_into(StoredAnswer, db.session.connection())
    kept = insertion.values(user_id=user_id, key=key, **values).on_conflict_do_update(
        index_elements=["user_id", "key"], set_=values, where=StoredAnswer.created_at <= now - KEPT
    )
    if db.session.execute(kept.returning(StoredAnswer.user_id)).first() is None:
        raise AnsweredMeanwhile()


def forget(user_id: int) -> None:
    """Delete what was kept for a user whose account is closed."""
    db.session.execute(delete(StoredAnswer).where(StoredAnswer.user_id == user_id))


def forget_expired() -> None:
    """Delete what is older than 24 hours; the worker calls it."""
    with database.writing() as connection:
        connection.execute(delete(StoredAnswer).where(StoredAnswer.created_at <= clock.now() - KEPT))
