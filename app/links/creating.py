"""Making links. Whether a code is free is for the database to say; it is never asked first."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError

from app import clock
from app.accounts.models import User
from app.errors import FieldError, InvalidToken, Unavailable, ValidationFailed
from app.extensions import db
from app.links import codes, naming, short_urls, writing
from app.links.codes import CodeTaken
from app.links.models import Link
from app.links.short_urls import Place

TRIES = 5  # at random codes, each a character longer than the last


def check(
    fields: Mapping[str, Any], *, code: str | None = None, domain: str | None = None, code_field: str = "code"
) -> None:
    """Raises ValidationFailed naming all that is wrong with these fields, be they those of a link or a part.

    Begins no write transaction. `code_field` is what the caller's input calls the code.
    """
    rules: list[Callable[[], object]] = [
        lambda: writing.check_target(fields),
        lambda: writing.check_period(fields, clock.now()),
        lambda: short_urls.domain_id(domain),
        lambda: code is None or codes.checked(code, short_urls.reserved_codes(), field=code_field),
    ]
    errors: list[FieldError] = []
    for rule in rules:
        try:
            rule()
        except ValidationFailed as refused:
            errors.extend(refused.details)
    if errors:
        raise ValidationFailed.of(errors)


def create(
    owner_id: int, fields: Mapping[str, Any], *, code: str | None = None, domain: str | None = None
) -> Link:
    """Add a link on the host `domain`, with a random code unless one is given.

    `fields` are writable ones of `Link`, `tags` as names, `password` in clear. Raises as `check`, and CodeTaken.
    """
    check(fields, code=code, domain=domain)
    return _create(owner_id, fields, clock.now(), code=code, domain=domain)


def shorten(
    owner_id: int, url: str, *, custom_code: str | None = None, expires_in: int | None = None
) -> Link:
    """Add a link with all else by default; `expires_in` in seconds. Raises as `create`."""
    check({"url": url}, code=custom_code, code_field="custom_code")
    now = clock.now()
    expires_at = None if expires_in is None else now + timedelta(seconds=expires_in)
    return _create(
        owner_id, {"url": url, "expires_at": expires_at}, now, code=custom_code, code_field="custom_code"
    )


def create_at(owner_id: int, place: Place, columns: Mapping[str, Any]) -> Link:
    """Add a link at a chosen place, from columns that are `writing.prepared`. Raises ValidationFailed, CodeTaken."""
    codes.checked(place.code, short_urls.reserved_codes())
    now = clock.now()
    writing.check_period(columns, now)
    return _insert(locked(owner_id), place, columns, now)


def _create(
    owner_id: int,
    fields: Mapping[str, Any],
    now: datetime,
    *,
    code: str | None,
    domain: str | None = None,
    code_field: str = "code",
) -> Link:
    domain_id = short_urls.domain_id(domain)
    columns = writing.prepared(fields)
    owner = locked(owner_id)
    if code is not None:
        return _insert(owner, Place(domain_id, code), columns, now, code_field)
    return _insert_somewhere(owner, domain_id, columns, now)


def locked(owner_id: int) -> User:
    """The owner, who cannot close the account before this link is there to be closed with it.

    Raises InvalidToken where the account has been closed.
    """
    owner = db.session.get(User, owner_id, with_for_update={"read": True})
    if owner is None or owner.status != "active":
        raise InvalidToken("The account has been closed.")
    return owner


def _insert_somewhere(owner: User, domain_id: int, columns: Mapping[str, Any], now: datetime) -> Link:
    reserved = short_urls.reserved_codes()
    for length in range(codes.LENGTH, codes.LENGTH + TRIES):
        try:
            return _insert(owner, Place(domain_id, codes.generate(reserved, length)), columns, now)
        except CodeTaken:
            continue
    raise Unavailable("No free code was found; try again.")


def _insert(
    owner: User, place: Place, columns: Mapping[str, Any], now: datetime, code_field: str = "code"
) -> Link:
    link = Link(
        owner=owner,
        owner_id=owner.id,
        domain_id=place.domain_id,
        code=place.code,
        created_at=now,
        updated_at=now,
        tags=[],  # known to be none, or they would be read once it is stored
    )
    writing.assign(link, columns)
    try:
        with db.session.begin_nested():
            db.session.add(link)
    except IntegrityError:
        raise CodeTaken(field=code_field) from None
    naming.record("link.created", link)
    return link
