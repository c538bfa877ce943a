"""What the versions of the API share: a document and a place in the URL for each, and a 404 that names them.

A version is a package with blueprints (named ``v1_links``) over the nouns that all versions share, and a name:
see `app.api.v1.init_app` and docs/versioning.md.
"""

import json
from collections.abc import Iterable
from threading import Lock
from typing import Any

import flask_smorest
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask, Response, current_app, jsonify, request
from marshmallow import Schema
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
    """One version: register its blueprints; its specification is made when somebody first asks for it, since that
    takes four fifths of the time in which a process starts.

    flask-smorest's, but for errors: one handler of ours renders them all (`app.web.errors`).
    """

    ERROR_SCHEMA = ErrorSchema
    DEFAULT_ERROR_RESPONSE_NAME = None

    def __init__(self, app: Flask, name: str, description: str, named: Iterable[type[Schema]] = ()) -> None:
        """`name` as in the URL ("v1"); `description` in Markdown heads the specification, in which the schemas of
        `named` stand by their own names."""
        self.name = name
        self._named = named
        self._blueprints: list[flask_smorest.Blueprint] = []
        self._document: dict[str, Any] | None = None
        self._making = Lock()
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
        app.extensions.setdefault("openapi", {})[name] = self.document
        app.add_url_rule(f"{_path(name)}/openapi.json", f"{name}.openapi", _serve, defaults={"version": name})

    def register_blueprint(self, blueprint: flask_smorest.Blueprint, **options: Any) -> None:
        """Serve the routes of a blueprint of this version below its part of the URL."""
        self._blueprints.append(blueprint)
        self._app.register_blueprint(
            blueprint, url_prefix=f"{_path(self.name)}{blueprint.url_prefix}", **options
        )

    def document(self) -> dict[str, Any]:
        """The specification of what is registered, in OpenAPI 3.1."""
        with self._making:
            if self._document is None:
                self._document = self._described()
            return self._document

    def _described(self) -> dict[str, Any]:
        components = self.spec.components
        for scheme, described in SECURITY_SCHEMES.items():
            components.security_scheme(scheme, described)
        for header, described in HEADERS.items():
            components.header(header, described)
        for schema in self._named:
            components.schema(schema.__name__, schema=schema)
        for blueprint in self._blueprints:
            blueprint.register_views_in_doc(self, self._app, self.spec, name=blueprint.name, parameters=None)
            # Groups are named as people call them, without the version.
            tag = blueprint.name.removeprefix(f"{self.name}_")
            self.spec.tag({"name": tag, "description": blueprint.description})
        used = json.dumps(self.spec.to_dict()["paths"])
        for name, response in ERRORS.items():  # those of every version
            if f'"#/components/responses/{name}"' in used:
                components.response(name, response)
        document: dict[str, Any] = self.spec.to_dict()
        return document

    def _register_error_handlers(self) -> None:
        """Register none."""

    def _register_pagination_header(self) -> None:
        """Describe none: pages are told in the body (`app.api.pagination`)."""


def init_app(app: Flask) -> None:
    app.register_error_handler(NoRoute, _no_route)


def _serve(version: str) -> Response:
    """The specification; a test holds the first one's against the committed `openapi.json`. Revalidated by ETag."""
    response = jsonify(current_app.extensions["openapi"][version]())
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
