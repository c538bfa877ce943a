"""What ends for good: closed accounts, and links that were deleted too long ago to be restored.

Both are erased, not deleted: the ids of users never come back, the codes of links stay taken.
"""

from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, select, update
from sqlalchemy.orm import Session

from app import clock, database
from app.accounts import answers, devices, sessions, uses
from app.accounts.models import User
from app.errors import PreconditionFailed
from app.extensions import db
from app.links import removing
from app.links.models import Link, Tag, link_tags
from app.preconditions import NONE, Precondition

_CLOSED_USER = {
    "status": "closed",
    **dict.fromkeys(("email", "email_key", "name", "password_hash", "avatar")),
}
# An empty target tells that a link was erased.
_ERASED_LINK: dict[str, Any] = {"url": "", **dict.fromkeys(("title", "notes", "password_hash"))}


def close_account(user_id: int, precondition: Precondition = NONE) -> None:
    """Close the account: its sessions end, what the user wrote is erased, the e-mail address can register anew.

    Raises PreconditionFailed.
    """
    now = clock.now()
    # The user first: a link that is being made holds this row, and so is there when the links are erased.
    expected = precondition.holds(User.version.expression, User.updated_at.expression)
    closing = (
        update(User)
        .where(User.id == user_id, expected)
        .values(**_CLOSED_USER, updated_at=now, version=User.version + 1)
    )
    if db.session.execute(closing.returning(User.id)).first() is None:
        raise PreconditionFailed()
    sessions.end_all(user_id)
    answers.forget(user_id)
    devices.forget(user_id)
    uses.forget_user(user_id)
    deleted_at = func.coalesce(Link.deleted_at, now)
    _erase(db.session(), Link.owner_id == user_id, deleted_at=deleted_at, updated_at=now)
    own_tags = select(Tag.id).where(Tag.owner_id == user_id)
    # Again: a change that was under way may have put a tag on a link since.
    db.session.execute(delete(link_tags).where(link_tags.c.tag_id.in_(own_tags)))
    db.session.execute(delete(Tag).where(Tag.owner_id == user_id))


def erase_deleted() -> None:
    """Erase the links that can no longer be restored; the worker calls it."""
    with database.writing() as connection:
        _erase(connection, (Link.deleted_at <= removing.horizon(clock.now())) & (Link.url != ""))


def _erase(connection: Connection | Session, which: ColumnElement[bool], **values: Any) -> None:
    connection.execute(delete(link_tags).where(link_tags.c.link_id.in_(select(Link.id).where(which))))
    # The version moves, so that a change which read the link before fails instead of writing it back.
    connection.execute(update(Link).where(which).values(**_ERASED_LINK, **values, version=Link.version + 1))
