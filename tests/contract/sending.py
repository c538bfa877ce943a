"""Generated requests for the operations of the OpenAPI document, good and bad: how they are made, sent and judged.

Each case is sent by a person to whom nothing was done before, so that none is spoilt by another case (a logout, a
changed password) and all the rest are answered 401.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode, checks
from schemathesis.config import GenerationConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.transport import Response
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.specs.openapi import checks as openapi_checks

from app.extensions import db
from tests.conftest import Caller, signed_up
from tests.contract.fitting import fit
from tests.mailbox import UNLIMITED

DOCUMENT = "/api/v1/openapi.json"
ROLES = ("user", "manager", "admin")
FOR_ADMINS = {
    "POST /api/v1/cache/invalidate",
    "PATCH /api/v1/users/{user_id}",
    "DELETE /api/v1/users/{user_id}",
    "POST /api/v1/domains",
    "DELETE /api/v1/domains/{host}",
}
FOR_MANAGERS = {
    "GET /api/v1/users",
    "PUT /api/v1/links/{code}/block",
    "DELETE /api/v1/links/{code}/block",
}
"""Everybody below gets 403."""


@dataclass(frozen=True)
class Size:
    """How much is sent."""

    every_role: bool
    """Or each call in the least role that may make it."""
    bounds: dict[str, int | None]
    """Cases of an operation that try a bound of a field each, at most, in each role; None: all there are."""
    random: dict[GenerationMode, int]
    """Random cases of an operation, beside those."""
    scenarios: int
    """Of each role."""
    steps: int
    """Of a scenario, at most."""
    least: int
    """Single calls that a run of every operation sends, or it has lost some."""


SHORT = Size(
    False,
    {"user": 17, "manager": 17, "admin": 17},
    {GenerationMode.POSITIVE: 1},
    6,
    10,
    1_000,
)
FULL = Size(
    True,
    {"user": 150, "manager": 40, "admin": 40},
    {GenerationMode.POSITIVE: 8, GenerationMode.NEGATIVE: 4},
    20,
    20,
    5_000,
)
SIZE = FULL if os.environ.get("CONTRACT") == "full" else SHORT
"""`make contract` sends all, `make test` a part of it."""
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
    openapi_checks.unsupported_method,
    openapi_checks.allow_header_conformance,
    # Of scenarios; a case without others before it passes them.
    openapi_checks.use_after_free,
    openapi_checks.ensure_resource_availability,
]

_words = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20)
_visible = st.characters(codec="utf-8", exclude_categories=["C"])


def _sized(
    texts: st.SearchStrategy[str], to: Callable[[str, int], str], *bounds: int
) -> st.SearchStrategy[str]:
    """Texts, and some of just the bounds' lengths: drawn by chance, each would take thousands of tries."""
    sizes = [bound + more for bound in bounds for more in (-1, 0, 1)]
    return st.one_of(texts, texts, texts, st.builds(to, texts, st.sampled_from(sizes)))


def _text_to(text: str, size: int) -> str:
    return text[:size].ljust(size, "x")


def _email_to(email: str, size: int) -> str:
    """Labels of 20 characters at most, as many as it takes."""
    missing = size - len(email)
    whole, rest = divmod(missing, 20)
    return email.replace("@", "@" + "x" * rest + ("x" * 19 + ".") * whole)


