"""Key addresses by their domains as DNS has them

Case folding took straße.de and strasse.de, which may be two owners', for one. The new keys tell more addresses apart
than the old ones did, so no two meet on the way there.

Revision: 0017
Revises: 0016
"""

from collections.abc import Callable
from contextlib import suppress

import sqlalchemy as sa
from alembic import op
from email_validator import EmailNotValidError, validate_email

from app.database import BigId

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_LONGEST = 254
_USERS = sa.table("users", sa.column("id", BigId), sa.column("email"), sa.column("email_key"))


def upgrade() -> None:
    _rekey(_by_domain)


def downgrade() -> None:
    """Of addresses that are told apart since, the first has the old key; another keeps its own."""
    _rekey(_folded)


def _rekey(key_of: Callable[[str], str]) -> None:
    connection = op.get_bind()
    query = sa.select(_USERS.c.id, _USERS.c.email, _USERS.c.email_key).order_by(_USERS.c.id)
    for user, email, known in connection.execute(query.where(_USERS.c.email.is_not(None))).all():
        if email.isascii():  # both keys are the same
            continue
        key = key_of(email)
        taken = sa.select(_USERS.c.id).where(_USERS.c.email_key == key, _USERS.c.id != user)
        if key != known and len(key) <= _LONGEST and connection.scalar(taken) is None:
            connection.execute(sa.update(_USERS).where(_USERS.c.id == user).values(email_key=key))


def _by_domain(email: str) -> str:
    with suppress(EmailNotValidError):
        address = validate_email(email, check_deliverability=False)
        return f"{address.local_part.lower()}@{address.ascii_domain.lower()}"
    return email.lower()


def _folded(email: str) -> str:
    return email.casefold()
