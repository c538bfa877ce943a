"""What of an answer a next call takes, for programs that walk the API: the links of OpenAPI 3.1 (§4.8.20).

They stand in the document, where `_links` of an answer are hrefs; a value is a runtime expression.
"""

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])


def leads(status: int, **calls: dict[str, Any]) -> Callable[[View], View]:
    """Name the calls that an answer of this status leads to, by operation id. Stands above `response`."""

    def decorator(view: View) -> View:
        view._leads = {**getattr(view, "_leads", {}), status: calls}  # type: ignore[attr-defined]  # a mark
        return view

    return decorator


def with_parameters(**expressions: str) -> dict[str, Any]:
    """A next call that takes these parameters."""
    return {"parameters": expressions}


def with_body(**expressions: str) -> dict[str, Any]:
    """A next call whose body has these fields."""
    return {"requestBody": expressions}


def describe(doc: dict[str, Any], view: Callable[..., Any]) -> None:
    """Write them into the responses of a view's `_apidoc`."""
    for status, calls in getattr(view, "_leads", {}).items():
        links = {name: {"operationId": name, **link} for name, link in calls.items()}
        doc["manual_doc"]["responses"].setdefault(status, {})["links"] = links
