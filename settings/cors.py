"""The headers that pages of listed origins may send and read."""

CORS_REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "If-Match",
    "If-None-Match",
    "Idempotency-Key",
    "X-API-Key",
    "X-CSRF-Token",
    "X-Request-ID",
)
CORS_RESPONSE_HEADERS = (
    "ETag",
    "Location",
    "Link",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-ID",
    "X-Error-Code",
    "X-Error-Message",
    "Idempotency-Replayed",
    "Deprecation",
    "Sunset",
)
