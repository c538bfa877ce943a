"""Slugline without its fast entrances, so that the Flask route answers every redirect
(``gunicorn bench.flask_alone:app``): a module of the measurements, not a setting of the product."""

from app import create_app
from app.redirects.wsgi import PlainHits
from config import load

app = create_app(load())
assert isinstance(app.wsgi_app, PlainHits)
app.wsgi_app = app.wsgi_app.behind  # type: ignore[method-assign]  # how Flask says to wrap an application
