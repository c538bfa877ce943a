"""Our Blueprint: flask-smorest's, typed, with the fixed order of a call and its errors in the specification.

Order: access (credential, limits), type of the answer, query parameters, arguments, view, rendering, commit.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Protocol, TypeVar

import flask_smorest
from marshmallow import Schema

from app.api import deprecation, negotiation
from app.api.access import Access, access_of, enforce
from app.api.arguments import Parser, refuse_query_parameters
from app.api.conditional import refuse_match
from app.api.idempotency import may_not_be_kept, refuse_key
from app.api.schema import Alternatives
from app.api.specification import describe
from app.api.transaction import committed
from app.errors import AppError

View = TypeVar("View", bound=Callable[..., Any])
Form = Callable[[dict[str, Any]], dict[str, Any]]


class Decorator(Protocol):
    """What leaves the type of a view as it was."""

    def __call__(self, view: View, /) -> View: ...


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # flask-smorest has no types
    """A group of routes of one version. Decorators, from the outside in: route, access mark, `raises`,
    `arguments`, `response`."""

    ARGUMENTS_PARSER = Parser()

    def __init__(self, *args: Any, forms: Mapping[str, Form] | None = None, **kwargs: Any) -> None:
        """`forms`: how a plain answer is told in another media type."""
        super().__init__(*args, **kwargs)
        self._forms = forms or {}

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Callable[..., Any] | None = None,
        **options: Any,
    ) -> None:
        """Register a view that carries an access mark. Raises TypeError where it has none."""
        if view_func is None:
            raise TypeError("a route needs a view")
        guarded = committed(_guarded(view_func, access_of(view_func)))
        describe(guarded, access_of(view_func), rule, options.get("methods", ()))
        options["tags"] = options.get("tags") or [self.name.partition("_")[2]]
        super().add_url_rule(rule, endpoint, guarded, **options)

    def get(self, rule: str, **options: Any) -> Decorator:
        return self._route("GET", rule, options)

    def post(self, rule: str, **options: Any) -> Decorator:
        return self._route("POST", rule, options)

    def put(self, rule: str, **options: Any) -> Decorator:
        return self._route("PUT", rule, options)

    def patch(self, rule: str, **options: Any) -> Decorator:
        return self._route("PATCH", rule, options)

    def delete(self, rule: str, **options: Any) -> Decorator:
        return self._route("DELETE", rule, options)

    def _route(self, method: str, rule: str, options: dict[str, Any]) -> Decorator:
        decorator: Decorator = self.route(rule, methods=[method], **options)
        return decorator

    def arguments(self, schema: type[Schema], *, location: str = "json", **options: Any) -> Decorator:
        """Hand the validated body (or query) to the view as a dict."""
        decorator: Decorator = super().arguments(schema, location=location, **options)
        return decorator

    def response(
        self, status: int, schema: type[Schema] | dict[str, Any] | None = None, **options: Any
    ) -> Decorator:
        """Render what the view returns with `schema`, in the type that was negotiated. A schema as a dict, for an
        answer that is no JSON, only documents it."""
        rendered: Decorator = super().response(status, schema, **options)

        def decorator(view: View) -> View:
            return negotiation.labelled(rendered(view))

        return decorator

    def also(self, status: int, schema: type[Schema], content_type: str) -> Decorator:
        """Offer the answer in a second type, one of `forms`. Stands above `response`."""
        decorator: Decorator = self.alt_response(
            status, schema=schema, content_type=content_type, success=True
        )
        return decorator

    @staticmethod
    def _make_doc_response_schema(schema: Schema | None) -> Any:
        """What the document says of an answer's schema."""
        return schema.described() if isinstance(schema, Alternatives) else schema

    def _prepare_response_content(self, data: Any) -> Any:
        form = self._forms.get(negotiation.chosen())
        return form(data) if form else data


def raises(*refusals: type[AppError]) -> Decorator:
    """Name the refusals of a view beyond those that its mark and arguments imply, for the specification."""

    def decorator(view: View) -> View:
        view._raises = refusals  # type: ignore[attr-defined]  # a mark; Callable has no attributes
        return view

    return decorator


def _guarded(view: Callable[..., Any], access: Access) -> Callable[..., Any]:
    takes_query = any(
        p["in"] == "query" for p in getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", [])
    )

    mark = deprecation.deprecation_of(view)
    offers = negotiation.offered(view)
    refuses_key = not access.is_verified or may_not_be_kept(view)

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        enforce(access)
        if refuses_key:
            refuse_key()
        if mark:
            deprecation.enforce(mark)
        refuse_match(view)
        if offers:
            negotiation.choose(offers)
        if not takes_query:
            refuse_query_parameters()
        return view(*args, **kwargs)

    return wrapper
