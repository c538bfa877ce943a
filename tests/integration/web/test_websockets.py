"""app/web/websockets.py: who offers a WebSocket is answered in HTTP."""

import pytest

from tests.conftest import AppFactory

OFFER = {"Connection": "keep-alive, Upgrade", "Upgrade": "websocket"}


@pytest.mark.parametrize(
    "headers", [OFFER, {"X-Forwarded-Proto": "wss"}, {"X-Forwarded-Proto": "ws", **OFFER}]
)
def test_an_offer_of_a_websocket_changes_no_answer(make_app: AppFactory, headers: dict[str, str]) -> None:
    client = make_app(PROXY_HOPS="1").test_client()
    for path, status in {"/healthz": 200, "/api/v1/links": 401, "/s/nope": 404}.items():
        assert client.get(path, headers=headers).status_code == status
        assert client.head(path, headers=headers).status_code == status
        refused = client.put(path, headers=headers)
        assert refused.status_code == 405
        assert "GET" in refused.headers["Allow"]


@pytest.mark.parametrize(("scheme", "status"), [("wss", 404), ("ws", 301)])
def test_wss_is_as_good_as_https(make_app: AppFactory, scheme: str, status: int) -> None:
    app = make_app(PROXY_HOPS="1", FORCE_HTTPS="true", PUBLIC_URL="https://sho.rt")
    assert app.test_client().get("/nothing", headers={"X-Forwarded-Proto": scheme}).status_code == status
