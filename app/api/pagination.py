"""Lists page by page: `limit`, `cursor`, the shape of a page, and its `Link` header (RFC 8288).

A cursor holds what the sort columns held in the last row. It is signed over the list it was made for (path,
caller, sort, filters), so that none of another list, and none that was written by hand, gets to the database.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import current_app, request, url_for
from itsdangerous import BadData, URLSafeSerializer
from marshmallow import Schema, fields

from app.api.access import current_principal
from app.api.fields import QueryWhole, Text
from app.errors import FieldError, ValidationFailed
from app.keyset import Page, Position

PAGES = {"Link": {"description": "The first and the next page (RFC 8288).", "schema": {"type": "string"}}}

# What may change from one page to the next.
_FREE = frozenset({"limit", "cursor", "embed"})


class PageQuery(Schema):
    """The parameters of every list."""

    limit = QueryWhole(1, 100, load_default=20, metadata={"description": "The most items a page may hold."})
    cursor = Text(3000, least=1, metadata={"description": "`page.next_cursor` of the page before."})


class Href(Schema):
    """Where something is."""

    href = fields.String(required=True, metadata={"format": "uri-reference", "example": "/api/v1/links"})


class PageSchema(Schema):
    """Where a page stands in its list."""

    limit = fields.Integer(required=True, metadata={"example": 20})
    next_cursor = fields.String(required=True, allow_none=True, metadata={"example": None})
    has_more = fields.Boolean(required=True, metadata={"example": False})


def position(query: Mapping[str, Any]) -> Position | None:
    """Where the page begins that `query`, the list's parsed parameters, asks for.

    Raises ValidationFailed naming `cursor` for one that was not made here, or for another list.
    """
    if "cursor" not in query:
        return None
    try:
        values = _serializer(query).loads(query["cursor"])
    except BadData:
        message = "This cursor is not one of this list; begin without a cursor."
        raise ValidationFailed.of([FieldError("cursor", message)]) from None
    return tuple(
        datetime.fromisoformat(value["at"]) if isinstance(value, dict) else value for value in values
    )


def answer(
    page: Page[Any], items: list[Any], query: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The body and the headers of a page whose rows are shown as `items`."""
    cursor = None if page.next is None else _cursor(page.next, query)
    here = request.args.to_dict()
    first = {name: value for name, value in here.items() if name != "cursor"}
    links = {"self": _href(here), "first": _href(first)}
    if cursor is not None:
        links["next"] = _href({**first, "cursor": cursor})
    body = {
        "items": items,
        "page": {"limit": query["limit"], "next_cursor": cursor, "has_more": cursor is not None},
        "_links": {name: {"href": href} for name, href in links.items() if name != "first"},
    }
    header = ", ".join(f'<{href}>; rel="{name}"' for name, href in links.items() if name != "self")
    return body, {"Link": header}


def _cursor(after: Position, query: Mapping[str, Any]) -> str:
    values = [{"at": value.isoformat()} if isinstance(value, datetime) else value for value in after]
    return str(_serializer(query).dumps(values))


def _serializer(query: Mapping[str, Any]) -> URLSafeSerializer:
    filters = {name: str(value) for name, value in query.items() if name not in _FREE}
    parts = [request.path, current_principal().user, sorted(filters.items())]
    return URLSafeSerializer(
        current_app.config["SECRET_KEY"],
        salt=f"cursor {json.dumps(parts)}",
        signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
    )


def _href(arguments: Mapping[str, str]) -> str:
    values: dict[str, Any] = {**(request.view_args or {}), **arguments}
    return url_for(str(request.endpoint), **values)
