"""Wire shapes of a batch on its way in: what is done to which links."""

import re
from collections.abc import Sequence
from typing import Any

from flask import current_app
from marshmallow import Schema, ValidationError, fields, validate

from app.api.arguments import refusal
from app.api.conditional import TAG
from app.api.fields import Bounded, Flag, Text
from app.api.v1.schemas.link_input import CODE_PATTERN, LinkCreate, LinkPatch
from app.errors import FieldError, PreconditionRequired, ValidationFailed
from app.links.batch import Change, Creation, Item, Removal

MOST_ITEMS = 1_000
# Each costs 70 ms of CPU to hash. Batches at the default limit then hash no more than PATCHes at theirs could.
MOST_PASSWORDS = 10

_TAG = re.compile(f'"?{TAG}"?')


class Version(fields.Field[int]):
    """The version of an entity tag, with its quotation marks or without."""

    default_error_messages = {"invalid": 'Must be the ETag of a link, such as "3-0123456789ab".'}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        found = _TAG.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise self.make_error("invalid")
        return int(found[1])


def _op(name: str) -> fields.String:
    return fields.String(required=True, validate=validate.OneOf([name]), metadata={"example": name})


class BatchCreate(Schema):
    """A link to make, as POST /links takes it."""

    op = _op("create")
    link = fields.Nested(LinkCreate, required=True)


class _Named(Schema):
    """A link that is there."""

    code = fields.String(
        required=True,
        metadata={"pattern": CODE_PATTERN, "description": "The link's code.", "example": "spring"},
    )
    domain = Text(
        259,
        least=1,
        allow_none=True,
        load_default=None,
        metadata={"description": "The link's `domain`; by default the service's first.", "example": None},
    )
    if_match = Version(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "The link's ETag: only if its version is still this one.",
            "pattern": f"^{_TAG.pattern}$",
            "type": "string",
            "example": None,
        },
    )


class BatchUpdate(_Named):
    """Changes to a link, as PATCH takes them."""

    op = _op("update")
    changes = fields.Nested(LinkPatch, required=True)


class BatchDelete(_Named):
    """A link to delete."""

    op = _op("delete")


ITEMS: dict[str, type[Schema]] = {"create": BatchCreate, "update": BatchUpdate, "delete": BatchDelete}
_REFERENCES = [f"#/components/schemas/{schema.__name__}" for schema in ITEMS.values()]


class ItemField(fields.Field[dict[str, Any]]):
    """An object whose `op` is known; the rest is for the item alone, and refused alone."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("Must be an object.")
        if value.get("op") not in tuple(ITEMS):
            raise ValidationError({"op": [f"Must be one of: {', '.join(ITEMS)}."]})
        return value


class Batch(Schema):
    """What to do, in order."""

    atomic = Flag(load_default=False, metadata={"description": "Do all of it or nothing."})
    dry_run = Flag(
        load_default=False,
        metadata={"description": "Store nothing, answer what would be.", "example": True},
    )
    items = Bounded(
        ItemField(metadata={"oneOf": [{"$ref": reference} for reference in _REFERENCES]}),
        1,
        MOST_ITEMS,
        required=True,
        metadata={
            "description": f"At most {MOST_PASSWORDS} may set a password.",
            "example": [
                {"op": "create", "link": {"url": "https://example.com/summer", "code": "summer"}},
                {"op": "update", "code": "summer", "changes": {"title": "Summer sale", "tags": ["sale"]}},
                {"op": "delete", "code": "summer"},
            ],
        },
    )


def read(items: Sequence[dict[str, Any]]) -> list[Item]:
    """What the items ask for, each checked by the rules of its single call, or why it cannot be.

    Raises ValidationFailed where too many set a password.
    """
    _bound_passwords(items)
    schemas = {op: schema() for op, schema in ITEMS.items()}
    return [_read(schemas[item["op"]], item) for item in items]


def _read(schema: Schema, item: dict[str, Any]) -> Item:
    try:
        found = schema.load(item)
    except ValidationError as error:
        return refusal([error.messages])
    if found.get("if_match", "") is None and current_app.config["REQUIRE_PRECONDITIONS"]:
        return PreconditionRequired(field="if_match")
    match found.pop("op"):
        case "create":
            link = found["link"]
            code, domain = link.pop("code"), link.pop("domain")
            return Creation(link, code, domain)
        case "update":
            return Change(found["code"], found["changes"], found["domain"], found["if_match"])
    return Removal(found["code"], found["domain"], found["if_match"])


def _bound_passwords(items: Sequence[dict[str, Any]]) -> None:
    parts = {"create": "link", "update": "changes"}
    having = [
        f"items.{index}.{part}.password"
        for index, item in enumerate(items)
        if (part := parts.get(item["op"]))
        and isinstance(item.get(part), dict)
        and item[part].get("password") is not None
    ]
    message = f"At most {MOST_PASSWORDS} items of a batch may set a password."
    if too_many := having[MOST_PASSWORDS:]:
        raise ValidationFailed.of(FieldError(field, message) for field in too_many)
