"""The columns of the conformance table: what HTTP asks of every route, and how each is seen to fail."""

import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from app.accounts.one_time import EMAIL
from tests.authenticator import Authenticator
from tests.conftest import PASSWORD, Caller, sign_up
from tests.factors import add_passkey, code, passkey_options, start_totp, with_totp
from tests.guards.routes import METHODS, PREFIX, Route, paths
from tests.issuer import NAME as HOUSE
from tests.issuer import Issuer, came_back, lend, linked
from tests.mailbox import PURPOSES, issued
from tests.making import URL, picture, send_picture, set_role

Environ = dict[str, Any]
Headers = list[tuple[str, str]]

JUDGED = "tests.judged"
LARGE = b'{"zzz": "' + b"x" * 5_000_000 + b'"}'  # more than any route takes
STALE = '"999-0123456789ab"'
API_KEY = {"name": "k", "scopes": ["links:read"]}
RESIDENT_ID = "req_of_the_client"
# What differs between two answers to one request.
VARYING = {"date", "x-request-id", "ratelimit", "x-ratelimit-remaining", "x-ratelimit-reset"}
# What leaves a caller without account, session, password or room: each call needs a new one.
SPENDING = {
    "POST /auth/refresh",
    "POST /auth/logout",
    "DELETE /auth/sessions",
    "DELETE /auth/sessions/<session_id>",
    "DELETE /users/me",
    "PUT /users/me/password",
    "POST /api-keys",  # an account has room for 50
    "POST /auth/password/reset",
    "POST /auth/email/confirm",
    # What takes somebody who has just signed in.
    "POST /auth/passkey",
    "POST /users/me/totp",
    "POST /users/me/totp/confirm",
    "DELETE /users/me/totp",
    "POST /users/me/recovery-codes",
    "POST /users/me/passkey-options",
    "POST /users/me/passkeys",
    "DELETE /users/me/passkeys/<passkey_id>",
    "GET /users/me/export",
}
WITH_TOTP = {"DELETE /users/me/totp", "POST /users/me/recovery-codes"}


