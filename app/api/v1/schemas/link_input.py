"""Wire shapes of links on their way in: what an owner may write, and what must hold for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from app.api.fields import Bounded, Flag, Text, Time, Whole
from app.api.schema import Editable
from app.errors import ValidationFailed
from app.links import creating, writing
from app.links.targets import MAX_TARGET

CODE_PATTERN = "^[A-Za-z0-9_-]{1,64}$"
REDIRECT_STATUSES = (301, 302, 307, 308)
_EARLIEST, _LATEST = 2000, 9998  # years; nearer to the end of the calendar a time zone leads out of it

# What the owner does not write. `clicks` is there with `?embed=clicks` only.
_READ_ONLY = frozenset(
    {
        "code",
        "domain",
        "short_url",
        "status",
        "blocked_reason",
        "owner",
        "created_at",
        "updated_at",
        "_links",
        "clicks",
    }
)
_DEFAULTS: dict[str, Any] = {
    "title": None,
    "notes": None,
    "tags": (),
    "redirect_status": 302,
    "forward_query": False,
    "enabled": True,
    "starts_at": None,
    "expires_at": None,
    "max_clicks": None,
}


class Label(Text):
    """Text without blanks around it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return super()._deserialize(value, attr, data, **kwargs).strip()


class RedirectStatus(Whole):
    """One of the statuses that lead a visitor on."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min(REDIRECT_STATUSES), max(REDIRECT_STATUSES), **kwargs)
        self.validators = [validate.OneOf(REDIRECT_STATUSES)]


@contextmanager
def naming_fields() -> Iterator[None]:
    """Make a noun's refusal one of the schema's, so that one answer names all the fields that are wrong."""
    try:
        yield
    except ValidationFailed as refused:
        messages: dict[str, list[str]] = {}
        for detail in refused.details:
            messages.setdefault(detail.field, []).append(detail.message)
        raise ValidationError(messages) from None


def target_field(**options: Any) -> fields.String:
    """The URL that a link leads to."""
    return fields.String(
        metadata={
            "description": f"http or https, at most {MAX_TARGET} bytes; kept in the spelling of browsers.",
            "format": "uri",
            "maxLength": MAX_TARGET,
            "example": "https://example.com/spring?ref=mail",
        },
        **options,
    )


def code_field(example: str, **options: Any) -> Text:
    """A code that the caller chooses."""
    description = "Letters, digits, `-` and `_`, told apart by case; by default 7 random characters."
    metadata = {"pattern": CODE_PATTERN, "description": description, "example": example}
    return Text(64, least=1, allow_none=True, load_default=None, metadata=metadata, **options)


def _in_calendar(time: datetime) -> None:
    if not _EARLIEST <= time.year <= _LATEST:
        raise ValidationError(f"Must lie in the years {_EARLIEST} to {_LATEST}.")


class LinkFields(Editable):
    """What an owner writes into a link."""

    url = target_field()
    title = Text(255, allow_none=True, metadata={"example": "Spring sale"})
    notes = Text(5000, multiline=True, allow_none=True, metadata={"example": "For April's newsletter."})
    tags = Bounded(
        Label(50, least=1),
        0,
        20,
        allow_none=True,
        metadata={"description": "A set, in no order; null: none.", "example": ["mail", "sale"]},
    )
    redirect_status = RedirectStatus(
        metadata={
            "description": "Browsers keep a 301 or 308 for good: later changes and clicks go unseen.",
            "example": 302,
        }
    )
    forward_query = Flag(
        metadata={"description": "Whether the visitor's query goes on to the target.", "example": False}
    )
    enabled = Flag(metadata={"description": "Whether visitors are let through.", "example": True})
    starts_at = Time(
        allow_none=True, validate=_in_calendar, metadata={"description": "null: at once.", "example": None}
    )
    expires_at = Time(
        allow_none=True,
        validate=_in_calendar,
        metadata={
            "description": "In the future, after `starts_at`; null: never.",
            "example": "2099-05-01T00:00:00Z",
        },
    )
    max_clicks = Whole(
        1,
        2**31 - 1,
        allow_none=True,
        metadata={
            "description": "How many visits lead to the target, in all; null: no limit, and the count begins anew.",
            "example": None,
        },
    )
    password = Text(
        128,
        least=1,
        allow_none=True,
        load_only=True,
        metadata={
            "description": "What visitors must know; never shown. null: none.",
            "format": "password",
            "example": None,
        },
    )

    @validates_schema(skip_on_field_errors=False)
    def _check(self, data: dict[str, Any], **_kwargs: Any) -> None:
        with naming_fields():
            self.check(data)

    def check(self, data: dict[str, Any]) -> None:
        """The noun's rules for what is well-formed in the body. Raises ValidationFailed."""
        writing.check_target(data)


class LinkPatch(LinkFields):
    """Changes to a link (RFC 7396): what is absent stays, null clears."""

    READ_ONLY = _READ_ONLY | {"has_password"}


class WholeLink(LinkFields):
    """All that an owner writes into a link: absent means default."""

    def on_bind_field(self, field_name: str, field_obj: Any) -> None:
        if field_name in _DEFAULTS:
            field_obj.load_default = _DEFAULTS[field_name]
        field_obj.required = field_name == "url"


class LinkCreate(WholeLink):
    """A new link."""

    code = code_field("spring")
    domain = Text(
        259,
        least=1,
        allow_none=True,
        load_default=None,
        metadata={"description": "One of this service's hosts; by default its first.", "example": None},
    )

    def check(self, data: dict[str, Any]) -> None:
        creating.check(data, code=data.get("code"), domain=data.get("domain"))


class LinkReplace(WholeLink):
    """What a link shall be. Its read-only fields may be there, and are ignored; so GET, change, PUT works."""

    READ_ONLY: ClassVar[frozenset[str]] = _READ_ONLY

    has_password = Flag(
        load_default=False,
        load_only=True,
        metadata={"description": "true keeps the password that is set, where `password` is absent."},
    )

    @post_load
    def _keep_or_clear(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """GET cannot show the password. Sending back what it showed must not take the protection away."""
        if not data.pop("has_password"):
            data.setdefault("password", None)
        return data
