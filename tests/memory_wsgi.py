"""The web application with its clicks kept in memory and written to the spool now and then: the design that the
ledger must catch. Not a setting of the product, a WSGI module of the tests (``gunicorn tests.memory_wsgi:app``)."""

import atexit
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from flask import Flask

from app import create_app
from app.clicks.line import Kind
from app.clicks.recorder import Recorder, Visit, recorder
from config import load

PERIOD = 0.5  # seconds between two writes


class MemoryRecorder:
    """Says that a click is safe as soon as it is in a list. Loses none at a graceful end."""

    def __init__(self, app: Flask, kept: Recorder) -> None:
        self._app = app
        self._recorder = kept
        self._clicks: list[tuple[int, Kind, Visit, datetime]] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._write_for_ever, daemon=True).start()
        atexit.register(self._write)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recorder, name)

    def record(self, link_id: int, kind: Kind, visit: Visit, now: datetime) -> bool:
        with self._lock:
            self._clicks.append((link_id, kind, visit, now))
        return True

    def record_clicks(self, visits: Iterable[tuple[int, Visit]], now: datetime) -> bool:
        return all(self.record(link_id, "click", visit, now) for link_id, visit in visits)

    def _write_for_ever(self) -> None:
        while True:
            time.sleep(PERIOD)
            self._write()

    def _write(self) -> None:
        with self._lock:
            clicks, self._clicks = self._clicks, []
        with self._app.app_context():
            for click in clicks:
                self._recorder.record(*click)


def _forgetful() -> Flask:
    app = create_app(load())
    with app.app_context():
        kept = recorder()
    app.extensions["slugline_recorder"] = MemoryRecorder(app, kept)
    return app


app = _forgetful()
