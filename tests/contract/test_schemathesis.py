"""Every operation of the OpenAPI document under generated requests, good and bad: it answers as documented.

Each case is sent by a user of its own, so that none is spoilt by the one before it (a logout, a changed password)
and all the rest are answered 401. Good cases name what is there: the user's link, session and password.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode, checks
from schemathesis.config import GenerationConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.transport import Response
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi import checks as openapi_checks

from app.accounts import sessions, users
from app.extensions import db
from tests.conftest import PASSWORD, Caller
from tests.making import make_link, set_role

DOCUMENT = "/api/v1/openapi.json"
LEAST_CASES = 1_000
FUZZED = {GenerationMode.POSITIVE: 15, GenerationMode.NEGATIVE: 8}
"""Random cases of each operation, beside those that try each bound of each field in turn."""
LEAST_SHARE = 0.85
"""Of good cases answered 2xx. The rest breaks rules that the schemas do not say: a control character in a title,
`from` after `to`. Were the users spoilt or the paths wrong, it would be far less."""
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
    openapi_checks.unsupported_method,
    openapi_checks.allow_header_conformance,
]
HOST = "sho.rt"  # of the tests' PUBLIC_URL

_numbers = itertools.count(1)
_words = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20)
_visible = st.characters(codec="utf-8", exclude_categories=["C"])
# What the document's formats mean here.
schemathesis.openapi.format("uri", st.builds("http://{}.example.com/{}?q={}".format, _words, _words, _words))
schemathesis.openapi.format("email", st.builds("{}@{}.example.org".format, _words, _words))
schemathesis.openapi.format("timezone", st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata"]))
schemathesis.openapi.format("password", st.text(_visible, min_size=12, max_size=40))


class Run:
    """Sends cases to the application, each as somebody else, and keeps what came of them."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._people: Iterator[Caller] = self._sign_up()
        self.cases: Counter[GenerationMode] = Counter()
        self.good: Counter[tuple[str, int]] = Counter()
        """The answers to good cases, by operation and status."""
        self.failures: dict[tuple[str, str], str] = {}
        """The first failure of each kind at each operation, with the request that shows it."""

    @property
    def share(self) -> float:
        """Of good cases that were answered 2xx."""
        succeeded = sum(times for (_, status), times in self.good.items() if status < 300)
        return succeeded / self.cases[GenerationMode.POSITIVE]

    def operations(self, schema: BaseSchema) -> "Run":
        for found in schema.get_all_operations():
            self.operation(found.ok())
        return self

    def operation(self, operation: APIOperation) -> "Run":
        """Send each bound of each field, and random cases; the same ones at every run."""
        whole = GenerationConfig(allow_x00=False)
        for case in operation.schema.iter_coverage_cases(
            operation, generation_modes=list(GenerationMode), generation_config=whole
        ):
            self.send(case)
        for mode, most in FUZZED.items():
            self._fuzz(operation.as_strategy(generation_mode=mode), most)
        return self

    def _fuzz(self, cases: st.SearchStrategy[Case], most: int) -> None:
        @given(cases)
        @settings(
            max_examples=most,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def fuzz(case: Case) -> None:
            self.send(case)

        fuzz()

    def send(self, case: Case) -> None:
        caller = next(self._people)
        mode = case.meta.generation.mode
        if mode.is_positive:
            _fit(case, caller)
        token = caller.refresh_token if case.path.endswith("/auth/refresh") else caller.token
        response = case.call(headers={"Authorization": f"Bearer {token}"})
        self.cases[mode] += 1
        if mode.is_positive:
            self.good[case.operation.label, response.status_code] += 1
        try:
            case.validate_response(response, checks=_checks(case, response))
        except FailureGroup as group:
            for failure in group.exceptions:
                answer = f"{case.as_curl_command()}\n{response.status_code} {response.text[:500]}"
                self.failures.setdefault(
                    (case.operation.label, failure.title), f"{failure.message}\n{answer}"
                )

    def _sign_up(self) -> Iterator[Caller]:
        """People with a session each, a hundred in a transaction: one by one they cost more than all else."""
        while True:
            with self._app.app_context():
                made = [_register(self._app) for _ in range(100)]
                db.session.commit()
            yield from made


def _checks(case: Case, response: Response) -> list[Any]:
    """What holds for an answer: all but what a batch does otherwise."""
    if not case.path.endswith("/batch"):
        return CHECKS
    # A link may have that code: `Allow` names a link's methods too.
    spared = [openapi_checks.allow_header_conformance]
    if case.method == "POST" and response.status_code == 200 and response.json()["summary"]["failed"]:
        spared.append(openapi_checks.negative_data_rejection)  # it is told of the item
    return [check for check in CHECKS if check not in spared]


def _register(app: Flask) -> Caller:
    email = f"eve{next(_numbers)}@example.net"
    user = users.register(email, PASSWORD, "Eve")
    pair = sessions._begin(user, user_agent="schemathesis", address="127.0.0.1")
    return Caller(app.test_client(), user.public_id, email, pair.access_token, pair.refresh_token)


def _fit(case: Case, caller: Caller) -> None:
    """Let a good case name what is there."""
    path, query, body = case.path_parameters or {}, case.query or {}, case.body
    if case.path.endswith("/cache/invalidate"):
        set_role(caller.client.application, caller, "admin")
    if "code" in path:
        path["code"] = make_link(caller)["code"]
        if case.path.endswith("/restore"):
            caller.delete(f"/links/{path['code']}")
    if "user_id" in path:
        path["user_id"] = caller.id
    if "session_id" in path:
        path["session_id"] = caller.get("/auth/sessions").json["items"][0]["id"]
    if "domain" in query:
        query["domain"] = HOST
    if "from" in query or "to" in query:  # a range that there is: in order, and not of the year 9999
        query |= {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}
    for name in ("cursor", "owner"):  # a cursor is signed, others' links are for managers
        query.pop(name, None)
    if isinstance(body, dict):
        _fit_body(body, caller, case.path)
        # A made-up tag holds for nothing: 412, and the body would go untried. DELETE and GET keep theirs.
        if case.headers.pop("If-Match", None):
            case.headers["If-Match"] = "*"
        case.headers.pop("If-None-Match", None)


def _fit_body(body: dict[str, Any], caller: Caller, path: str) -> None:
    for name in ("code", "custom_code"):  # the same few come again and again
        if body.get(name):
            body[name] = f"{body[name]}-{next(_numbers)}"[-64:]
    for item in body.get("items") or ():
        _fit_item(item, caller)
    if path.endswith("/register"):
        body["email"] = f"{next(_numbers)}{body['email']}"
    if body.get("domain"):
        body["domain"] = HOST
    if path.endswith("/login"):
        body |= {"email": caller.email, "password": PASSWORD}
    if "current_password" in body:
        body["current_password"] = PASSWORD


def _fit_item(item: dict[str, Any], caller: Caller) -> None:
    """Let an item of a batch name what is there."""
    if item["op"] == "create":
        _fit_body(item["link"], caller, "")
        return
    item["code"] = make_link(caller)["code"]
    item.pop("if_match", None)
    if item.get("domain"):
        item["domain"] = HOST


@pytest.fixture
def schema(app: Flask) -> BaseSchema:
    return schemathesis.openapi.from_wsgi(DOCUMENT, app)


# The engine that refuses more: NUL, lone surrogates, numbers out of range.
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.timeout(400)
def test_every_answer_is_as_documented(app, schema, record_property):
    run = Run(app).operations(schema)
    summary = f"{run.cases.total()} cases, {run.share:.0%} of the good ones answered 2xx"
    record_property("schemathesis", summary)
    print(summary)  # noqa: T201 - `pytest -s` shows it
    assert not run.failures, "\n\n".join(f"{key}: {text}" for key, text in run.failures.items())
    assert run.cases.total() >= LEAST_CASES
    assert run.share >= LEAST_SHARE
    operations = {found.ok().label for found in schema.get_all_operations()}
    assert {label for label, status in run.good if status < 300} == operations
    assert not [label for label, status in run.good if status == 401]


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
        document = deepcopy(app.extensions["openapi"]["v1"])
    spoil(document)
    app.view_functions["v1.openapi"] = lambda version: document
    schema = schemathesis.openapi.from_wsgi(DOCUMENT, app)
    assert Run(app).operation(schema["/api/v1/auth/sessions"]["GET"]).failures
