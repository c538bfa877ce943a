"""Every operation of the OpenAPI document under generated requests, good and bad: it answers as documented.

`make test` sends a part of what `make contract` does. `tests/contract/totals.py` tells at the end how much it was.
"""

from copy import deepcopy
from typing import Any

import pytest
import schemathesis

from tests.contract.sending import DOCUMENT, FOR_ADMINS, FOR_MANAGERS, Run, labels, roles, schema_of
from tests.contract.totals import PROPERTY

PARTS = [(label, role) for label in labels() for role in roles(label)]


# The engine that refuses more: NUL, lone surrogates, numbers out of range.
@pytest.mark.asvs("2.2.2", "4.1.1", "15.3.1")
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("label", "role"), PARTS)
def test_every_answer_is_as_documented(app, label, role, record_property):
    method, path = label.split()
    run = Run(app, role).operation(schema_of(app)[path][method])
    record_property(PROPERTY, run.tally.told(len(PARTS)))
    assert not run.failures, run.told()
    if (label in FOR_ADMINS and role != "admin") or (label in FOR_MANAGERS and role == "user"):
        assert run.tally.refused == run.tally.positive > 0
    else:
        assert run.tally.succeeded > 0
        assert not run.tally.refused


def _without_status(document: dict[str, Any]) -> None:
    document["paths"]["/api/v1/auth/sessions"]["get"]["responses"].pop("200")


def _with_another_shape(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["SessionOut"]["properties"]["current"]["type"] = "string"


def _with_another_content_type(document: dict[str, Any]) -> None:
    answer = document["paths"]["/api/v1/auth/sessions"]["get"]["responses"]["200"]
    answer["content"]["text/plain"] = answer["content"].pop("application/json")


@pytest.mark.parametrize("spoil", [_without_status, _with_another_shape, _with_another_content_type])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_document_that_says_something_else_is_found_out(app, spoil):
    """The control: were this red, a document could say what it likes."""
    with app.test_request_context():
        document = deepcopy(app.extensions["openapi"]["v1"]())
    spoil(document)
    app.view_functions["v1.openapi"] = lambda version: document
    schema = schemathesis.openapi.from_wsgi(DOCUMENT, app)
    assert Run(app).operation(schema["/api/v1/auth/sessions"]["GET"]).failures
