"""Lists page by page: their common parameters, the shape of a page, and its `Link` header (RFC 8288).

Pages are walked by cursor in both directions, at the same cost at any depth and stable while rows come and go; or,
the classic way, by number, which is neither.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from flask import current_app, request, url_for
from marshmallow import Schema, ValidationError, fields, validates_schema

from app import keyset
from app.api import cursors
from app.api.access import current_principal
from app.api.fields import Names, QueryFlag, QueryWhole, Text
from app.errors import FieldError, ValidationFailed
from app.extensions import db
from app.keyset import Edge, Listing, Page
from app.web import limits

T = TypeVar("T")

PAGES = {
    "Link": {
        "description": "The first, previous and next page; by number and with a total also the last (RFC 8288).",
        "schema": {"type": "string"},
    }
}

MOST_PAGES = 1_000
"""By number: the database reads and drops all rows before the page."""

# What may change from one page to the next.
_FREE = frozenset({"limit", "cursor", "page", "embed", "chosen", "include_total"})


class PageQuery(Schema):
    """The parameters of every list."""

    limit = QueryWhole(1, 100, load_default=20, metadata={"description": "The most items a page may hold."})
    cursor = Text(
        3000, least=1, metadata={"description": "`page.next_cursor` or `page.prev_cursor` of another page."}
    )
    page = QueryWhole(
        1,
        MOST_PAGES,
        metadata={
            "description": "The number of a page, instead of a cursor. Later pages take longer, and while items "
            "come and go pages shift: to see each item once, use cursors."
        },
    )
    include_total = QueryFlag(
        load_default=False,
        metadata={"description": "Add `page.total`; counting takes longer than a page."},
    )

    @validates_schema
    def _either_way(self, query: dict[str, Any], **_kwargs: Any) -> None:
        if "cursor" in query and "page" in query:
            raise ValidationError("Give a cursor or the number of a page, not both.", "page")


def chosen_from(item: type[Schema]) -> Names:
    """The parameter `fields` of a list of such items, for the list's parameters to hold as `chosen`."""
    return Names(
        tuple(item().fields),
        data_key="fields",
        metadata={
            "description": "What to show of each item, and nothing else: some of its fields, separated by commas.",
        },
    )


class Href(Schema):
    """Where something is."""

    href = fields.String(required=True, metadata={"format": "uri-reference", "example": "/api/v1/links"})


class PageSchema(Schema):
    """Where a page stands in its list."""

    limit = fields.Integer(required=True, metadata={"example": 20})
    next_cursor = fields.String(
        required=True, allow_none=True, metadata={"description": "Of the page after.", "example": None}
    )
    prev_cursor = fields.String(
        required=True, allow_none=True, metadata={"description": "Of the page before.", "example": None}
    )
    has_more = fields.Boolean(
        required=True,
        metadata={
            "description": "Whether a page follows, and so a `next_cursor`. On a page that was read backwards it "
            "does: the one that led there, though its items may have gone since.",
            "example": False,
        },
    )
    total = fields.Integer(
        metadata={"description": "Items on all pages; only with `include_total=true`.", "example": 61}
    )


class PageHrefs(Schema):
    """The way through a list, with all its parameters."""

    self = fields.Nested(Href, required=True)
    first = fields.Nested(Href, required=True)
    prev = fields.Nested(Href, metadata={"description": "Absent on the first page."})
    next = fields.Nested(Href, metadata={"description": "Absent on the last page."})
    last = fields.Nested(
        Href, metadata={"description": "Only by number, with `include_total=true`, up to page 1,000."}
    )


class Items(fields.List[Any]):
    """The items of a page, each with the fields alone that the caller named in `fields`."""

    def __init__(self, schema: type[Schema], **kwargs: Any) -> None:
        # Partial: with `fields` none is sure to be there, and the specification says so.
        super().__init__(fields.Nested(schema(partial=True)), required=True, **kwargs)
        self._schema = schema

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return self._schema(only=obj["chosen"]).dump(value, many=True)


