"""Nginx with the committed configuration in front of a real Gunicorn and worker, over real TLS."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.conftest import PASSWORD
from tests.e2e.processes import PATIENCE, ROOT, eventually
from tests.servers import free_port
from tests.stopwatch import stopwatch
from tests.system.proxy import Proxy, nginx
from tests.system.wire import API, VISITOR, Answer, assert_one_shape, get, plain, post, read, send

# --- The way in ---


@pytest.fixture(params=["unix", "tcp"])
def either(request: pytest.FixtureRequest) -> Proxy:
    """Nginx by the unix socket, as Compose has it, and by TCP."""
    proxy: Proxy = request.getfixturevalue("proxy" if request.param == "unix" else "proxy_by_tcp")
    return proxy


@pytest.mark.asvs("12.2.1")
def test_the_main_job_is_done_over_tls(either):
    command = [sys.executable, "deploy/smoke.py", f"https://127.0.0.1:{either.https}"]
    trusting = {**os.environ, "SSL_CERT_FILE": str(either.certificate)}
    smoke = subprocess.run(command, cwd=ROOT, env=trusting, capture_output=True, text=True, check=False)
    assert smoke.returncode == 0, smoke.stdout


@pytest.mark.asvs("12.2.1")
def test_a_visitor_without_tls_is_sent_to_https_with_path_and_query(either):
    answer = plain(either, "GET /s/abc?x=1 HTTP/1.1")
    assert (answer.status, answer.headers["Location"]) == (301, "https://127.0.0.1/s/abc?x=1")


@pytest.mark.asvs("4.1.2", "12.2.1")
def test_the_api_without_tls_is_refused(proxy):
    assert_one_shape(plain(proxy, f"GET {API}/links HTTP/1.1"), 403, "HTTPS_REQUIRED")


@pytest.mark.asvs("12.1.1")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_refused(proxy, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", proxy.https), PATIENCE) as raw, pytest.raises(ssl.SSLError):
        context.wrap_socket(raw)


@pytest.mark.asvs("4.1.3", "15.3.4")
def test_what_a_client_says_of_its_address_is_ignored(either):
    account = {"email": f"spoof{either.https}@example.org", "password": PASSWORD}
    lies = ("X-Forwarded-For: 203.0.113.9", "Forwarded: for=203.0.113.9", "X-Real-IP: 203.0.113.9")
    assert post(either, f"{API}/auth/register", account).status == 201
    tokens = json.loads(post(either, f"{API}/auth/login", account, *lies, source=VISITOR).body)
    answer = get(either, f"{API}/auth/sessions", f"Authorization: Bearer {tokens['access_token']}")
    assert b"127.9.8.0/24" in answer.body
    assert b"203.0.113" not in answer.body


def test_a_sane_request_id_is_kept(proxy):
    assert (
        get(proxy, "/healthz", "X-Request-ID: abc-123.DEF_456").headers["X-Request-ID"] == "abc-123.DEF_456"
    )


@pytest.mark.asvs("1.2.3")
@pytest.mark.parametrize("sent", ["short", "with space inside", 'quote-"-in-it', "x" * 129])
def test_another_request_id_is_replaced_by_nginx(proxy, sent):
    assert_one_shape(get(proxy, "/metrics", f"X-Request-ID: {sent}"), 404, "NOT_FOUND")


@pytest.mark.asvs("13.4.5")
def test_metrics_are_not_public(proxy):
    assert_one_shape(get(proxy, "/metrics"), 404, "NOT_FOUND")


class Sealing(BaseHTTPRequestHandler):
    """Answers with three cookies as long as browsers take them (RFC 6265bis: 4,096 bytes each)."""

    def do_GET(self) -> None:
        self.send_response(200)
        for number in range(3):
            self.send_header("Set-Cookie", f"__Host-{number}=".ljust(4096, "x"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


def test_cookies_of_long_tokens_come_through(tls, tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Sealing) as upstream:
        threading.Thread(target=upstream.serve_forever, daemon=True).start()
        with nginx(upstream.server_port, tls, tmp_path) as proxy:
            answer = get(proxy, f"{API}/auth/login")
        upstream.shutdown()
    assert (answer.status, len(answer.headers.get_all("Set-Cookie"))) == (200, 3)


# --- Slow and many clients ---


def test_a_body_reaches_gunicorn_when_it_is_complete(proxy, spy):
    marker = b'{"email": "slow-client@example.org",'
    rest = b' "password": "x"}'
    length = len(marker) + len(rest)
    head = f"POST {API}/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with proxy.connect() as connection:
        connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode() + marker)
        time.sleep(1)
        assert marker not in spy.sent
        connection.sendall(rest)
        assert read(connection).status in (400, 401)
    assert marker + rest in spy.sent


def test_slow_clients_keep_nobody_waiting(proxy):
    """32 of either kind freeze Gunicorn's threads when nothing stands in front (traps.md)."""

    def overtaken() -> bool:
        """Whether somebody is answered while all of them wait still; Nginx lets them go after ten seconds."""
        with ExitStack() as stack:
            slow = [stack.enter_context(proxy.connect()) for _ in range(64)]
            for number, connection in enumerate(slow):
                whole_head = "\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n" if number % 2 else ""
                connection.sendall(f"POST {API}/auth/login HTTP/1.1{whole_head}".encode())
            with stopwatch() as taken:
                assert get(proxy, "/readyz", source=VISITOR).status == 200
                assert taken() < 2
            return all(waits(connection) for connection in slow)

    eventually(overtaken)


