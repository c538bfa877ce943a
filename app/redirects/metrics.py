"""What the visitors' door counts, for `/metrics`."""

from prometheus_client import Counter

_REDIRECTS = Counter("slugline_redirects", "Redirects sent, by the entrance that made them", ["entrance"])

FROM_WORKER = _REDIRECTS.labels("worker")
FROM_WSGI = _REDIRECTS.labels("wsgi")
FROM_FLASK = _REDIRECTS.labels("flask")
