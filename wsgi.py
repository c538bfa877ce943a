"""The WSGI application: ``gunicorn wsgi:app``, ``flask --app wsgi``."""

import gc

gc.disable()  # until all is loaded: nothing of it is garbage, and looking for some takes a sixth of the start

from app import create_app  # noqa: E402  # without the collector
from config import load  # noqa: E402  # so too

app = create_app(load())
# Nor will any of it be. To look through it keeps visitors waiting for 100 ms, makes the worker half as slow again,
# and adds half a second to the end of a process.
gc.freeze()
gc.enable()
