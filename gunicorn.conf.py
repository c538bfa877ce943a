"""Gunicorn's settings: ``gunicorn -c gunicorn.conf.py wsgi:app``."""

from app import logs
from config import load

_settings = load()

bind = _settings.WEB_BIND
workers = _settings.WEB_WORKERS
threads = _settings.WEB_THREADS
worker_class = "app.web.server.Worker"
keepalive = 75  # seconds; longer than Nginx's upstream keepalive, so that Nginx closes first
graceful_timeout = 20
timeout = 30
# The application itself refuses more than 4 KiB with 414; this is the room in which it can.
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190
# Nobody but app.web.proxy reads what proxies say.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
# A second instance on the machine would steal the control socket under the home directory.
control_socket_disable = True
accesslog = None
logconfig_dict = logs.dict_config(_settings.LOG_LEVEL)
