"""What commands that change something share: the audit log is told that the operator acts (whoever has a shell on the
machine), what they did is committed, and a refusal is one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

from click import ClickException, Context
from flask.cli import AppGroup

from app.audit import circumstances
from app.audit.circumstances import OPERATOR, Circumstances
from app.errors import AppError
from app.extensions import db


class OperatorGroup(AppGroup):
    """Commands whose events are the operator's."""

    def invoke(self, ctx: Context) -> Any:
        """In a context of their own, which ends with the command."""
        return copy_context().run(self._as_operator, ctx)

    def _as_operator(self, ctx: Context) -> Any:
        circumstances.begin(Circumstances(actor=OPERATOR))
        return super().invoke(ctx)


@contextmanager
def committed() -> Iterator[None]:
    """Commit what the block does, or say why it was refused and exit 1."""
    try:
        yield
        db.session.commit()
    except AppError as error:
        raise ClickException(error.message) from None