def answer(
    listing: Listing[T], query: Mapping[str, Any], show: Callable[[Sequence[T]], Sequence[Any]] = list
) -> tuple[dict[str, Any], dict[str, str]]:
    """The body and the headers of the page that `query`, the list's parsed parameters, asks for.

    `show` turns rows into what the items' schema takes. Raises ValidationFailed naming `cursor` for one that was not
    made here, or for another list.
    """
    if query["include_total"]:
        spend_search()
    page = keyset.fetch(db.session(), listing, query["limit"], _edge(query), _skipped(query))
    total = keyset.total(db.session(), listing) if query["include_total"] else None
    prev_cursor, next_cursor = (_cursor(edge, query) for edge in (page.prev, page.next))
    links = {name: {"href": _href(arguments)} for name, arguments in _links(page, query, total).items()}
    about = {"limit": query["limit"], "prev_cursor": prev_cursor, "next_cursor": next_cursor}
    about |= {"has_more": next_cursor is not None} | ({} if total is None else {"total": total})
    body = {"items": show(page.items), "chosen": query.get("chosen"), "page": about, "_links": links}
    header = ", ".join(f'<{link["href"]}>; rel="{name}"' for name, link in links.items() if name != "self")
    return body, {"Link": header}


def spend_search() -> None:
    """Take one from the caller's bucket for what reads a whole list. Raises RateLimited."""
    limits.spend(limits.Bucket("search", "LIMIT_SEARCH", current_principal().user))


def _edge(query: Mapping[str, Any]) -> Edge | None:
    if "cursor" not in query:
        return None
    try:
        return cursors.unseal(query["cursor"], _list_of(query), current_app.config["SECRET_KEY"])
    except cursors.BadCursor:
        message = "This cursor is not one of this list; begin without a cursor."
        raise ValidationFailed.of([FieldError("cursor", message)]) from None


def _cursor(edge: Edge | None, query: Mapping[str, Any]) -> str | None:
    if edge is None:
        return None
    return cursors.seal(edge, _list_of(query), current_app.config["SECRET_KEY"])


def _list_of(query: Mapping[str, Any]) -> list[Any]:
    """What tells this list from all others: path, caller, sort and filters."""
    filters = {name: str(value) for name, value in query.items() if name not in _FREE}
    return [request.path, current_principal().user, sorted(filters.items())]


def _skipped(query: Mapping[str, Any]) -> int:
    return int((query.get("page", 1) - 1) * query["limit"])


def _links(page: Page[Any], query: Mapping[str, Any], total: int | None) -> dict[str, dict[str, Any]]:
    """The arguments of each page that there is from here."""
    here = request.args.to_dict()
    rest = {name: value for name, value in here.items() if name not in ("cursor", "page")}
    steps = _numbers(page, query, total) if "page" in query else {"first": {}}
    for name, edge in (("prev", page.prev), ("next", page.next)):
        if edge is not None and name not in steps:
            steps[name] = {"cursor": _cursor(edge, query)}
    order = [name for name in ("first", "prev", "next", "last") if name in steps]
    return {"self": here} | {name: rest | steps[name] for name in order}


def _numbers(page: Page[Any], query: Mapping[str, Any], total: int | None) -> dict[str, dict[str, Any]]:
    """The pages that have a number; what follows the last of those is found by its cursor alone."""
    number = query["page"]
    last = None if total is None else max(1, -(-total // query["limit"]))
    steps = {"first": 1}
    if number > 1:
        steps["prev"] = min(number - 1, last or number)
    if page.next is not None and number < MOST_PAGES:
        steps["next"] = number + 1
    if last is not None and last <= MOST_PAGES:
        steps["last"] = last
    return {name: {"page": step} for name, step in steps.items()}


def _href(arguments: Mapping[str, Any]) -> str:
    values: dict[str, Any] = {**(request.view_args or {}), **arguments}
    return url_for(str(request.endpoint), **values)
