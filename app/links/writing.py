"""The writable fields of a link: the rules for them, and how they come onto a row."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from app.accounts import passwords
from app.errors import FieldError, ValidationFailed
from app.links import short_urls, tagging
from app.links.models import Link, Tag
from app.links.remembering import remembered
from app.links.targets import canonical_target

_TIMES = ("starts_at", "expires_at")

Tags = Callable[[int, Iterable[str]], list[Tag]]


def check_target(fields: Mapping[str, Any]) -> None:
    """Raises InvalidTarget where `url` is among the fields and no link can lead there."""
    if "url" in fields:
        _canonical(fields["url"])


def check_period(fields: Mapping[str, Any], now: datetime, stored: Link | None = None) -> None:
    """Check the times that are about to be set, beside those that stay.

    A past expiry is refused unless it is the stored one: what was read can be sent back. Raises
    ValidationFailed naming a time that was sent.
    """
    sent = [name for name in _TIMES if name in fields]
    if not sent:
        return
    starts_at, expires_at = (_milliseconds(fields.get(name, getattr(stored, name, None))) for name in _TIMES)
    errors = []
    if expires_at is not None and expires_at <= now and expires_at != getattr(stored, "expires_at", None):
        errors.append(FieldError("expires_at", "Must lie in the future."))
    if starts_at is not None and expires_at is not None and starts_at >= expires_at:
        errors.append(FieldError(sent[-1], "The link must start before it expires."))
    if errors:
        raise ValidationFailed.of(errors)


def prepared(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as columns: target canonical, times as precise as they are shown, password hashed.

    Call it before the write transaction begins: a hash takes 130 ms. Raises InvalidTarget.
    """
    columns = dict(fields)
    if "url" in columns:
        columns["url"] = _canonical(columns["url"])
    columns |= {name: _milliseconds(columns[name]) for name in _TIMES if name in columns}
    if "password" in columns:
        password = columns.pop("password")
        columns["password_hash"] = None if password is None else passwords.hashed(password)
    return columns


def assign(link: Link, columns: Mapping[str, Any], tags: Tags = tagging.tags) -> None:
    """Put the columns on the row; what is as it was stays unmodified. `tags` finds an owner's tags by name."""
    wanted = columns.get("tags", tagging.names(link)) or ()
    if set(wanted) != set(tagging.names(link)):
        # First of all: it asks the database, and that would flush a row that is half changed.
        link.tags = tags(link.owner_id, wanted)
    for name, value in columns.items():
        if name != "tags":
            setattr(link, name, value)
    if link.max_clicks is None:
        link.clicks_used = 0  # a limit that is taken away takes its count along


@remembered
def _canonical(url: str) -> str:
    return canonical_target(url, short_urls.target_rules())


def _milliseconds(time: datetime | None) -> datetime | None:
    """`time` without what its representation leaves out, so that sending back what was read changes nothing."""
    return None if time is None else time.replace(microsecond=time.microsecond // 1000 * 1000)
