"""What a client would trip over is found in a document that says it, and what only adds is let pass.

Each break is the negative control of a rule: were the rule gone, the edit would pass.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.contract.growth import compare
from tests.contract.shapes import Finding

ROOT = Path(__file__).resolve().parents[2]
Edit = Callable[[Any], Any]

OLD: dict[str, Any] = {
    "servers": [{"url": "/"}],
    "paths": {
        "/links": {
            "parameters": [{"in": "header", "name": "X-Trace", "schema": {"type": "string"}}],
            "get": {
                "operationId": "list_links",
                "security": [],
                "parameters": [
                    {
                        "in": "query",
                        "name": "limit",
                        "schema": {"type": "integer", "maximum": 100, "default": 20},
                    },
                    {"in": "query", "name": "q", "schema": {"type": "string", "maxLength": 50}},
                ],
                "responses": {
                    "200": {"$ref": "#/components/responses/Links"},
                    "400": {"description": "Bad."},
                },
            },
            "post": {
                "operationId": "create_link",
                "security": [{"token": []}],
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/In"}},
                        "text/json": {"schema": {"$ref": "#/components/schemas/In"}},
                    }
                },
                "responses": {
                    "201": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Out"}}}}
                },
            },
        },
        "/ping": {"$ref": "#/components/pathItems/Ping"},
    },
    "components": {
        "pathItems": {"Ping": {"get": {"responses": {}}}},
        "headers": {"Link": {"required": True, "schema": {"type": "string"}}},
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "A token."}},
        "responses": {
            "Links": {
                "headers": {"Link": {"$ref": "#/components/headers/Link"}},
                "content": {
                    "application/json": {
                        "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Out"}},
                    }
                },
            }
        },
        "schemas": {
            "In": {
                "type": "object",
                "required": ["url"],
                "properties": {
                    "url": {"type": "string", "maxLength": 2048},
                    "title": {"type": ["string", "null"], "maxLength": 255, "minLength": 0},
                    "status": {"type": "integer", "enum": [301, 302]},
                    "tags": {"type": "array", "maxItems": 20, "items": {"type": "string", "pattern": "^a"}},
                    "weight": {"type": "number", "minimum": 1},
                    "parent": {"$ref": "#/components/schemas/In"},
                    "any": {},
                    "place": {
                        "maxLength": 9,
                        "default": "a",
                        "anyOf": [{"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"type": "null"}],
                    },
                },
            },
            "Out": {
                "type": "object",
                "additionalProperties": False,
                "required": ["code", "at"],
                "properties": {
                    "code": {"type": "string", "maxLength": 64},
                    "at": {"type": "string", "format": "date-time"},
                    "state": {"type": "string", "enum": ["on", "off"]},
                    "note": {"type": ["string", "null"]},
                    "size": {"type": "integer"},
                    "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
                    "more": {"anyOf": [{"$ref": "#/components/schemas/Out"}, {"type": "null"}]},
                },
            },
        },
    },
}


def _get(document: Any) -> Any:
    return document["paths"]["/links"]["get"]


def _post(document: Any) -> Any:
    return document["paths"]["/links"]["post"]


def _in(document: Any) -> Any:
    return document["components"]["schemas"]["In"]["properties"]


def _out(document: Any) -> Any:
    return document["components"]["schemas"]["Out"]["properties"]


def _header(document: Any) -> Any:
    return document["components"]["headers"]["Link"]


def _schema(document: Any, name: str) -> Any:
    return document["components"]["schemas"][name]


def _another_shape(document: Any, *asked_for_by: str) -> None:
    """Let the new link be told in another shape to who asks by one of these."""
    document["components"]["schemas"]["Receipt"] = {"type": "object", "properties": {"id": {}}}
    shapes = [{"$ref": f"#/components/schemas/{name}"} for name in ("Out", "Receipt")]
    asked = {"#/components/schemas/Receipt": list(asked_for_by)}
    content = {"application/json": {"schema": {"oneOf": shapes, "x-asked-for-by": asked}}}
    _post(document)["responses"]["201"]["content"] = content


BREAKS: dict[str, tuple[Edit, str]] = {
    "another shape": (_another_shape, "POST /links 201.code: removed"),
    "another shape by a field that was known": (
        lambda d: _another_shape(d, "title"),
        "POST /links 201.code: removed",
    ),
    "another shape by a credential that was known, or a new field": (
        lambda d: (_in(d).update(form={"type": "string"}), _another_shape(d, "form", "token")),
        "POST /links 201.code: removed",
    ),
    "another shape by what nobody takes": (
        lambda d: _another_shape(d, "form"),
        "POST /links 201.code: removed",
    ),
    "server": (lambda d: d.update(servers=[{"url": "/other"}]), "GET /links: server / removed"),
    "server of a call": (lambda d: _get(d).update(servers=[{"url": "/b"}]), "GET /links: server / removed"),
    "call behind a reference": (
        lambda d: d["components"]["pathItems"]["Ping"].pop("get"),
        "GET /ping: removed",
    ),
    "path": (lambda d: d["paths"].pop("/links"), "POST /links: removed"),
    "operation": (lambda d: d["paths"]["/links"].pop("post"), "POST /links: removed"),
    "operation id": (lambda d: _get(d).update(operationId="links"), "operationId list_links is now links"),
    "public call that asks for a token": (
        lambda d: _get(d).update(security=[{"token": []}]),
        "another credential",
    ),
    "scope": (
        lambda d: _post(d).update(security=[{"token": ["write"]}]),
        "POST /links: asks for another credential",
    ),
    "security scheme": (
        lambda d: d["components"]["securitySchemes"]["token"].update(scheme="basic"),
        "security scheme token: changed",
    ),
    "parameter": (lambda d: _get(d)["parameters"].pop(), "GET /links query q: removed"),
    "parameter of the path": (
        lambda d: d["paths"]["/links"].pop("parameters"),
        "GET /links header X-Trace: removed",
    ),
    "parameter that is now required": (
        lambda d: _get(d)["parameters"][1].update(required=True),
        "GET /links query q: is now required",
    ),
    "new required parameter": (
        lambda d: _get(d)["parameters"].append({"in": "query", "name": "z", "required": True, "schema": {}}),
        "GET /links query z: is now required",
    ),
    "style of a parameter": (
        lambda d: _get(d)["parameters"][1].update(explode=False),
        "is written differently",
    ),
    "place of a parameter": (
        lambda d: _get(d)["parameters"][1].update({"in": "header"}),
        "GET /links query q: removed",
    ),
    "parameter in a format of its own": (
        lambda d: _get(d)["parameters"][1].update(content={"application/json": {}}),
        "query q: is written differently",
    ),
    "bound of a parameter": (
        lambda d: _get(d)["parameters"][0]["schema"].update(maximum=50),
        "GET /links query limit: maximum 100 is now 50",
    ),
    "default": (lambda d: _get(d)["parameters"][0]["schema"].update(default=10), "default 20 is now 10"),
    "new default": (
        lambda d: _get(d)["parameters"][1]["schema"].update(default="a"),
        "query q: default None is now a",
    ),
    "default beside alternatives": (
        lambda d: _in(d)["place"].update(default="b"),
        "body.place: default a is now b",
    ),
    "bound beside alternatives": (
        lambda d: _in(d)["place"].update(maxLength=8),
        "body.place: maxLength 9 is now 8",
    ),
    "alternative within an alternative": (
        lambda d: _in(d)["place"]["anyOf"][0]["oneOf"].pop(),
        "body.place: no longer takes integer",
    ),
    "bound in another part": (
        lambda d: _in(d)["url"].update(allOf=[{"maxLength": 1024}]),
        "body.url: maxLength 2048 is now 1024",
    ),
    "anything that is now a tree": (
        lambda d: (
            _in(d).update(any={"$ref": "#/components/schemas/Tree"}),
            d["components"]["schemas"].update(
                Tree={"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}
            ),
        ),
        "body.any: no longer takes boolean",
    ),
    "body that is now required": (
        lambda d: _post(d)["requestBody"].update(required=True),
        "body: is now required",
    ),
    "type of a body": (
        lambda d: _post(d)["requestBody"]["content"].pop("text/json"),
        "body: text/json removed",
    ),
    "encoding of a body": (
        lambda d: _post(d)["requestBody"]["content"]["text/json"].update(
            encoding={"tags": {"style": "form"}}
        ),
        "POST /links body: text/json is written differently",
    ),
    "field of a body": (lambda d: _in(d).pop("title"), "POST /links body.title: removed"),
    "new required field": (
        lambda d: (_schema(d, "In")["required"].append("key"), _in(d).update(key={"type": "string"})),
        "POST /links body.key: is now required",
    ),
    "field that is now required": (
        lambda d: _schema(d, "In")["required"].append("title"),
        "title: is now required",
    ),
    "closed body": (
        lambda d: _schema(d, "In").update(additionalProperties=False),
        "no longer takes other fields",
    ),
    "closed body, by another word": (
        lambda d: _schema(d, "In").update(unevaluatedProperties=False),
        "body: unevaluatedProperties None is now False",
    ),
    "other fields of one type": (
        lambda d: _schema(d, "In").update(additionalProperties={"type": "string"}),
        "body.*: no longer takes array",
    ),
    "field that is no longer taken": (
        lambda d: _in(d)["title"].update(readOnly=True),
        "body.title: is now readOnly",
    ),
    "shorter text": (lambda d: _in(d)["url"].update(maxLength=1024), "body.url: maxLength 2048 is now 1024"),
    "longer text at least": (
        lambda d: _in(d)["title"].update(minLength=1),
        "body.title: minLength 0 is now 1",
    ),
    "larger number at least": (
        lambda d: _in(d)["weight"].update(minimum=2),
        "body.weight: minimum 1 is now 2",
    ),
    "new pattern": (
        lambda d: _in(d)["url"].update(pattern="^https:"),
        "body.url: pattern None is now ^https:",
    ),
    "new format": (lambda d: _in(d)["url"].update(format="uri"), "body.url: format None is now uri"),
    "unknown constraint": (
        lambda d: _in(d)["url"].update({"not": {"const": ""}}),
        "body.url: not None is now",
    ),
    "nullable that is not": (
        lambda d: _in(d)["title"].update(type="string"),
        "body.title: no longer takes null",
    ),
    "number that must be whole": (
        lambda d: _in(d)["weight"].update(type="integer"),
        "no longer takes number",
    ),
    "value of an input": (lambda d: _in(d)["status"].update(enum=[301]), "body.status: value 302 removed"),
    "few values": (lambda d: _in(d)["url"].update(enum=["a"]), "body.url: takes a few values only"),
    "fewer items": (lambda d: _in(d)["tags"].update(maxItems=10), "body.tags: maxItems 20 is now 10"),
    "item of an input": (
        lambda d: _in(d)["tags"]["items"].update(pattern="^b"),
        "body.tags[]: pattern ^a is now ^b",
    ),
    "status": (lambda d: _get(d)["responses"].pop("400"), "GET /links 400: removed"),
    "header": (
        lambda d: d["components"]["responses"]["Links"].pop("headers"),
        "GET /links 200: header Link removed",
    ),
    "type of a header": (
        lambda d: _header(d)["schema"].update(type="integer"),
        "GET /links 200 header Link: may now be integer",
    ),
    "header that may be absent": (
        lambda d: _header(d).pop("required"),
        "GET /links 200 header Link: may now be absent",
    ),
    "style of a header": (
        lambda d: _header(d).update(explode=True),
        "GET /links 200 header Link: is written differently",
    ),
    "type of an answer": (
        lambda d: _post(d)["responses"]["201"].update(content={"text/plain": {}}),
        "POST /links 201: application/json removed",
    ),
    "field of an answer": (lambda d: _out(d).pop("size"), "GET /links 200[].size: removed"),
    "field that may be absent": (
        lambda d: _schema(d, "Out").update(required=["code"]),
        "200[].at: may now be absent",
    ),
    "field that may be null": (
        lambda d: _out(d)["size"].update(type=["integer", "null"]),
        "size: may now be null",
    ),
    "field that is no longer sent": (
        lambda d: _out(d)["size"].update(writeOnly=True),
        "size: is now writeOnly",
    ),
    "other fields of another type": (
        lambda d: _out(d)["counts"].update(additionalProperties={"type": "number"}),
        "counts.*: may now be number",
    ),
    "other fields of any type": (
        lambda d: _out(d)["counts"].pop("additionalProperties"),
        "counts.*: may now be array",
    ),
    "other fields that are gone": (
        lambda d: _out(d)["counts"].update(additionalProperties=False),
        "counts: no longer has other fields",
    ),
    "field that is always null": (lambda d: _out(d)["note"].update(type="null"), "note: is now always null"),
    "object that may be null": (
        lambda d: _post(d)["responses"]["201"]["content"]["application/json"].update(
            schema={"anyOf": [{"$ref": "#/components/schemas/Out"}, {"type": "null"}]}
        ),
        "POST /links 201: may now be null",
    ),
    "another type in an answer": (lambda d: _out(d)["size"].update(type="string"), "size: may now be string"),
    "another format in an answer": (
        lambda d: _out(d)["at"].update(format="date"),
        "at: format date-time is now date",
    ),
    "value of an answer": (lambda d: _out(d)["state"].update(enum=["on"]), "state: value off removed"),
}
GROWS: dict[str, Edit] = {
    "nothing": lambda d: None,
    "another shape by a new field": lambda d: (
        _in(d).update(form={"type": "string"}),
        _another_shape(d, "form", "cookie of another call"),
    ),
    "another shape by a new credential": lambda d: (
        _post(d).update(security=[{"token": []}, {"cookie": []}]),
        _another_shape(d, "cookie"),
    ),
    "new path": lambda d: d["paths"].update({"/stats": deepcopy(d["paths"]["/links"])}),
    "new operation": lambda d: d["paths"]["/links"].update(delete=deepcopy(_get(d))),
    "new optional parameter": lambda d: _get(d)["parameters"].append(
        {"in": "query", "name": "z", "schema": {}}
    ),
    "new optional field": lambda d: _in(d).update(notes={"type": "string"}),
    "field that is no longer required": lambda d: _schema(d, "In").pop("required"),
    "wider bounds": lambda d: (_in(d)["url"].update(maxLength=4096), _in(d)["tags"].pop("maxItems")),
    "least of nothing": lambda d: _in(d)["url"].update(minLength=0),
    "nullable input, written in two ways": lambda d: (
        _in(d)["url"].update(type=["string", "null"]),
        _in(d).update(parent={"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/In"}]}),
    ),
    "new value of an input": lambda d: _in(d)["status"].update(enum=[301, 302, 307]),
    "new field of a closed answer": lambda d: _out(d).update(title={"type": "string"}),
    "answer that says more": lambda d: (
        _schema(d, "Out")["required"].append("size"),
        _out(d)["note"].update(type="string", format="uri"),
    ),
    "other fields of a body, and of an answer that was closed": lambda d: (
        _schema(d, "In").update(additionalProperties=True),
        _schema(d, "Out").update(additionalProperties={"type": "integer"}),
    ),
    "alternatives that are written apart": lambda d: _in(d).update(
        place={
            "anyOf": [{"type": name, "maxLength": 9} for name in ("string", "integer", "null", "boolean")],
            "default": "a",
        }
    ),
    "another server": lambda d: d["servers"].append({"url": "https://example.org"}),
    "style that was so": lambda d: (
        _get(d)["parameters"][1].update(style="form", explode=True),
        _header(d).update(style="simple", explode=False),
    ),
    "header that says more": lambda d: _header(d)["schema"].update(pattern="^<"),
    "new error": lambda d: _get(d)["responses"].update({"412": {"description": "Changed."}}),
    "new header": lambda d: _get(d)["responses"]["400"].update(headers={"X-Error-Code": {}}),
    "another credential beside the old one": lambda d: _post(d).update(security=[{"key": []}, {"token": []}]),
    "call that is open to all": lambda d: _post(d).update(security=[]),
    "deprecation": lambda d: _get(d).update(deprecated=True, description="Deprecated."),
    "description": lambda d: (
        d["components"]["securitySchemes"]["token"].update(description="Another."),
        _in(d)["url"].update(description="Where to.", example="https://example.com/"),
    ),
    "the same through allOf": lambda d: _in(d).update(
        parent={"allOf": [{"$ref": "#/components/schemas/In"}]}
    ),
}
READY: dict[str, tuple[Edit, str]] = {
    "new value of an answer": (
        lambda d: _out(d)["state"].update(enum=["on", "off", "blocked"]),
        "state: new value blocked",
    ),
    "any value": (lambda d: _out(d)["state"].pop("enum"), "state: new value any"),
    "longer text in an answer": (
        lambda d: _out(d)["code"].update(maxLength=99),
        "code: maxLength 64 is now 99",
    ),
    "new success": (lambda d: _post(d)["responses"].update({"202": {}}), "POST /links 202: a new success"),
}


def findings(edit: Edit) -> list[Finding]:
    new = deepcopy(OLD)
    edit(new)
    return compare(OLD, new)


@pytest.mark.parametrize("name", BREAKS)
def test_break_is_found(name: str) -> None:
    edit, told = BREAKS[name]
    assert [str(finding) for finding in findings(edit) if finding.breaks and told in str(finding)]


@pytest.mark.parametrize("name", GROWS)
def test_growth_is_no_finding(name: str) -> None:
    assert findings(GROWS[name]) == []


@pytest.mark.parametrize("name", READY)
def test_what_clients_must_be_ready_for_is_told_and_breaks_nothing(name: str) -> None:
    edit, told = READY[name]
    found = findings(edit)
    assert any(told in str(finding) for finding in found)
    assert not [finding for finding in found if finding.breaks]


def test_committed_document_is_compared_to_its_depths() -> None:
    """The control on the real document: a field of a nested answer, and a bound of a body, are missed."""
    old = json.loads((ROOT / "openapi.json").read_text())
    new = deepcopy(old)
    assert compare(old, new) == []
    new["components"]["schemas"]["CountsOut"]["properties"].pop("uniques")
    new["components"]["schemas"]["Shorten"]["properties"]["url"]["maxLength"] = 100
    told = {str(finding) for finding in compare(old, new)}
    assert "GET /api/v1/links/{code}/stats 200.totals.uniques: removed" in told
    assert "POST /api/v1/shorten body.url: maxLength 2048 is now 100" in told
