"""What a caller believes a resource to be (RFC 9110 §13), as a rule that rows and SQL statements can be held to."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, false, true

from app.errors import PreconditionFailed

Versions = frozenset[int] | Literal["*"]
"""The versions that entity tags name; `*`: any, if only there is one."""

_SECOND = timedelta(seconds=1)  # how precise an HTTP date is


@dataclass(frozen=True)
class Precondition:
    """`match`: the resource is one of these (If-Match); `none_match`: it is none of them (If-None-Match);
    `unmodified_since`: it has not changed after that second (If-Unmodified-Since). None asks for nothing."""

    match: Versions | None = None
    none_match: Versions | None = None
    unmodified_since: datetime | None = None

    def check(self, version: int, updated_at: datetime) -> None:
        """Hold a row to it. Raises PreconditionFailed."""
        matched = self.match is None or _among(version, self.match)
        excluded = self.none_match is not None and _among(version, self.none_match)
        late = self.unmodified_since is not None and updated_at >= self.unmodified_since + _SECOND
        if not matched or excluded or late:
            raise PreconditionFailed()

    def check_absent(self) -> None:
        """Hold a place without a resource to it. Raises PreconditionFailed."""
        if self.match is not None:
            raise PreconditionFailed("There is nothing here that could match.")

    def holds(self, version: ColumnElement[int], updated_at: ColumnElement[Any]) -> ColumnElement[bool]:
        """`check` as a condition, for a statement that compares and changes in one (compare-and-swap)."""
        conditions: list[ColumnElement[bool]] = [true()]
        if self.match is not None:
            conditions.append(_is_among(version, self.match))
        if self.none_match is not None:
            conditions.append(~_is_among(version, self.none_match))
        if self.unmodified_since is not None:
            conditions.append(updated_at < self.unmodified_since + _SECOND)
        return and_(*conditions)


NONE = Precondition()


def _among(version: int, versions: Versions) -> bool:
    return versions == "*" or version in versions


def _is_among(version: ColumnElement[int], versions: Versions) -> ColumnElement[bool]:
    if versions == "*":
        return true()
    return version.in_(versions) if versions else false()