class Stage:
    """An application, somebody who may call all of it, and a good request for each route."""

    def __init__(self, app: Flask, issuer: Issuer) -> None:
        self._app = app
        self._issuer = issuer
        lend(app, issuer)
        self._numbers = itertools.count(1)
        self.resident = sign_up(app, "resident")
        set_role(app, self.resident, "admin")

    def caller(self, route: Route) -> Caller:
        if name(route) not in SPENDING:
            return self.resident
        guest = sign_up(self._app, "guest")
        if name(route) in WITH_TOTP:
            with_totp(guest)
        return guest

    @contextmanager
    def set(self, **settings: Any) -> Iterator[None]:
        """Settings that are asked for at each request."""
        before = {name: self._app.config[name] for name in settings}
        self._app.config.update(settings)
        yield
        self._app.config.update(before)

    @contextmanager
    def spoilt(self, spoil: "Spoilt") -> Iterator[None]:
        own = self._app.wsgi_app
        self._app.wsgi_app = spoil(own)  # type: ignore[method-assign]  # how Flask lets it be wrapped
        yield
        self._app.wsgi_app = own  # type: ignore[method-assign]  # and unwrapped

    def forget_limits(self) -> None:
        self._app.extensions["limits"].store.storage.reset()

    def new_code(self) -> str:
        return f"c{next(self._numbers)}"

    def good(self, route: Route, caller: Caller | None = None, **options: Any) -> TestResponse:
        """Call the route so that it succeeds, but for what `options` (headers, data, method) change."""
        caller = caller or self.caller(route)
        headers = {"Authorization": f"Bearer {self._token(route, caller)}", **options.pop("headers", {})}
        if route.takes_body and "data" not in options:
            options |= {"json": self._body(name(route), caller)}
        if route.takes_file and "data" not in options:
            options |= {"data": {"avatar": (io.BytesIO(picture()), "me.png")}}
        method = options.pop("method", route.method)
        path = options.pop("path", None) or self.path(route, caller)
        return self.judged(caller, method, path, headers=headers, **options)

    @staticmethod
    def judged(caller: Caller, method: str, path: str, **options: Any) -> TestResponse:
        """Call what a column looks at; all other calls are preparations, and are never spoilt."""
        environ = {JUDGED: True, **options.pop("environ_overrides", {})}
        return caller.call(method, path, environ_overrides=environ, **options)

    def path(self, route: Route, caller: Caller) -> str:
        """The route's path, filled in with what is the caller's own."""
        rule = route.rule.removeprefix(PREFIX).replace("<provider>", HOUSE)
        if "<identity_id>" in rule:
            return rule.replace("<identity_id>", linked(caller, self._issuer))
        if "<session_id>" in rule:
            own = caller.get("/auth/sessions").json["items"][0]["id"]
            return rule.replace("<session_id>", own)
        if rule.endswith("/avatar"):
            send_picture(caller)
        if name(route) == "DELETE /users/<user_id>":
            return rule.replace("<user_id>", sign_up(self._app, "leaver").id)
        if "<host>" in rule:
            return rule.replace("<host>", self._host(caller))
        if "<key_id>" in rule:
            return rule.replace("<key_id>", self._key(caller))
        if "<passkey_id>" in rule:
            add_passkey(caller)
            return rule.replace("<passkey_id>", caller.get("/users/me/passkeys").json["items"][0]["id"])
        return rule.replace("<user_id>", caller.id).replace("<code>", self._code(route, caller))

    def _host(self, caller: Caller) -> str:
        host = f"d{next(self._numbers)}.example.net"
        made = caller.post("/domains", json={"host": host})
        assert made.status_code == 201, made.text
        return host

    @staticmethod
    def _key(caller: Caller) -> str:
        kept = caller.get("/api-keys").json["items"] or [caller.post("/api-keys", json=API_KEY).json]
        return str(kept[0]["id"])

    def _code(self, route: Route, caller: Caller) -> str:
        if "<code>" not in route.rule:
            return ""
        code = self.new_code()
        made = caller.put(f"/links/{code}", json={"url": URL}, headers={"If-None-Match": "*"})
        assert made.status_code == 201, made.text
        if route.rule.endswith("/restore"):
            caller.delete(f"/links/{code}", headers={"If-Match": "*"})
        if name(route) == "DELETE /links/<code>/block":
            caller.put(f"/links/{code}/block", json={"reason": "phishing"}, headers={"If-Match": "*"})
        return code

    def _body(self, route: str, caller: Caller) -> dict[str, Any]:
        number = next(self._numbers)
        if purpose := PURPOSES.get(route.removeprefix("POST ")):
            token = issued(caller, purpose, f"new{number}@example.net" if purpose == EMAIL else None)
            return {"token": token, "password": PASSWORD}
        if made := self._proof(route, caller):
            return made
        if route.startswith("POST /auth/oidc"):
            begin = route.removeprefix("POST ").removesuffix("/complete").replace("<provider>", HOUSE)
            return (
                came_back(caller, self._issuer, begin) if route.endswith("/complete") else {"return_to": "/"}
            )
        return {
            "POST /auth/register": {"email": f"new{number}@example.net", "password": PASSWORD},
            "POST /auth/login": {"email": caller.email, "password": PASSWORD},
            "POST /auth/verify/resend": {"email": f"new{number}@example.net"},
            "POST /auth/password/forgot": {"email": f"new{number}@example.net"},
            "PATCH /users/me": {"name": "Ada"},
            "PUT /users/me/email": {"email": f"new{number}@example.net", "password": PASSWORD},
            "PUT /users/me/password": {"current_password": PASSWORD, "new_password": f"{PASSWORD} {number}"},
            "PATCH /users/<user_id>": {"role": "admin"},
            "PATCH /links/<code>": {"title": f"{number}"},
            "PUT /links/<code>/block": {"reason": f"{number}"},
            "POST /domains": {"host": f"new{number}.example.net"},
            "POST /api-keys": API_KEY,
            "PATCH /api-keys/<key_id>": {"name": f"{number}"},
            "POST /api-keys/<key_id>/rotate": {},
            "POST /links/batch": {"items": [{"op": "create", "link": {"url": URL}}]},
        }.get(route, {"url": URL})

    @staticmethod
    def _proof(route: str, caller: Caller) -> dict[str, Any]:
        """A body that only an authenticator can make."""
        if route == "POST /users/me/totp/confirm":
            return {"code": code(start_totp(caller))}
        if route == "POST /users/me/passkeys":
            return {"credential": Authenticator().create(caller.post("/users/me/passkey-options").json)}
        if route == "POST /auth/passkey":
            return {"credential": add_passkey(caller).get(passkey_options(caller))}
        return {"password": PASSWORD} if route == "POST /auth/reauthenticate" else {}

    @staticmethod
    def _token(route: Route, caller: Caller) -> str | None:
        return caller.refresh_token if name(route) == "POST /auth/refresh" else caller.token


