"""Wire shapes of /shorten."""

from typing import Any

from marshmallow import Schema, fields, validates_schema

from app.api.fields import Time, Whole
from app.api.v1.schemas.link_input import code_field, naming_fields, target_field
from app.links import creating

TEN_YEARS = 315_360_000  # seconds


class Shorten(Schema):
    """A URL to shorten."""

    url = target_field(required=True)
    # Not the example of POST /links: somebody tries both.
    custom_code = code_field("spring-sale")
    expires_in = Whole(
        1,
        TEN_YEARS,
        allow_none=True,
        load_default=None,
        metadata={"description": "Seconds from now; null: for ever.", "example": 86400},
    )

    @validates_schema(skip_on_field_errors=False)
    def _check(self, data: dict[str, Any], **_kwargs: Any) -> None:
        target = {name: data[name] for name in ("url",) if name in data}
        with naming_fields():
            creating.check(target, code=data.get("custom_code"), code_field="custom_code")


class Shortened(Schema):
    """A short URL; what it is made of is at the `Location` of the answer."""

    short_url = fields.String(
        required=True, metadata={"example": "https://go.example.org/s/spring", "format": "uri"}
    )
    code = fields.String(required=True, metadata={"example": "spring"})
    url = fields.String(required=True, metadata={"example": "https://example.com/spring?ref=mail"})
    created_at = Time(required=True, metadata={"example": "2026-04-01T09:30:00.000Z"})
    expires_in = fields.Integer(
        required=True, allow_none=True, metadata={"description": "As it was sent.", "example": 86400}
    )
