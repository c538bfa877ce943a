"""Version 1 of the public API."""

from typing import Any

import flask_smorest
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask

from app.api import fields
from app.api.specification import ERRORS, HEADERS, SECURITY_SCHEMES, ErrorSchema
from app.api.v1 import auth, batch, cache, clicks, exports, linked_data, links, shorten, stats, users
from app.api.v1.schemas.batch_input import ITEMS

PREFIX = "/api/v1"
DESCRIPTION = """\
Register, sign in (`POST /auth/login`), send the `access_token` as `Authorization: Bearer …`, shorten.

Times are RFC 3339 in UTC; unknown fields and parameters are refused; every error has one shape.

JSON goes and comes as `application/json` or `application/vnd.slugline.v1+json`, links as `application/ld+json` too;
what `Accept` prefers is sent, and 406 where it takes none. Errors come as `application/problem+json` (RFC 9457) to
who names that; alone, it asks nothing of other answers.

Every answer below `/api/` that a limit bounds says so in `RateLimit`, `RateLimit-Policy` and `X-RateLimit-*`.
"""


class Api(flask_smorest.Api):  # type: ignore[misc]  # flask-smorest has no types
    """flask-smorest's, but for errors: one handler of ours renders them all (`app.web.errors`)."""

    ERROR_SCHEMA = ErrorSchema
    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        """Register none."""

    def _register_pagination_header(self) -> None:
        """Describe none: pages are told in the body (`app.api.pagination`)."""


def init_app(app: Flask) -> None:
    """Register version 1's routes and build its specification."""
    app.config.update(
        V1_API_TITLE="Slugline",
        V1_API_VERSION="1",
        V1_OPENAPI_VERSION="3.1.0",
        V1_API_SPEC_OPTIONS={
            "info": {"description": DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}},
            "servers": [{"url": "/", "description": "This installation"}],
        },
    )
    api = Api(config_prefix="V1", spec_kwargs={"marshmallow_plugin": MarshmallowPlugin(_schema_name)})
    api.register_field(fields.Time, "string", "date-time")
    api.register_field(fields.TimeZone, "string", "timezone")
    api.init_app(app)
    for name, scheme in SECURITY_SCHEMES.items():
        api.spec.components.security_scheme(name, scheme)
    for name, header in HEADERS.items():
        api.spec.components.header(name, header)
    for name, response in ERRORS.items():
        api.spec.components.response(name, response)
    for schema in ITEMS.values():  # named where the kinds of items are told apart, by their names alone
        api.spec.components.schema(schema.__name__, schema=schema)
    for module in (auth, users, shorten, links, batch, stats, exports, clicks, cache):
        api.register_blueprint(module.blueprint, url_prefix=f"{PREFIX}{module.blueprint.url_prefix}")
    app.register_blueprint(linked_data.contexts)
    app.extensions["openapi"] = {"v1": _document(api)}


def _document(api: Api) -> dict[str, Any]:
    """The specification; its groups are named as people call them, without the version."""
    document: dict[str, Any] = api.spec.to_dict()
    for tag in document["tags"]:
        tag["name"] = tag["name"].removeprefix("v1_")
    return document


def _schema_name(schema: object) -> str:
    cls = schema if isinstance(schema, type) else type(schema)
    return cls.__name__.removesuffix("Schema")
