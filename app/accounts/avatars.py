"""Avatars: one's picture, drawn anew as a square PNG and kept under a random name.

A file is written before the row that names it and removed some time after no row does, so that a process killed in
between leaves a file too many, never a name without a file.
"""

import secrets

from flask import current_app
from sqlalchemy import select

from app import clock, database, pictures
from app.accounts import users
from app.accounts.models import User
from app.audit import trail
from app.errors import FieldError, NotFound, ValidationFailed
from app.extensions import db
from app.preconditions import NONE, Precondition
from app.storage import Folder, Storage

SIDE = 256  # pixels
LARGEST = 2 * 1024 * 1024  # bytes of what is sent
_UNUSED_FOR = 3600.0  # seconds after which a file that no account names is removed


def storage() -> Storage:
    """Where the pictures lie."""
    return Folder(current_app.config["AVATAR_DIR"])


def put(user_id: int, data: bytes, precondition: Precondition = NONE) -> bool:
    """Give the user this picture; return whether it is the first one.

    Raises ValidationFailed naming `avatar` for what is no picture or has too many pixels, PreconditionFailed,
    TooManyPictures.
    """
    try:
        picture = pictures.square(data, SIDE)
    except pictures.NoPicture as refused:
        raise ValidationFailed.of([FieldError("avatar", str(refused))]) from None
    name = f"{secrets.token_urlsafe(24)}.png"
    storage().write(name, picture)
    user = users.get(user_id, lock=True)
    is_first = user.avatar is None
    precondition.check_absent() if is_first else precondition.check(user.version, user.updated_at)
    _name(user, name)
    return is_first


def get(user_id: int) -> tuple[User, bytes]:
    """The user and the PNG. Raises NotFound where there is none."""
    user = users.get(user_id)
    picture = storage().read(user.avatar) if user.avatar else None
    if picture is None:
        raise NotFound()
    return user, picture


def remove(user_id: int, precondition: Precondition = NONE) -> None:
    """Take the user's picture away. Raises NotFound where there is none, PreconditionFailed."""
    user = users.get(user_id, lock=True)
    if user.avatar is None:
        precondition.check_absent()
        raise NotFound()
    precondition.check(user.version, user.updated_at)
    _name(user, None)


def remove_unused() -> None:
    """Remove the files that no account names any more; the worker calls it."""
    files = storage()
    old = list(files.older_than(_UNUSED_FOR))
    with database.reading() as connection:
        used = set(connection.scalars(select(User.avatar).where(User.avatar.is_not(None))))
    for name in old:
        if name not in used:
            files.remove(name)


def _name(user: User, name: str | None) -> None:
    user.avatar = name
    user.version += 1
    user.updated_at = clock.now()
    trail.record("avatar.changed" if name else "avatar.removed", user.public_id, owner=user.public_id)
    db.session.flush()