def name(route: Route) -> str:
    return f"{route.method} {route.rule.removeprefix(PREFIX)}"


def has_shape(answer: TestResponse, status: int, code: str) -> bool:
    """Whether it is this refusal, in the one shape of errors."""
    try:
        error = json.loads(answer.data)["error"]
        same = error["code"] == code == answer.headers["X-Error-Code"]
    except (ValueError, KeyError, TypeError):
        return False
    return bool(
        same and answer.status_code == status and error["request_id"] == answer.headers.get("X-Request-ID")
    )


# --- The columns: True, False, or None where the route has nothing to show ---


def head(stage: Stage, route: Route) -> bool | None:
    if route.method != "GET":
        return None
    caller = stage.caller(route)
    path = stage.path(route, caller)
    two = [stage.good(route, caller, method=method, path=path) for method in ("GET", "HEAD")]
    shown = [{k.lower(): v for k, v in a.headers.items() if k.lower() not in VARYING} for a in two]
    return two[0].status_code == two[1].status_code == 200 and shown[0] == shown[1] and two[1].data == b""


def unanswered_method(stage: Stage, route: Route) -> bool | None:
    answered = paths()[route.path]
    allowed = answered | {"OPTIONS"} | ({"HEAD"} if "GET" in answered else set())
    path = route.path.removeprefix(PREFIX)
    answers = [stage.good(route, method=method, data=b"", path=path) for method in {*METHODS} - answered]
    if not answers:
        return None
    return all(
        has_shape(a, 405, "METHOD_NOT_ALLOWED") and set(a.headers.get("Allow", "").split(", ")) == allowed
        for a in answers
    )


def options(stage: Stage, route: Route) -> bool | None:
    answer = stage.good(route, method="OPTIONS", data=b"", path=route.path.removeprefix(PREFIX))
    return answer.status_code == 200 and route.method in answer.headers.get("Allow", "").split(", ")


def not_acceptable(stage: Stage, route: Route) -> bool | None:
    if not route.offers:
        return None
    return has_shape(stage.good(route, headers={"Accept": "image/gif"}), 406, "NOT_ACCEPTABLE")


def large(stage: Stage, route: Route) -> bool | None:
    if route.method == "GET":
        return None
    return has_shape(stage.good(route, data=LARGE, content_type="application/json"), 413, "PAYLOAD_TOO_LARGE")


def large_in_chunks(stage: Stage, route: Route) -> bool | None:
    if route.method == "GET":
        return None
    chunked = {
        "wsgi.input": io.BytesIO(LARGE),
        "wsgi.input_terminated": True,
        "CONTENT_TYPE": "application/json",
    }
    return has_shape(stage.good(route, data=None, environ_overrides=chunked), 413, "PAYLOAD_TOO_LARGE")


