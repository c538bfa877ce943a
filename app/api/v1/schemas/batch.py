"""Wire shapes of a batch's results."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import orjson
from marshmallow import Schema, fields, validate

from app.api.arguments import MESSAGES_LIMIT
from app.api.error_schemas import FieldErrorSchema
from app.api.fields import Shown, ShownObject
from app.api.v1.schemas.batch_input import ITEMS
from app.api.v1.schemas.links import LinkHrefs, LinkOut
from app.errors import AppError, FieldError, PayloadTooLarge
from app.links.batch import Item, Outcome
from app.links.models import Link

LARGEST_ANSWER = 8 * 1024 * 1024  # bytes; twice the largest batch
STATUSES = {"create": 201, "update": 200, "delete": 204}
"""Of items that are done, as of the single calls."""

_PARTS = {"create": ("link", ()), "update": ("changes", ("code", "domain"))}
"""Where an item carries what the single call has as its body, and what an update names outside of it."""


class BatchLink(LinkOut):
    """A link as the item leaves it. In a dry run it has no `_links`, and no code that would be drawn by chance."""

    code = fields.String(required=True, allow_none=True, metadata={"example": "spring"})
    short_url = fields.String(
        required=True,
        allow_none=True,
        metadata={"example": "https://go.example.org/s/spring", "format": "uri"},
    )
    _links = ShownObject(LinkHrefs)


class BatchErrorSchema(Schema):
    """Why an item was not done: what the single call answers, its fields named from the item on."""

    code = fields.String(required=True, metadata={"example": "CODE_TAKEN"})
    message = fields.String(required=True, metadata={"example": "This code is already taken."})
    field = fields.String(required=True, allow_none=True, metadata={"example": "link.code"})
    details = fields.List(fields.Nested(FieldErrorSchema), metadata={"description": "All field errors."})


class BatchResult(Schema):
    """What came of an item."""

    index = fields.Integer(required=True, metadata={"description": "From 0.", "example": 0})
    op = fields.String(required=True, validate=validate.OneOf(list(ITEMS)))
    status = fields.Integer(
        required=True, metadata={"description": "What the single call answers.", "example": 201}
    )
    link = fields.Nested(BatchLink, metadata={"description": "Of what was made or changed."})
    error = fields.Nested(BatchErrorSchema, metadata={"description": "Of what was not done."})


class BatchSummary(Schema):
    """How many items; total = succeeded + failed."""

    total = fields.Integer(required=True, metadata={"example": 3})
    succeeded = fields.Integer(required=True, metadata={"example": 2})
    failed = fields.Integer(required=True, metadata={"example": 1})


class BatchOut(Schema):
    """What came of each item, in the order of the items."""

    atomic = fields.Boolean(required=True)
    dry_run = fields.Boolean(required=True)
    summary = fields.Nested(BatchSummary, required=True)
    items = Shown(fields.Nested(BatchResult), required=True)


def answer(wanted: Mapping[str, Any], items: Sequence[Item], outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """The answer to a batch, each outcome in its wire shape as soon as it is there.

    Raises the first refusal, naming what all of them name, where the batch is to be done as a whole, and
    PayloadTooLarge: a small batch may change one large link a thousand times.
    """
    link_out, dry_run = LinkOut(), wanted["dry_run"]
    results: list[dict[str, Any]] = []
    refusals: dict[int, AppError] = {}
    size = 0
    for index, (asked, item, outcome) in enumerate(zip(wanted["items"], items, outcomes, strict=True)):
        result: dict[str, Any] = {"index": index, "op": asked["op"], "status": STATUSES[asked["op"]]}
        if isinstance(outcome, AppError):
            refusals[index] = refused = outcome if outcome is item else _located(outcome, asked["op"])
            result |= {"status": refused.status, "error": _error(refused)}
        elif outcome is not None:
            result["link"] = _link(link_out, outcome, asked, dry_run)
            size += len(orjson.dumps(result["link"]))
        if size > LARGEST_ANSWER:
            raise PayloadTooLarge("The answer would be too large: change fewer links in a call.")
        results.append(result)
    if wanted["atomic"] and refusals:
        raise _whole(refusals)
    failed = len(refusals)
    summary = {"total": len(results), "succeeded": len(results) - failed, "failed": failed}
    return {"atomic": wanted["atomic"], "dry_run": dry_run, "summary": summary, "items": results}


def _link(link_out: LinkOut, link: Link, asked: Mapping[str, Any], dry_run: bool) -> dict[str, Any]:
    shown: dict[str, Any] = link_out.dump(link)
    if dry_run:
        del shown["_links"]  # they lead nowhere
        if asked["op"] == "create" and asked["link"].get("code") is None:
            shown |= {"code": None, "short_url": None}
    return shown


def _error(refused: AppError) -> dict[str, Any]:
    error: dict[str, Any] = {"code": refused.code, "message": refused.message, "field": refused.field}
    if refused.details:
        error["details"] = [{"field": found.field, "message": found.message} for found in refused.details]
    return error


def _located(refused: AppError, op: str) -> AppError:
    """A noun's refusal, whose fields are those of the single call, with those of the item."""
    part, own = _PARTS.get(op, ("", ()))

    def path(field: str) -> str:
        return f"{part}.{field}" if part and field not in own else field

    refused.field = refused.field and path(refused.field)
    refused.details = tuple(FieldError(path(found.field), found.message) for found in refused.details)
    return refused


def _whole(refusals: Mapping[int, AppError]) -> AppError:
    """The first item's refusal as that of all, with what every other says in its details."""
    index, first = next(iter(refusals.items()))
    found = (detail for number, refused in refusals.items() for detail in _details(number, refused))
    first.details = tuple(islice(found, MESSAGES_LIMIT))
    first.field = first.details[0].field
    first.message = f"Nothing was done. Item {index}: {first.message}"
    return first


def _details(index: int, refused: AppError) -> list[FieldError]:
    """What an item's refusal says, by fields from the batch on."""
    own = refused.details or (FieldError(refused.field or "", refused.message),)
    return [FieldError(f"items.{index}.{found.field}".rstrip("."), found.message) for found in own]
