"""What ends for good: closed accounts, and links that were deleted too long ago to be restored.

Both are erased, not deleted: the ids of users never come back, the codes of links stay taken.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, delete, func, literal, select, update
from sqlalchemy.orm import Session, aliased

from app import clock, database
from app.accounts import (
    administration,
    answers,
    api_keys,
    devices,
    factors,
    notices,
    one_time,
    sessions,
    users,
    uses,
)
from app.accounts.administration import LastAdmin
from app.accounts.oidc import identities
from app.accounts.principals import Principal
from app.accounts.users import VerifiedMeanwhile
from app.audit import trail
from app.extensions import db
from app.links import naming, removing
from app.links.models import Link, Tag, link_tags
from app.mail import outbox
from app.preconditions import NONE, Precondition

_PERSONAL = ("email", "email_key", "name", "password_hash", "avatar", "email_verified_at")
# An empty target tells that a link was erased. A block stays, without what somebody wrote about the link.
_ERASED_LINK: dict[str, Any] = {
    "url": "",
    **dict.fromkeys(("title", "notes", "password_hash")),
    "blocked_reason": case((Link.blocked_reason.is_not(None), "")),
}


def close_account(
    user_id: int,
    precondition: Precondition = NONE,
    *,
    unless_verified: bool = False,
    by: Principal | None = None,
) -> None:
    """Close the account: its sessions end, what the user wrote is erased, the e-mail address can register anew. Of
    the mails that wait one is left, which tells of it.

    Raises NotFound, PreconditionFailed, LastAdmin; VerifiedMeanwhile where it was to be closed `unless_verified`; and
    of who asks (`by`) as `principals.confirm` does.
    """
    now = clock.now()
    _close(user_id, now, precondition, by, unless_verified=unless_verified)
    sessions.forget(user_id)
    api_keys.revoke_all(user_id)
    answers.forget(user_id)
    devices.forget(user_id)
    one_time.end(user_id)
    factors.forget(user_id)
    identities.forget(user_id)
    uses.forget_user(user_id)
    deleted_at = func.coalesce(Link.deleted_at, now)
    _erase(db.session(), Link.owner_id == user_id, deleted_at=deleted_at, updated_at=now)
    own_tags = select(Tag.id).where(Tag.owner_id == user_id)
    # Again: a change that was under way may have put a tag on a link since.
    db.session.execute(delete(link_tags).where(link_tags.c.tag_id.in_(own_tags)))
    db.session.execute(delete(Tag).where(Tag.owner_id == user_id))


def hand_over(user_id: int, heir_id: int) -> int:
    """Give the account's links to another, deleted ones too, with their tags; return how many it had.

    Part of `app.clicks.handover`: what was counted has to go along. The caller holds both accounts.
    """
    # The links first: a change that is under way holds its link, and has put its tags on when this goes on.
    moved = update(Link).where(Link.owner_id == user_id)
    values = {"owner_id": heir_id, "updated_at": clock.now(), "version": Link.version + 1}
    links = db.session.scalars(moved.values(values).returning(Link.id)).all()
    theirs = select(literal(heir_id), Tag.name).where(Tag.owner_id == user_id)
    new = database.insert_into(Tag, db.session.connection()).from_select(["owner_id", "name"], theirs)
    db.session.execute(new.on_conflict_do_nothing(index_elements=["owner_id", "name"]))
    old, same = aliased(Tag), aliased(Tag)
    tag = (
        select(same.id)
        .join(old, old.name == same.name)
        .where(same.owner_id == heir_id, old.id == link_tags.c.tag_id)
        .scalar_subquery()
    )
    own_tags = select(Tag.id).where(Tag.owner_id == user_id)
    db.session.execute(update(link_tags).where(link_tags.c.tag_id.in_(own_tags)).values(tag_id=tag))
    return len(links)


def _close(
    user_id: int, now: datetime, precondition: Precondition, by: Principal | None, *, unless_verified: bool
) -> None:
    # The user first: a link that is being made holds this row, and so is there when the links are erased.
    is_last = administration.hold(user_id, by=by).is_last_admin
    user = users.get(user_id, lock=True)
    precondition.check(user.version, user.updated_at)
    if unless_verified and not user.awaits_verification:
        raise VerifiedMeanwhile()
    if is_last:
        raise LastAdmin()
    outbox.forget(user.public_id)
    if not user.awaits_verification:  # else the address may be a stranger's
        notices.closed(user)
    for name in _PERSONAL:
        setattr(user, name, None)
    user.status = "closed"
    user.updated_at = now
    user.version += 1
    db.session.flush()
    trail.record("user.closed", user.public_id, owner=user.public_id)


def erase_deleted() -> None:
    """Erase the links that can no longer be restored; the worker calls it."""
    with database.writing() as connection:
        which = (Link.deleted_at <= removing.horizon(clock.now())) & (Link.url != "")
        trail.record_all(connection, naming.events(connection, "link.erased", which))
        _erase(connection, which)


def _erase(connection: Connection | Session, which: ColumnElement[bool], **values: Any) -> None:
    connection.execute(delete(link_tags).where(link_tags.c.link_id.in_(select(Link.id).where(which))))
    # The version moves, so that a change which read the link before fails instead of writing it back.
    connection.execute(update(Link).where(which).values(**_ERASED_LINK, **values, version=Link.version + 1))
