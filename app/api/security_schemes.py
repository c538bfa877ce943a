"""The credentials that operations take, as the OpenAPI document names them."""

from app.api.transport import PREFIX

SECURITY_SCHEMES: dict[str, dict[str, str]] = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access_token of POST /auth/login; 15 minutes.",
    },
    "refreshToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The refresh_token of POST /auth/login; 7 days, good once.",
    },
    "accessCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": f"{PREFIX}slugline_access",
        "description": "For pages of this site, instead of a token: set by POST /auth/login with `transport`: "
        f"`cookie`. Each change takes X-CSRF-Token besides. Without HTTPS the name has no `{PREFIX}`.",
    },
    "refreshCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": f"{PREFIX}slugline_refresh",
        "description": "Set beside it; good once.",
    },
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "sl_<id>_<secret>",
        "description": "The key of POST /api-keys.",
    },
    "apiKeyHeader": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The key of POST /api-keys.",
    },
    "apiKeyBasic": {
        "type": "http",
        "scheme": "basic",
        "description": "The key of POST /api-keys as user name; the password is ignored.",
    },
}
SCHEMES_OF_TOKEN = {"access": ("accessToken", "accessCookie"), "refresh": ("refreshToken", "refreshCookie")}
