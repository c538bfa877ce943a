"""Version 1 of the public API."""

from flask import Flask

from app.api.v1 import (
    api_keys,
    audit,
    auth,
    avatars,
    batch,
    cache,
    clicks,
    domains,
    exports,
    factors,
    identities,
    linked_data,
    links,
    moderation,
    oidc,
    own_data,
    shorten,
    stats,
    users,
)
from app.api.v1.schemas.batch_input import ITEMS
from app.api.versions import Api

DESCRIPTION = """\
Register, sign in (`POST /auth/login`), send the `access_token` as `Authorization: Bearer …`, shorten.

Programs send an API key (`POST /api-keys`) instead: as Bearer, in `X-API-Key`, or as the user name of Basic.

Times are RFC 3339 in UTC; unknown fields and parameters are refused; every error has one shape.

JSON goes and comes as `application/json` or `application/vnd.slugline.v1+json`, links as `application/ld+json` too;
what `Accept` prefers is sent, and 406 where it takes none. Errors come as `application/problem+json` (RFC 9457) to
who names that; alone, it asks nothing of other answers.

Every answer below `/api/` that a limit bounds says so in `RateLimit`, `RateLimit-Policy` and `X-RateLimit-*`.
"""


_GROUPS = (
    auth,
    factors,
    oidc,
    users,
    identities,
    avatars,
    own_data,
    api_keys,
    shorten,
    links,
    batch,
    stats,
    exports,
    clicks,
    moderation,
    domains,
    audit,
    cache,
)
"""In the order of the documentation."""


def init_app(app: Flask) -> None:
    """Register version 1's routes."""
    # The schemas are named where the kinds of items are told apart, by their names alone.
    api = Api(app, "v1", DESCRIPTION, named=ITEMS.values())
    for module in _GROUPS:
        api.register_blueprint(module.blueprint)
    app.register_blueprint(linked_data.contexts)
    app.register_blueprint(oidc.callbacks)
