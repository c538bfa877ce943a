"""What opens an account: a password, passkeys, identities at providers. One of them has to be left."""

from flask import current_app
from sqlalchemy import exists, select

from app.accounts import second_factor
from app.accounts.models import Identity, User
from app.errors import Conflict
from app.extensions import db


class LastWayIn(Conflict):
    message = "Nothing else opens the account; set a password first."


def refuse_none_left(user: User) -> None:
    """After one was removed from an account that is locked. Raises LastWayIn."""
    issuers = {provider.issuer for provider in current_app.config["OIDC_PROVIDERS"].values()}
    usable = exists().where(Identity.user_id == user.id, Identity.issuer.in_(issuers))
    opens = user.password_hash is not None or second_factor.has_passkey(user)
    if not opens and not db.session.scalar(select(usable)):
        raise LastWayIn()
