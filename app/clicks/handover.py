"""Closing an account whose links live on: somebody else gets them, and what was counted of them.

The clicks of a link stay with it; what was counted of the whole account is added to the heir's, so that accounts are
the sums of their links before and after (`flask clicks verify`). In coarse grain it is summed anew: of two accounts
a pass of `app.clicks.summing` may have come to one only.
"""

from sqlalchemy import select

from app.accounts import administration
from app.accounts.administration import LastAdmin
from app.accounts.models import User
from app.accounts.principals import Principal, SignedIn
from app.accounts.reauthentication import require_recent
from app.audit import trail
from app.clicks import owners, summing
from app.clicks.bulk import move_all
from app.clicks.subjects import ACCOUNT_COUNTS, ACCOUNT_FACETS
from app.errors import FieldError, ValidationFailed
from app.extensions import db
from app.links import closing
from app.preconditions import NONE, Precondition


def close_account(
    user_id: int,
    precondition: Precondition = NONE,
    *,
    links_to: str | None = None,
    by: Principal | None = None,
) -> None:
    """Close the account; its links end with it, or belong to the user with the public id `links_to`.

    Raises NotFound, PreconditionFailed, LastAdmin, ValidationFailed naming `links_to` where nobody can have them, and
    of who asks (`by`) as `principals.confirm` does.
    """
    if links_to is not None:
        _hand_over(user_id, links_to)
    closing.close_account(user_id, precondition, by=by)


def close_own_account(principal: SignedIn, precondition: Precondition = NONE) -> None:
    """Close the account of who asks. Raises ReauthenticationRequired, PreconditionFailed, LastAdmin."""
    administration.hold(principal.user_id)
    require_recent(principal)
    closing.close_account(principal.user_id, precondition)


def _hand_over(user_id: int, to: str) -> None:
    # The heir is held, so that his account is not closed at the same time: the links would outlive it.
    if administration.hold(user_id, User.public_id == to).is_last_admin:
        raise LastAdmin()
    query = select(User).where(User.public_id == to, User.status == "active", User.id != user_id)
    heir = db.session.scalar(query)
    if heir is None:
        message = "There is no other active account with this id."
        raise ValidationFailed.of([FieldError("links_to", message)])
    handed_over = closing.hand_over(user_id, heir.id)
    connection = db.session.connection()
    owners.change(connection)
    for grains in (ACCOUNT_COUNTS, ACCOUNT_FACETS):
        move_all(connection, grains.fine.table, user_id, heir.id)
        for account_id in (user_id, heir.id):
            summing.sum_anew(connection, grains, account_id)
    trail.record("links.handed_over", heir.public_id, owner=heir.public_id, after={"links": handed_over})
