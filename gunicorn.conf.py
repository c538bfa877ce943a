"""Gunicorn's settings: ``gunicorn -c gunicorn.conf.py wsgi:app``."""

import gc
import os
import shutil
import tempfile
from typing import Any

from config import load

gc.disable()  # until all is loaded, as in wsgi.py: `app.logs` brings the whole application

_settings = load()

if _settings.WEB_WORKERS > 1:
    # One /metrics for all processes. prometheus_client reads this when it is first imported, hence before `app`.
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="slugline-metrics-"))

from prometheus_client import multiprocess  # noqa: E402 - after the variable it reads

from app import logs  # noqa: E402 - imports prometheus_client too

gc.freeze()
gc.enable()

bind = _settings.WEB_BIND
workers = _settings.WEB_WORKERS
threads = _settings.WEB_THREADS
worker_class = "app.redirects.worker.Worker"
keepalive = 75  # seconds; longer than Nginx's upstream keepalive, so that Nginx closes first
graceful_timeout = 20
timeout = 30
# The application itself refuses more than 4 KiB with 414; this is the room in which it can.
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190
# Nobody but app.web.proxy reads what proxies say. Who comes by a unix socket is believed whatever the addresses are:
# by default SCRIPT_NAME too, as a header.
forwarded_allow_ips = forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}
# A second instance on the machine would steal the control socket under the home directory.
control_socket_disable = True
accesslog = None
logconfig_dict = logs.dict_config(_settings.LOG_LEVEL)


def child_exit(_server: Any, worker: Any) -> None:
    """Gunicorn's hook: a process that is gone leaves its counts, not its gauges."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.mark_process_dead(worker.pid)


def on_exit(_server: Any) -> None:
    """Gunicorn's hook: the counts of all processes go with the last."""
    if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        shutil.rmtree(folder, ignore_errors=True)
