"""The hot worker as if Gunicorn had come in another version than those it was tested with."""

from app.redirects import worker

worker.TESTED = ()
Worker = worker.Worker
