"""The WSGI application: ``gunicorn wsgi:app``, ``flask --app wsgi``."""

from app import create_app
from config import load

app = create_app(load())