def waits(connection: ssl.SSLSocket) -> bool:
    """Whether nothing came, not even the end."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except ssl.SSLWantReadError:
        return True
    except OSError:  # reset
        return False
    return False


def test_one_client_with_too_many_requests_at_once_is_429(proxy):
    """And only that one: others are served."""

    def refused() -> Answer | None:
        """Where all are there at once: Nginx lets them go after ten seconds."""
        with ExitStack() as stack:
            for _ in range(100):
                connection = stack.enter_context(proxy.connect(VISITOR))
                connection.sendall(f"POST {API}/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n".encode())
            answers = (get(proxy, "/healthz", source=VISITOR) for _ in range(100))
            answer = next((found for found in answers if found.status == 429), None)
            assert get(proxy, "/healthz").status == 200
        return answer

    answer = eventually(refused)
    assert_one_shape(answer, 429, "RATE_LIMITED")
    assert answer.headers["Retry-After"] == "1"
    eventually(lambda: get(proxy, "/healthz", source=VISITOR).status == 200)  # as those behind find it


def test_connections_to_gunicorn_are_used_again(proxy, spy):
    get(proxy, "/healthz")
    before = spy.connections
    for _ in range(20):
        assert get(proxy, "/healthz").status == 200
    assert spy.connections - before <= 2  # each of two Nginx processes may open its first


# --- Compression and logs ---


def test_no_api_answer_is_compressed(proxy):
    answer = get(proxy, f"{API}/openapi.json", "Accept-Encoding: gzip")
    assert answer.status == 200
    assert len(answer.body) > 10_000
    assert "Content-Encoding" not in answer.headers


def test_a_links_etag_comes_through_and_if_match_holds(proxy):
    account = {"email": "etag@example.org", "password": PASSWORD}
    assert post(proxy, f"{API}/auth/register", account, source=VISITOR).status == 201
    token = json.loads(post(proxy, f"{API}/auth/login", account, source=VISITOR).body)["access_token"]
    bearer = f"Authorization: Bearer {token}"
    assert post(proxy, f"{API}/links", {"url": "https://example.org/", "code": "etag"}, bearer).status == 201
    path = f"{API}/links/etag"
    tag = get(proxy, path, bearer, "Accept-Encoding: gzip").headers["ETag"]
    assert get(proxy, path, bearer, "Accept-Encoding: gzip", f"If-None-Match: {tag}").status == 304
    change = {"title": "changed"}
    assert send(proxy, "PATCH", path, change, bearer, f"If-Match: {tag}").status == 200
    assert_one_shape(
        send(proxy, "PATCH", path, change, bearer, f"If-Match: {tag}"), 412, "PRECONDITION_FAILED"
    )


def test_the_docs_are_compressed_and_have_no_etag(proxy):
    answer = get(proxy, "/docs/swagger-ui-bundle.js", "Accept-Encoding: gzip")
    assert (answer.status, answer.headers["Content-Encoding"]) == (200, "gzip")
    assert "ETag" not in answer.headers


def logged(proxy: Proxy) -> str:
    """The first line of the access log that is of /s/logged, once it is there."""

    def whole() -> list[str]:
        lines = proxy.log.read_text().splitlines(keepends=True)
        return [line for line in lines if "/s/logged" in line and line.endswith("\n")]

    return eventually(whole)[0]


def test_the_log_names_neither_the_full_address_nor_the_query(proxy):
    for path in ("/s/logged?who=hidden-word", "/metrics?who=hidden-word"):
        get(proxy, path, source=VISITOR)
    entry = json.loads(logged(proxy))
    assert (entry["client"], entry["path"], entry["method"]) == ("127.9.8.0/24", "/s/logged", "GET")
    assert "hidden-word" not in proxy.log.read_text()
    assert VISITOR not in proxy.log.read_text()


def test_the_log_of_a_dead_application_names_neither(tls, tmp_path):
    with nginx(free_port(), tls, tmp_path) as proxy:
        get(proxy, "/s/logged?who=hidden-word", source=VISITOR)
        assert '"upstream_status":"502"' in logged(proxy)
    text = proxy.log.read_text()
    assert "hidden-word" not in text
    assert VISITOR not in text


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("2001:db8::1", "2001:db8::/48"),
        ("2001::1:2:3:4", "2001::/48"),
        ("::1", "::/48"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.0/24"),
    ],
)
def test_an_address_is_logged_shortened(tls, tmp_path, address, network):
    """No routed IPv6 address is on this machine: here Nginx believes a header instead."""
    believing = "set_real_ip_from 127.0.0.0/8; real_ip_header X-Test-Address;"
    with nginx(free_port(), tls, tmp_path, believing) as proxy:
        get(proxy, "/s/logged", f"X-Test-Address: {address}")
        assert json.loads(logged(proxy))["client"] == network