# What the document's formats mean here.
_urls = st.builds("http://{}.example.com/{}?q={}".format, _words, _words, _words)
_emails = st.builds("{}@{}.example.org".format, _words, _words)
schemathesis.openapi.format("uri", _sized(_urls, _text_to, 2048))
schemathesis.openapi.format("email", _sized(_emails, _email_to, 254))
schemathesis.openapi.format("timezone", st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata"]))
schemathesis.openapi.format(
    "password", _sized(st.text(_visible, min_size=12, max_size=40), _text_to, 1, 128, 1024)
)


@dataclass
class Tally:
    """What was sent in one role, as numbers that a test can hand to another process."""

    role: str
    positive: int = 0
    negative: int = 0
    succeeded: int = 0
    """Of the positive ones, answered 2xx."""
    refused: int = 0
    """Of the positive ones, answered 403."""
    scenarios: int = 0
    """Without any, these are single calls."""

    def count(self, mode: GenerationMode, status: int) -> None:
        if mode.is_positive:
            self.positive += 1
            self.succeeded += status < 300
            self.refused += status == 403
        else:
            self.negative += 1

    def told(self, tests: int) -> dict[str, Any]:
        """`tests`: how many there are of this kind, each with a tally."""
        return {**asdict(self), "tests": tests, "least": SIZE.least}


class Run:
    """Sends cases to the application, each as somebody else of one role, and keeps what came of them."""

    def __init__(self, app: Flask, role: str = "user", size: Size = SIZE) -> None:
        self._app = app
        app.config.update(dict.fromkeys(UNLIMITED, ""))
        self._size = size
        self._people: Iterator[Caller] = self._sign_up(role)
        self._unspoilt: Caller | None = None
        self.tally = Tally(role)
        self.failures: dict[tuple[str, str], str] = {}
        """The first failure of each kind at each operation, with the request that shows it."""

    def operation(self, operation: APIOperation) -> "Run":
        """Send the bounds of each field, and random cases; the same ones at every run."""
        for case in _bounds(operation, self._size.bounds[self.tally.role]):
            self.send(case)
        for mode, most in self._size.random.items():
            if mode.is_negative and not _takes_anything(operation):
                continue
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
        caller = self._unspoilt or self.somebody()
        is_good = case.meta.generation.mode.is_positive
        if is_good:
            fit(case, caller, self.tally.role)
        token = caller.refresh_token if case.path.endswith("/auth/refresh") else caller.token
        response = case.call(headers={"Authorization": f"Bearer {token}"})
        self.judge(case, response)
        # A refusal does nothing to anybody, but for a 401, which may end a session.
        refused = 400 <= response.status_code < 500 and response.status_code != 401
        self._unspoilt = caller if refused and not is_good else None

    def judge(self, case: Case, response: Response, recorder: ScenarioRecorder | None = None) -> None:
        """Count an answer, and keep what is wrong with it; `recorder` knows the steps before."""
        self.tally.count(case.meta.generation.mode, response.status_code)
        try:
            case.validate_response(response, checks=_checks(case, response, recorder), recorder=recorder)
        except FailureGroup as group:
            for failure in group.exceptions:
                answer = f"{case.as_curl_command()}\n{response.status_code} {response.text[:500]}"
                self.failures.setdefault(
                    (case.operation.label, failure.title), f"{failure.message}\n{answer}"
                )

    def somebody(self) -> Caller:
        """A person whom nothing was done to yet, signed in."""
        return next(self._people)

    def _sign_up(self, role: str) -> Iterator[Caller]:
        """Many in a transaction: one by one they cost more than all else."""
        while True:
            with self._app.app_context():
                made = [signed_up(self._app, "eve", role) for _ in range(10)]
                db.session.commit()
            yield from made

    def told(self) -> str:
        """The failures, for the message of an assertion."""
        return "\n\n".join(f"{key}: {text}" for key, text in self.failures.items())


def labels() -> list[str]:
    """Every operation, as "GET /api/v1/links": of the file, which a guard holds to the code, for want of an
    application while tests are collected."""
    document = json.loads((Path(__file__).parents[2] / "openapi.json").read_text())
    return [
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method in item
        if method in ("get", "post", "put", "patch", "delete")
    ]


def roles(label: str, size: Size = SIZE) -> Sequence[str]:
    """Who calls this operation."""
    if size.every_role:
        return ROLES
    return ["admin" if label in FOR_ADMINS else "manager" if label in FOR_MANAGERS else "user"]


@cache
def schema_of(app: Flask) -> schemathesis.BaseSchema:
    """The application's document, read once in a process: it costs as much as fifty cases."""
    return schemathesis.openapi.from_wsgi(DOCUMENT, app)


def _bounds(operation: APIOperation, most: int | None) -> list[Case]:
    """A case for each bound of each field; of more than `most` an even choice, of bodies under their first name."""
    found = list(
        operation.schema.iter_coverage_cases(
            operation,
            generation_modes=list(GenerationMode),
            generation_config=GenerationConfig(allow_x00=False),
        )
    )
    if most is None:
        return found
    found = [case for case in found if case.media_type in (None, "application/json")]
    return [found[index * len(found) // most] for index in range(most)] if len(found) > most else found


def _takes_anything(operation: APIOperation) -> bool:
    """Whether there is anything that could be wrong with a request."""
    return any(operation.definition.raw.get(part) for part in ("parameters", "requestBody", "security"))


def _checks(case: Case, response: Response, recorder: ScenarioRecorder | None) -> list[Any]:
    """What holds for an answer: all but what a batch does otherwise, a restored link, and a step that was mended."""
    spared = []
    if response.status_code == 413:
        spared.append(
            openapi_checks.negative_data_rejection
        )  # refused it is, for its size; the check knows no 413
    if recorder:
        if recorder.cases[case.id].is_transition_applied:
            # What an earlier step handed over stands in place of what is bad, and may make the step a good one.
            spared.append(openapi_checks.negative_data_rejection)
        if _is_restored(case, recorder):
            spared.append(openapi_checks.use_after_free)
    if case.path.endswith("/batch"):
        # A link may have that code: `Allow` names a link's methods too.
        spared.append(openapi_checks.allow_header_conformance)
        if case.method == "POST" and response.status_code == 200 and response.json()["summary"]["failed"]:
            spared.append(openapi_checks.negative_data_rejection)  # it is told of the item
    return [check for check in CHECKS if check not in spared]


def _is_restored(case: Case, recorder: ScenarioRecorder) -> bool:
    """Whether the latest of the steps that deleted or restored this link was a restoration."""
    restored = False
    for step in recorder.find_all_cases():
        answer = recorder.find_response(case_id=step.id)
        if step.path_parameters != case.path_parameters or not answer or answer.status_code >= 300:
            continue
        if step.method == "DELETE" or step.path.endswith("/restore"):
            restored = step.method != "DELETE"
    return restored
