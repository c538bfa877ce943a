"""Links as JSON-LD 1.1 (`application/ld+json`): the plain answer, with what makes its words mean something to others.

Terms are schema.org's where they say what we mean, else our own, which live in the context document itself. Paging
and hypertext (`page`, `_links`) are no statements about a link and mean nothing there.
"""

from typing import Any

from flask import Blueprint, Response, current_app, request, url_for

from app.api.negotiation import LINKED_DATA
from app.links import short_urls

_OWN = (
    "code",
    "domain",
    "notes",
    "redirect_status",
    "forward_query",
    "enabled",
    "max_clicks",
    "has_password",
    "status",
    "blocked_reason",
    "owner",
    "clicks",
)

contexts = Blueprint("contexts", __name__)


@contexts.get("/api/v1/contexts/link.jsonld")
def link_context() -> Response:
    """The context of links; public, since whoever was given a link's data has to read it."""
    response = Response(current_app.json.dumps({"@context": _context()}), mimetype=LINKED_DATA)
    response.headers["Cache-Control"] = "public, max-age=86400"
    response.add_etag()
    response.make_conditional(request)
    return response


def told(data: dict[str, Any]) -> dict[str, Any]:
    """A link, or a page of links, as JSON-LD."""
    context = {"@context": _absolute(url_for("contexts.link_context"))}
    if "items" not in data:
        return {**context, **_link(data)}
    here = _absolute(data["_links"]["self"]["href"])
    page = {**data, "items": [_link(item) for item in data["items"]]}
    return {**context, "@id": here, "@type": "ItemList", **page}


def _link(link: dict[str, Any]) -> dict[str, Any]:
    """Named by its resource, whether that answers now or not (a deleted one); without a name where the page was
    trimmed of what makes it."""
    if not {"code", "domain"} <= link.keys():
        return {"@type": "ShortLink", **link}
    domain = None if link["domain"] == short_urls.default_host() else link["domain"]
    name = _absolute(url_for("v1_links.get_link", code=link["code"], domain=domain))
    return {"@id": name, "@type": "ShortLink", **link}


def _absolute(href: str) -> str:
    return f"{current_app.config['PUBLIC_URL']}{href}"


def _context() -> dict[str, Any]:
    time = {"@type": "xsd:dateTime"}
    return {
        "@version": 1.1,
        "schema": "https://schema.org/",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
        "slugline": _absolute(url_for("contexts.link_context")) + "#",
        "ShortLink": "slugline:ShortLink",
        "ItemList": "schema:ItemList",
        "items": {"@id": "schema:itemListElement", "@container": "@list"},
        **{name: f"slugline:{_camel(name)}" for name in _OWN},
        "short_url": {"@id": "schema:url", "@type": "@id"},
        "url": {"@id": "slugline:target", "@type": "@id"},
        "title": "schema:name",
        "tags": {"@id": "schema:keywords", "@container": "@set"},
        "starts_at": {"@id": "slugline:startsAt", **time},
        "expires_at": {"@id": "schema:expires", **time},
        "created_at": {"@id": "schema:dateCreated", **time},
        "updated_at": {"@id": "schema:dateModified", **time},
        "total": "slugline:totalClicks",
        "humans": "slugline:humanClicks",
        "bots": "slugline:botClicks",
        "last_at": {"@id": "slugline:lastClickAt", **time},
        "page": None,
        "_links": None,
    }


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
