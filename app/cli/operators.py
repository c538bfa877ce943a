"""Tells the audit log that the operator acts: whoever has a shell on the machine."""

from contextvars import copy_context
from typing import Any

from click import Context
from flask.cli import AppGroup

from app.audit import circumstances
from app.audit.circumstances import OPERATOR, Circumstances


class OperatorGroup(AppGroup):
    """Commands whose events are the operator's."""

    def invoke(self, ctx: Context) -> Any:
        """In a context of their own, which ends with the command."""
        return copy_context().run(self._as_operator, ctx)

    def _as_operator(self, ctx: Context) -> Any:
        circumstances.begin(Circumstances(actor=OPERATOR))
        return super().invoke(ctx)
