# syntax=docker/dockerfile:1
# One image for web, worker and migrations; docker-compose.yml names the command of each.

FROM python:3.11-slim-bookworm AS builder
COPY requirements.txt /tmp/requirements.txt
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /tmp/requirements.txt

FROM python:3.11-slim-bookworm
RUN groupadd --system --gid 10001 slugline \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent slugline \
 && install -d -o slugline -g slugline -m 0750 /var/lib/slugline
COPY --from=builder /opt/venv /opt/venv
WORKDIR /srv/slugline
COPY config.py wsgi.py gunicorn.conf.py ./
COPY migrations migrations
COPY settings settings
COPY app app
RUN python -m compileall -q .
# MALLOC_MMAP_THRESHOLD_: what pictures are decoded in goes back to the system, instead of staying with each thread that
# ever decoded one (mallopt(3)); eight threads kept 870 MB otherwise, and keep 410 MB so.
# No secret stands here: JWT_SECRET, SECRET_KEY and the rest come from the environment, or nothing starts.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MALLOC_MMAP_THRESHOLD_=1048576 \
    FLASK_CONFIG=production \
    WEB_BIND=0.0.0.0:8000 \
    DATA_DIR=/var/lib/slugline
USER 10001:10001
# SQLite (when there is no DATABASE_URL) and the spool of clicks, which web and worker share.
VOLUME /var/lib/slugline
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=4s --start-period=20s --start-interval=1s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
CMD ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
