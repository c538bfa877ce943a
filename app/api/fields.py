"""Wire types, stricter than marshmallow's own: what they let in, the database and every header can hold."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from marshmallow import ValidationError, fields, validate
from webargs.fields import DelimitedList

from app.api import transport
from app.clicks import periods

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


def rfc3339(time: datetime) -> str:
    """A time as every answer writes it: in UTC, with `Z` and milliseconds."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Text(fields.String):
    """Unicode text of `least` to `most` characters: no NUL or other control character (line breaks and tabs
    pass where `multiline`), no lone surrogate."""

    def __init__(self, most: int, *, least: int = 0, multiline: bool = False, **kwargs: Any) -> None:
        validators = [validate.Length(min=least, max=most), *kwargs.pop("validate", [])]
        super().__init__(validate=validators, **kwargs)
        self._allowed = "\n\r\t" if multiline else ""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        for char in text:
            if unicodedata.category(char) in ("Cc", "Cs") and char not in self._allowed:
                raise ValidationError("Control characters and lone surrogates are not allowed.")
        return text


class Bounded(fields.List[Any]):
    """A list of `least` to `most` items; a longer one is refused before any of its items is looked at."""

    def __init__(self, inner: fields.Field[Any], least: int, most: int, **kwargs: Any) -> None:
        self._length = validate.Length(least, most)
        super().__init__(inner, validate=self._length, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if isinstance(value, list):
            self._length(value)
        return super()._deserialize(value, attr, data, **kwargs)


class Transport(fields.String):
    """How what a sign-in hands out is to travel: for `app.api.transport.handed_out`."""

    def __init__(self) -> None:
        told = "Whether the tokens come in the body, or as cookies (for browsers, on pages of this site)."
        choices = validate.OneOf(transport.TRANSPORTS)
        super().__init__(load_default=transport.TOKEN, validate=choices, metadata={"description": told})


class Flag(fields.Boolean):
    """A JSON true or false, nothing that only looks like one."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input="value")
        return value


class QueryFlag(fields.Boolean):
    """`true` or `false` in a query string."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if value not in ("true", "false"):
            raise ValidationError("Must be true or false.")
        return bool(value == "true")


class Whole(fields.Integer):
    """A whole number of `least` to `most`; a JSON number, not a string or a boolean that looks like one."""

    def __init__(self, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(min=least, max=most), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise self.make_error("invalid", input="value")
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON has one kind of number: 12.0 is a whole one
        return super()._deserialize(value, attr, data, **kwargs)


class QueryWhole(fields.Integer):
    """A whole number of `least` to `most` in a query string, in plain digits."""

    def __init__(self, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(min=least, max=most), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", str(value), re.ASCII):
            raise self.make_error("invalid", input="value")
        return int(value)


class Names(DelimitedList):
    """Some of `known` in a query string, separated by commas, none of them twice: a list of them."""

    def __init__(self, known: Sequence[str], **kwargs: Any) -> None:
        metadata = {"uniqueItems": True, **kwargs.pop("metadata", {})}
        inner = fields.String(validate=validate.OneOf(known))
        most = validate.Length(min=1, max=len({self._key(name) for name in known}))
        super().__init__(inner, validate=most, metadata=metadata, **kwargs)
        self._known = known

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        names = str(value).split(",")
        if not set(names) <= set(self._known):
            raise ValidationError(f"Must be some of {', '.join(self._known)}, separated by commas.")
        if len({self._key(name) for name in names}) < len(names):
            raise ValidationError("A name stands twice.")
        return names

    def _key(self, name: str) -> str:
        """What may stand once."""
        return name


class Sort(Names):
    """Names to sort by, the first of them counting most, each with `-` for the other direction."""

    def _key(self, name: str) -> str:
        return name.removeprefix("-")


class Time(fields.Field[datetime]):
    """A time of RFC 3339: in UTC with `Z` and milliseconds on the way out, with any offset on the way in."""

    default_error_messages = {
        "invalid": "Must be a time of RFC 3339 with an offset, such as 2030-01-31T12:00:00Z."
    }

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else rfc3339(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if not isinstance(value, str) or not _RFC3339.fullmatch(value):
            raise self.make_error("invalid")
        try:
            # OverflowError: a time near year 1 or 9999 that leaves the calendar in UTC
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.make_error("invalid") from None


class TimeZone(fields.Field[tzinfo]):
    """A time zone by its name in the IANA database."""

    default_error_messages = {
        "invalid": "Must be a time zone of the IANA database, such as Europe/Berlin, or UTC."
    }

    def _serialize(self, value: tzinfo | None, attr: str | None, obj: Any, **kwargs: Any) -> str:
        return str(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tzinfo:
        try:
            return periods.zone(str(value))
        except ValueError:
            raise self.make_error("invalid") from None


class Shown(fields.List[Any]):
    """A list whose items have their wire shapes already: a thousand of them take marshmallow 6 ms."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value


class ShownObject(fields.Nested):
    """An object that has its wire shape already: the hrefs of a link are a third of what it takes to show it."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:  # type: ignore[override]  # Nested has another name for `value` than Field
        return value