def other_type(stage: Stage, route: Route) -> bool | None:
    if not route.takes_body:
        return None
    return has_shape(stage.good(route, data=b"{}", content_type="text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE")


def not_modified(stage: Stage, route: Route) -> bool | None:
    if not (route.conditional and route.method == "GET"):
        return None
    caller = stage.caller(route)
    path = stage.path(route, caller)
    tag = stage.good(route, caller, path=path).headers.get("ETag", "")
    return stage.good(route, caller, path=path, headers={"If-None-Match": tag}).status_code == 304


def precondition_failed(stage: Stage, route: Route) -> bool | None:
    if not changes(route):
        return None
    return has_shape(stage.good(route, headers={"If-Match": STALE}), 412, "PRECONDITION_FAILED")


def precondition_required(stage: Stage, route: Route) -> bool | None:
    if not changes(route):
        return None
    return has_shape(stage.good(route), 428, "PRECONDITION_REQUIRED")


def retry_after(stage: Stage, route: Route) -> bool | None:
    """The second call of a minute that has room for one."""
    stage.forget_limits()
    own = route.access.is_verified
    stage.resident.call(
        "GET", "/users/me" if own else "/nowhere", headers={} if own else {"Authorization": "Bearer x"}
    )
    answer = stage.judged(stage.resident, route.method, route.path.removeprefix(PREFIX))
    wait = answer.headers.get("Retry-After", "")
    return has_shape(answer, 429, "RATE_LIMITED") and wait.isdigit() and 1 <= int(wait) <= 60


def challenge(stage: Stage, route: Route) -> bool | None:
    if route.access.kind == "public":
        return None
    answer = stage.good(route, headers={"Authorization": ""})
    return has_shape(answer, 401, "AUTH_REQUIRED") and "WWW-Authenticate" in answer.headers


def location(stage: Stage, route: Route) -> bool | None:
    caller = stage.caller(route)
    path = f"/links/{stage.new_code()}" if name(route) == "PUT /links/<code>" else None
    answer = stage.good(route, caller, path=path)
    if answer.status_code != 201:
        return None
    to = answer.headers.get("Location", "/api/v1/nowhere").removeprefix(PREFIX)
    readable = {200} if route.access.is_verified else {200, 404}  # a new account is not its caller's
    return "Location" in answer.headers and caller.get(to).status_code in readable


def request_id(stage: Stage, route: Route) -> bool | None:
    answer = stage.good(route, headers={"X-Request-ID": RESIDENT_ID})
    return answer.status_code < 300 and answer.headers.get("X-Request-ID") == RESIDENT_ID


def error_shape(stage: Stage, route: Route) -> bool | None:
    path = route.path.removeprefix(PREFIX)
    return has_shape(stage.good(route, path=f"{path}?zzz=1"), 400, "VALIDATION_ERROR") and has_shape(
        stage.good(route, path=f"{path}/x/y/z"), 404, "NOT_FOUND"
    )


def changes(route: Route) -> bool:
    return route.conditional and route.method in ("PUT", "PATCH", "DELETE")


# --- How each is spoilt, so that it has to turn red ---


class Spoilt:
    """A WSGI application that loses headers of the request or the answer on the way."""

    def __init__(
        self,
        *,
        asked: Iterable[str] = (),
        answered: Iterable[str] = (),
        sets: Environ | None = None,
        body: bytes = b"",
        method: str = "",
    ) -> None:
        self._asked, self._answered = tuple(asked), {name.lower() for name in answered}
        self._sets, self._body, self._method = sets or {}, body, method

    def __call__(self, wsgi: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        def spoilt(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
            if JUDGED not in environ or self._method not in ("", environ["REQUEST_METHOD"]):
                return wsgi(environ, start_response)
            for key in self._asked:
                environ.pop(key, None)
            environ.update(self._sets)

            def start(status: str, headers: Headers, *rest: Any) -> Any:
                return start_response(
                    status, [h for h in headers if h[0].lower() not in self._answered], *rest
                )

            answer = wsgi(environ, start)
            return [self._body] if self._body else answer

        return spoilt


@dataclass(frozen=True)
class Column:
    """`settings` hold while `check` asks; `spoil` and the settings `spoilt` break what it looks at."""

    title: str
    check: Callable[[Stage, Route], bool | None]
    spoil: Spoilt = field(default_factory=Spoilt)
    settings: dict[str, Any] = field(default_factory=dict)
    spoilt: dict[str, Any] = field(default_factory=dict)


LIMITED = {"LIMIT_ADMIN": "1/minute", "LIMIT_ANONYMOUS": "1/minute"}
COLUMNS = (
    Column("HEAD", head, Spoilt(answered=["Content-Length"], method="HEAD")),
    Column("405 Allow", unanswered_method, Spoilt(answered=["Allow"])),
    Column("OPTIONS", options, Spoilt(answered=["Allow"])),
    Column("406", not_acceptable, Spoilt(asked=["HTTP_ACCEPT"])),
    Column("413 length", large, Spoilt(sets={"CONTENT_LENGTH": "2"})),
    Column("413 chunked", large_in_chunks, Spoilt(sets={"wsgi.input_terminated": False})),
    Column("415", other_type, Spoilt(sets={"CONTENT_TYPE": "application/json"})),
    Column("304", not_modified, Spoilt(asked=["HTTP_IF_NONE_MATCH"])),
    Column("412", precondition_failed, Spoilt(asked=["HTTP_IF_MATCH"])),
    Column(
        "428",
        precondition_required,
        settings={"REQUIRE_PRECONDITIONS": True},
        spoilt={"REQUIRE_PRECONDITIONS": False},
    ),
    Column("429 Retry-After", retry_after, Spoilt(answered=["Retry-After"]), LIMITED),
    Column("401 challenge", challenge, Spoilt(answered=["WWW-Authenticate"])),
    Column("201 Location", location, Spoilt(answered=["Location"])),
    Column("X-Request-ID", request_id, Spoilt(answered=["X-Request-ID"])),
    Column("error shape", error_shape, Spoilt(body=b'{"msg": "no"}')),
)
