"""Wire shapes of links as JSON-LD."""

from marshmallow import Schema, fields

from app.api.pagination import Items
from app.api.v1.schemas.links import LinkList, LinkOut


class Node(Schema):
    """What JSON-LD says of each thing: its name and its kind."""

    node_id = fields.String(
        data_key="@id",
        metadata={"format": "uri", "example": "https://go.example.org/api/v1/links/spring"},
    )
    node_type = fields.String(data_key="@type", required=True, metadata={"example": "ShortLink"})


class Whole(Schema):
    """What JSON-LD says of an answer as a whole: where its words are explained."""

    context = fields.String(
        data_key="@context",
        required=True,
        metadata={"format": "uri", "example": "https://go.example.org/api/v1/contexts/link.jsonld"},
    )


class LinkNode(Node, LinkOut):
    """A link in a page of linked data."""


class LinkedLink(Whole, LinkNode):
    """A link as linked data."""


class LinkedList(Whole, Node, LinkList):
    """A page of links as linked data."""

    items = Items(LinkNode)
