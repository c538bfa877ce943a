"""What the versions of the API share: a document and a place in the URL for each, and a 404 that names them.

A version is a package with blueprints (named ``v1_links``) over the nouns that all versions share, and a name:
see `app.api.v1.init_app` and docs/versioning.md.
"""

import json
from typing import Any

import flask_smorest
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask, Response, current_app, jsonify, request
from werkzeug.exceptions import NotFound as NoRoute

from app.api import fields
from app.api.error_schemas import ErrorSchema
from app.api.security_schemes import SECURITY_SCHEMES
from app.api.specification import ERRORS, HEADERS
from app.errors import NotFound
from app.web import errors


class UnknownVersion(NotFound):
    """404 that lists the versions there are, each with its specification (`service-desc`, RFC 8631 §4)."""

    def __init__(self, supported: list[str]) -> None:
        documents = [f'<{_path(name)}/openapi.json>; rel="service-desc"' for name in supported]
        super().__init__(
            f"There is no such version of the API; supported: {', '.join(supported)}.",
            reason="unknown_version",
            headers={
                "Link": ", ".join([*documents, '</docs>; rel="service-doc"']),
                "Cache-Control": "no-store",  # there may be one tomorrow
            },
        )


class Api(flask_smorest.Api):  # type: ignore[misc]  # flask-smorest has no types
    """One version: register its blueprints, then `publish` its specification.

    flask-smorest's, but for errors: one handler of ours renders them all (`app.web.errors`).
    """

    ERROR_SCHEMA = ErrorSchema
    DEFAULT_ERROR_RESPONSE_NAME = None

    def __init__(self, app: Flask, name: str, description: str) -> None:
        """`name` as in the URL ("v1"); `description` in Markdown heads the specification."""
        self.name = name
        prefix = name.upper()
        app.config[f"{prefix}_API_TITLE"] = "Slugline"
        app.config[f"{prefix}_API_VERSION"] = name.removeprefix("v")
        app.config[f"{prefix}_OPENAPI_VERSION"] = "3.1.0"
        app.config[f"{prefix}_API_SPEC_OPTIONS"] = {
            "info": {"description": description, "license": {"name": "MIT", "identifier": "MIT"}},
            "servers": [{"url": "/", "description": "This installation"}],
        }
        super().__init__(
            config_prefix=prefix, spec_kwargs={"marshmallow_plugin": MarshmallowPlugin(_schema_name)}
        )
        self.register_field(fields.Time, "string", "date-time")
        self.register_field(fields.TimeZone, "string", "timezone")
        self.init_app(app)
        for scheme, described in SECURITY_SCHEMES.items():
            self.spec.components.security_scheme(scheme, described)
        for header, described in HEADERS.items():
            self.spec.components.header(header, described)

    def register_blueprint(self, blueprint: flask_smorest.Blueprint, **options: Any) -> None:
        """Register a blueprint of this version below its part of the URL."""
        super().register_blueprint(
            blueprint, url_prefix=f"{_path(self.name)}{blueprint.url_prefix}", **options
        )

    def publish(self) -> None:
        """Write the specification of what was registered, and serve it."""
        used = json.dumps(self.spec.to_dict()["paths"])
        for name, response in ERRORS.items():  # those of every version
            if f'"#/components/responses/{name}"' in used:
                self.spec.components.response(name, response)
        document: dict[str, Any] = self.spec.to_dict()
        for tag in document["tags"]:  # groups are named as people call them, without the version
            tag["name"] = tag["name"].removeprefix(f"{self.name}_")
        self._app.extensions.setdefault("openapi", {})[self.name] = document
        rule = f"{_path(self.name)}/openapi.json"
        self._app.add_url_rule(rule, f"{self.name}.openapi", _serve, defaults={"version": self.name})

    def _register_error_handlers(self) -> None:
        """Register none."""

    def _register_pagination_header(self) -> None:
        """Describe none: pages are told in the body (`app.api.pagination`)."""


def init_app(app: Flask) -> None:
    app.register_error_handler(NoRoute, _no_route)


def _serve(version: str) -> Response:
    """The specification; a test holds the first one's against the committed `openapi.json`. Revalidated by ETag."""
    response = jsonify(current_app.extensions["openapi"][version])
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response


def _no_route(error: NoRoute) -> Response:
    """The 404 of a path that nothing answers."""
    supported = sorted(current_app.extensions["openapi"])
    _, first, *rest = [*request.path.split("/"), ""]
    if first == "api" and rest[0] not in supported:
        return errors.render(UnknownVersion(supported))
    return errors.render(errors.refusal(error))


def _path(version: str) -> str:
    return f"/api/{version}"


def _schema_name(schema: object) -> str:
    cls = schema if isinstance(schema, type) else type(schema)
    return cls.__name__.removesuffix("Schema")
