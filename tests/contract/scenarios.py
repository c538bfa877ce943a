"""Scenarios of many calls, where a step names what an earlier one made: schemathesis' own state machine.

Its links are those of the document and those it infers (what answers with a `code` comes before what takes one).
"""

from typing import Any

from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from schemathesis import BaseSchema, Case
from schemathesis.core.transport import Response
from schemathesis.engine.recorder import ScenarioRecorder
from sqlalchemy import select

from app.accounts import sessions
from app.accounts.devices import Device
from app.accounts.models import User
from app.extensions import db
from tests.conftest import Caller
from tests.contract.fitting import fit_step
from tests.contract.sending import SIZE, Run, Size


def play(app: Flask, schema: BaseSchema, role: str, size: Size = SIZE) -> Run:
    """Scenarios of somebody of this role each; the same decisions at every run."""
    run = Run(app, role, size)

    class Scenario(schema.as_state_machine()):  # type: ignore[misc]  # a class made at run time
        recorder: ScenarioRecorder

        def setup(self) -> None:
            self._person = run.somebody()
            self._tokens: dict[str, str] = {}
            """By step: it is taken in the name of who took the step before it, whom a login changes."""

        def teardown(self) -> None:
            run.tally.scenarios += bool(self._tokens)

        def before_call(self, case: Case) -> None:
            if case.meta.generation.mode.is_positive:
                fit_step(case)

        def get_call_kwargs(self, case: Case) -> dict[str, Any]:
            parent = self.recorder.find_parent(case_id=case.id)
            token = self._tokens[parent.id] if parent else _sign_in(app, self._person)
            self._tokens[case.id] = token
            return {"headers": {"Authorization": f"Bearer {token}"}}

        def after_call(self, response: Response, case: Case) -> None:
            super().after_call(response, case)
            if case.path.endswith("/login") and response.status_code == 200:
                # By cookie none is told, and the one that stood before goes on.
                self._tokens[case.id] = response.json().get("access_token", self._tokens[case.id])

        def validate_response(self, response: Response, case: Case, *_args: Any, **_kwargs: Any) -> None:
            run.judge(case, response, self.recorder)

    Scenario.run(
        settings=settings(
            max_examples=size.scenarios,
            stateful_step_count=size.steps,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
    )
    return run


def _sign_in(app: Flask, person: Caller) -> str:
    """A new session: a step before may have ended all others."""
    with app.app_context():
        user = db.session.scalars(select(User).where(User.public_id == person.id)).one()
        token = sessions.begin(user, Device("schemathesis", "127.0.0.1"), "password").access_token
        db.session.commit()
    return token
