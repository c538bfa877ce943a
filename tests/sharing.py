"""An application that many tests share, because they ask and change nothing."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask

from app import create_app
from app.extensions import db
from config import load
from tests.conftest import environment


@contextmanager
def shared(template: Path, folder: Path, **changes: str) -> Iterator[Flask]:
    """An application on a copy of the migrated SQLite file `template`, its data in `folder`."""
    shutil.copy(template, folder / "slugline.db")
    app = create_app(load({**environment(f"sqlite:///{folder}/slugline.db", folder), **changes}))
    yield app
    with app.app_context():
        db.engine.dispose()
