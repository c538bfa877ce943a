"""Security headers on every answer (OWASP Secure Headers). A door that needs less strict ones sets its own."""

from flask import Flask, Response, current_app, request

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
UNLESS_SET = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
HSTS = "max-age=31536000"


def init_app(app: Flask) -> None:
    app.after_request(_secure)


def _secure(response: Response) -> Response:
    if current_app.config["FORCE_HTTPS"] and request.is_secure:
        response.headers["Strict-Transport-Security"] = HSTS
    for name, value in (ALWAYS | UNLESS_SET).items():
        response.headers.setdefault(name, value)
    if request.path.startswith("/api/"):
        response.headers.setdefault("Cache-Control", "no-store")
        # For fetches without CORS: what cookies read is nothing for a picture or a script of another host's page.
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if current_app.config["CORS_ORIGINS"]:
            response.vary.add("Origin")
    return response
