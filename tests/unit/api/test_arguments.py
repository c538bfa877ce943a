"""app/api/arguments.py: bodies and queries become arguments, and errors that name the field."""

from typing import Any

import pytest
from flask import Flask
from marshmallow import Schema, ValidationError, fields, validates_schema

from app.api.arguments import Parser, refuse_query_parameters
from app.api.schema import Editable
from app.errors import AppError, MalformedJSON, UnsupportedMediaType, ValidationFailed


class Inner(Schema):
    n = fields.Integer(required=True)


class Body(Schema):
    name = fields.String(required=True)
    tags = fields.List(fields.String())
    inner = fields.Nested(Inner)
    many = fields.List(fields.Nested(Inner))

    @validates_schema(skip_on_field_errors=True)
    def _together(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if data["name"] == "clash":
            raise ValidationError("They clash.", "tags")
        if data["name"] == "whole":
            raise ValidationError("Bad as a whole.")


class Query(Schema):
    limit = fields.Integer()
    tag = fields.List(fields.String())


def parsed(
    app: Flask,
    data: str,
    schema: type[Schema] = Body,
    *,
    method: str = "POST",
    mime: str = "application/json",
) -> Any:
    with app.test_request_context("/", method=method, data=data.encode(), content_type=mime):
        return Parser().parse(schema, location="json")


def refusal(app: Flask, data: str) -> AppError:
    with pytest.raises(AppError) as refused:
        parsed(app, data)
    return refused.value


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ("{}", ["name"]),
        ('{"name": 1}', ["name"]),
        ('{"name": null}', ["name"]),
        ('{"name": "x", "tags": "x"}', ["tags"]),
        ('{"name": "x", "tags": ["a", 1, "b", 2]}', ["tags.1", "tags.3"]),
        ('{"name": "x", "inner": {}}', ["inner.n"]),
        ('{"name": "x", "inner": []}', ["inner"]),
        ('{"name": "x", "inner": {"n": 1, "m": 2}}', ["inner.m"]),
        ('{"name": "x", "many": [{"n": 1}, {"n": "y"}]}', ["many.1.n"]),
        ('{"name": "x", "colour": "red"}', ["colour"]),
        ('{"name": 1, "tags": 2, "colour": 3}', ["name", "tags", "colour"]),
        ('{"name": "clash"}', ["tags"]),
    ],
)
def test_every_bad_field_is_named(bare: Flask, data: str, named: list[str]) -> None:
    refused = refusal(bare, data)
    assert isinstance(refused, ValidationFailed)
    assert sorted(detail.field for detail in refused.details) == sorted(named)
    assert refused.field == refused.details[0].field
    assert refused.message == refused.details[0].message


@pytest.mark.parametrize("data", ["[]", "null", "1", '"x"', "true", '{"name": "whole"}'])
def test_refusal_of_the_whole_body_names_no_field(bare: Flask, data: str) -> None:
    refused = refusal(bare, data)
    assert isinstance(refused, ValidationFailed)
    assert (refused.field, refused.details) == (None, ())
    assert refused.message


def test_long_names_are_cut_and_many_are_not_all_told(bare: Flask) -> None:
    refused = refusal(bare, "{" + ",".join(f'"{"k" * 200}{n}": 1' for n in range(300)) + "}")
    assert len(refused.details) == 100
    assert max(len(detail.field) for detail in refused.details) == 100


@pytest.mark.parametrize(
    "data", ["", "{", '{"name": NaN}', '{"name": "a", "name": "b"}', '{"name": "\\ud800"']
)
def test_what_is_no_json_is_said_to_be_none(bare: Flask, data: str) -> None:
    assert isinstance(refusal(bare, data), MalformedJSON)


@pytest.mark.parametrize(
    ("method", "mime", "taken"),
    [
        ("POST", "application/json", True),
        ("POST", "application/json; charset=utf-8", True),
        ("POST", "APPLICATION/JSON", True),
        ("PATCH", "application/json", True),
        ("PATCH", "application/merge-patch+json", True),
        ("POST", "application/merge-patch+json", False),
        ("PUT", "application/merge-patch+json", False),
        ("PATCH", "application/json-patch+json", False),
        ("POST", "text/json", False),
        ("POST", "text/plain", False),
        ("POST", "application/x-www-form-urlencoded", False),
        ("POST", "multipart/form-data; boundary=x", False),
        ("POST", "application/json, text/plain", False),
        ("POST", "", False),
    ],
)
def test_body_is_taken_as_json_alone(bare: Flask, method: str, mime: str, taken: bool) -> None:
    if taken:
        assert parsed(bare, '{"name": "x"}', method=method, mime=mime) == {"name": "x"}
        return
    with pytest.raises(UnsupportedMediaType):
        parsed(bare, '{"name": "x"}', method=method, mime=mime)


def queried(app: Flask, query: str) -> Any:
    with app.test_request_context(f"/?{query}"):
        return Parser().parse(Query, location="query")


def test_query_is_taken(bare: Flask) -> None:
    assert queried(bare, "limit=3&tag=a&tag=b") == {"limit": 3, "tag": ["a", "b"]}
    assert queried(bare, "") == {}


@pytest.mark.asvs("15.3.7")
@pytest.mark.parametrize(
    ("query", "named"),
    [("limit=x", "limit"), ("limit=1&limit=2", "limit"), ("colour=red", "colour"), ("%00=1", "\x00")],
)
def test_bad_parameter_is_named(bare: Flask, query: str, named: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        queried(bare, query)
    assert refused.value.field == named
    assert [detail.field for detail in refused.value.details] == [named]


def test_route_without_parameters_refuses_each(bare: Flask) -> None:
    with bare.test_request_context("/?a=1&b=2"), pytest.raises(ValidationFailed) as refused:
        refuse_query_parameters()
    assert [detail.field for detail in refused.value.details] == ["a", "b"]
    with bare.test_request_context("/?"):
        refuse_query_parameters()


class Resource(Editable):
    READ_ONLY = frozenset({"id", "_links"})
    name = fields.String()


def test_read_only_fields_are_taken_and_ignored(bare: Flask) -> None:
    assert parsed(bare, '{"id": 7, "_links": {}, "name": "x"}', Resource) == {"name": "x"}
    with pytest.raises(ValidationFailed):
        parsed(bare, '{"id": 7, "owner": 1}', Resource)
    with pytest.raises(ValidationFailed):
        parsed(bare, "[]", Resource)
