"""Administration of accounts: their roles, and whether they are open. There is always an admin left to do it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, exists, or_, select

from app import clock, database
from app.accounts import one_time, sessions, users
from app.accounts.models import User
from app.accounts.principals import Principal, confirm
from app.audit import trail
from app.errors import Conflict, NotFound
from app.extensions import db
from app.keyset import Key, Listing, by_code_point
from app.preconditions import NONE, Precondition

ROLES = ("user", "manager", "admin")
STATUSES = ("active", "disabled")
"""Those that an admin chooses; a closed account is gone."""

_KEYS: dict[str, ColumnElement[Any]] = {
    "created_at": User.created_at.expression,
    "email": by_code_point(User.email_key.expression),  # type: ignore[arg-type]  # NULL in closed ones only
}
SORTS = tuple(sign + key for key in _KEYS for sign in ("", "-"))

_EVENTS = {"active": "user.enabled", "disabled": "user.disabled"}


class LastAdmin(Conflict):
    """409: the change would leave nobody who administers this service."""

    message = "This is the last admin; make somebody else one first."

    def __init__(self) -> None:
        super().__init__(reason="last_admin")


@dataclass(frozen=True)
class Filters:
    """What a list is narrowed to; None leaves a thing open. `q` is a part of e-mail address or name, in any case."""

    q: str | None = None
    role: str | None = None
    status: str | None = None


def accounts(filters: Filters, sort: str) -> Listing[User]:
    """All accounts but closed ones. `sort` is one of SORTS."""
    key = Key(_KEYS[sort.removeprefix("-")], sort.startswith("-"))
    return Listing(User, _conditions(filters), (key, Key(User.id.expression, key.descending)))


def find(public_id: str) -> int:
    """The internal id of an account that is not closed. Raises NotFound. Begins no write transaction."""
    query = select(User.id).where(User.public_id == public_id, User.status != "closed")
    with database.reading() as connection:
        found = connection.scalar(query)
    if found is None:
        raise NotFound()
    return int(found)


def change(
    user_id: int,
    changes: Mapping[str, str],
    precondition: Precondition = NONE,
    *,
    by: Principal | None = None,
) -> User:
    """Give an account another `role` or `status`; the sessions of one that is disabled end, and what was sent to set
    or change anything.

    Raises NotFound, PreconditionFailed, LastAdmin, and of who asks (`by`) as `principals.confirm` does.
    """
    is_last = hold(user_id, by=by).is_last_admin
    user = users.get(user_id, lock=True)
    precondition.check(user.version, user.updated_at)
    role, status = changes.get("role", user.role), changes.get("status", user.status)
    if is_last and (role, status) != (user.role, user.status):
        raise LastAdmin()
    if role != user.role:
        before, after = {"role": user.role}, {"role": role}
        trail.record("user.role_changed", user.public_id, owner=user.public_id, before=before, after=after)
    if status != user.status:
        trail.record(_EVENTS[status], user.public_id, owner=user.public_id)
        sessions.end_all(user_id)
        one_time.end(user_id, one_time.RESET, one_time.EMAIL)
    user.role, user.status = role, status
    if db.session.is_modified(user):
        user.version += 1
        user.updated_at = clock.now()
        db.session.flush()
    return user


@dataclass(frozen=True)
class Held:
    """What was held of an account: whether it is the one that can still administer."""

    is_last_admin: bool


def hold(user_id: int, other: ColumnElement[bool] | None = None, *, by: Principal | None = None) -> Held:
    """Hold an account, and where it is an admin's all admins, until the transaction ends; `other` as well. Whoever
    asks (`by`) may have been removed while this waited: `principals.confirm`.

    So that of two who remove each other at the same time the second one sees that there is nobody else: a condition
    in the statement itself would see what was before either. All wait in one order, that of the ids, and for none who
    only refers to the row (a link that is made).
    """
    is_admin = (User.role == "admin") & (User.status == "active")
    concerned = exists().where(is_admin, User.id == user_id).correlate(None)
    rows = select(User.id, User.role, User.status).where(
        or_(User.id == user_id, is_admin & concerned, *([] if other is None else [other]))
    )
    held = db.session.execute(rows.order_by(User.id).with_for_update(key_share=True)).all()
    if by is not None:
        confirm(by)
    admins = {row.id for row in held if (row.role, row.status) == ("admin", "active")}
    return Held(user_id in admins and len(admins) == 1)


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    conditions = [User.status != "closed"]
    if filters.q is not None:
        places = (User.email, User.name)
        conditions.append(or_(*(place.icontains(filters.q, autoescape=True) for place in places)))
    if filters.role is not None:
        conditions.append(User.role == filters.role)
    if filters.status is not None:
        conditions.append(User.status == filters.status)
    return conditions
