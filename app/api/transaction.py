"""One commit a call: after the answer is rendered, before it is sent. Nouns add and flush."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy.orm.exc import StaleDataError

from app.api.conditional import is_conditional
from app.errors import AppError, Conflict, PreconditionFailed
from app.extensions import db

P = ParamSpec("P")
R = TypeVar("R")


def committed(view: Callable[P, R]) -> Callable[P, R]:
    """Wrap a view so that its work is committed when it answers and rolled back when it raises.

    Of two changes at once the later one is refused: 412 to a client that said which version it changes, else 409.
    A refusal that must leave a trace (`AppError.keeps`) is committed too, then raised.
    """

    @wraps(view)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            answer = view(*args, **kwargs)
            db.session.commit()
        except AppError as error:
            (db.session.commit if error.keeps else db.session.rollback)()
            raise
        except StaleDataError:
            db.session.rollback()
            raise (PreconditionFailed() if is_conditional() else Conflict()) from None
        except BaseException:
            db.session.rollback()
            raise
        return answer

    return wrapper
