"""Wire shapes of /api-keys."""

from typing import Any

from flask import url_for
from marshmallow import Schema, ValidationError, fields, pre_dump, validate

from app import addresses
from app.accounts import api_keys
from app.accounts.api_keys import Issued
from app.accounts.models import ApiKey
from app.accounts.principals import SCOPES
from app.api.fields import Bounded, Text, Time, Whole
from app.api.pagination import Href, Items, PageHrefs, PageQuery, PageSchema, chosen_from
from app.api.schema import Editable

_DAY = 86_400
_NETWORKS = "Where the key may be used from, as CIDRs or single addresses; empty for anywhere."
_NETWORKS_EXAMPLE = ["192.0.2.0/24", "2001:db8::/48"]
_EXPIRY = {"description": "When it ends; null for never.", "example": None}
_KEY = "sl_4kTbW0yZpQ2mN8vXc1LrDs_9hRf3GwKq7TzB5nYxV0aJm"


class Network(Text):
    """A CIDR, or one address."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(64, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        network = addresses.network(super()._deserialize(value, attr, data, **kwargs))
        if network is None:
            raise ValidationError("Must be an address or a network such as 192.0.2.0/24 or 2001:db8::/48.")
        return str(network)


class Scopes(Bounded):
    """Some of SCOPES, each once."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"uniqueItems": True, **kwargs.pop("metadata", {})}
        one = fields.String(validate=validate.OneOf(SCOPES))
        super().__init__(one, 1, len(SCOPES), metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        scopes = super()._deserialize(value, attr, data, **kwargs)
        if len(set(scopes)) < len(scopes):
            raise ValidationError("A scope stands twice.")
        return scopes


class KeyHrefs(Schema):
    """Where the key is."""

    self = fields.Nested(Href, required=True)


class KeyOut(Schema):
    """An API key, without its secret."""

    id = fields.String(required=True, metadata={"example": "key_4kTbW0yZpQ2mN8vXc1LrDs"})
    name = fields.String(required=True, metadata={"example": "Nightly import"})
    scopes = fields.List(
        fields.String(metadata={"enum": SCOPES}),
        required=True,
        metadata={"example": ["links:read", "links:write"]},
    )
    allowed_networks = fields.List(
        fields.String(), required=True, metadata={"description": _NETWORKS, "example": _NETWORKS_EXAMPLE}
    )
    created_at = Time(required=True)
    updated_at = Time(required=True)
    expires_at = Time(required=True, allow_none=True, metadata=_EXPIRY)
    last_used_at = Time(
        required=True, allow_none=True, metadata={"description": "To the minute; null before its first use."}
    )
    overlap_until = Time(
        required=True,
        allow_none=True,
        metadata={
            "description": "Until when a secret from before a rotation is still good; null where none is."
        },
    )
    _links = fields.Nested(KeyHrefs, required=True)

    @pre_dump
    def _shown(self, key: ApiKey, **_kwargs: Any) -> dict[str, Any]:
        columns = ("name", "scopes", "created_at", "updated_at", "expires_at", "last_used_at")
        return {name: getattr(key, name) for name in columns} | {
            "id": key.public_id,
            "allowed_networks": key.networks,
            "overlap_until": api_keys.overlap_until(key),
            "_links": {"self": {"href": key_href(key)}},
        }


class KeyItem(KeyOut):
    """An API key in a list; with `fields` those alone."""


class KeyIssued(KeyOut):
    """An API key with its secret: the only answer that shows it."""

    key = fields.String(required=True, metadata={"description": "The key to send.", "example": _KEY})

    @pre_dump
    def _shown(self, issued: Issued, **_kwargs: Any) -> dict[str, Any]:
        return {**super()._shown(issued.key), "key": issued.text}


class KeyIn(Schema):
    """A new API key."""

    name = Text(
        100, least=1, required=True, metadata={"description": "What it is for.", "example": "Nightly import"}
    )
    scopes = Scopes(
        required=True, metadata={"description": "What it may do.", "example": ["links:read", "links:write"]}
    )
    networks = Bounded(
        Network(),
        0,
        api_keys.MOST_NETWORKS,
        data_key="allowed_networks",
        load_default=(),
        metadata={"description": _NETWORKS},
    )
    expires_at = Time(allow_none=True, load_default=None, metadata=_EXPIRY)


class KeyPatch(Editable):
    """Changes to a key (RFC 7396). What it may do stays as it is: make another one."""

    READ_ONLY = frozenset(KeyOut._declared_fields) - {"name", "allowed_networks"}

    name = Text(100, least=1, metadata={"example": "Nightly import"})
    networks = Bounded(
        Network(),
        0,
        api_keys.MOST_NETWORKS,
        data_key="allowed_networks",
        metadata={"description": _NETWORKS},
    )


class Rotation(Schema):
    """How a key gets its next secret."""

    overlap = Whole(
        0,
        int(api_keys.LONGEST_OVERLAP.total_seconds()),
        load_default=_DAY,
        metadata={"description": "Seconds for which earlier secrets stay good.", "example": _DAY},
    )
    expires_at = Time(
        allow_none=True, metadata={**_EXPIRY, "description": "When the key ends; absent: as before."}
    )


class KeyList(Schema):
    """The caller's API keys, the latest first."""

    items = Items(KeyItem)
    page = fields.Nested(PageSchema, required=True)
    _links = fields.Nested(PageHrefs, required=True)


class KeyListQuery(PageQuery):
    """Which page, and what of it."""

    chosen = chosen_from(KeyItem)


def key_href(key: ApiKey) -> str:
    return url_for("v1_api_keys.get_api_key", key_id=key.public_id)
