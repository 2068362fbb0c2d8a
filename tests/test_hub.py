"""The probe: quick, honest, and obedient to the variables that huggingface_hub knows."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import close_session

from lora_repro import hub


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme.upper()}_PROXY", raising=False)
    forget()
    yield
    forget()


def forget() -> None:
    """The answer, and the client with the proxies that it was made for."""
    hub.hub_reachable.cache_clear()
    close_session()


class Answer(BaseHTTPRequestHandler):
    """Any request gets the server's `status`."""

    def do_HEAD(self) -> None:
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as listening:
        listening.status = getattr(request, "param", 200)
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        yield listening.server_port
        listening.shutdown()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.mark.parametrize(
    ("server", "reachable"), [(200, True), (302, True), (404, True), (503, False)], indirect=["server"]
)
def test_an_endpoint_that_answers(server: int, reachable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server}")
    assert hub.hub_reachable() is reachable


def test_an_endpoint_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    assert not hub.hub_reachable()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_open_port_that_never_answers(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"{scheme}://127.0.0.1:{silent.getsockname()[1]}")
        start = time.perf_counter()
        assert not hub.hub_reachable(0.3)
        assert time.perf_counter() - start < 2


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
@pytest.mark.parametrize("value", ["1", "true", "YES"])
def test_offline_by_order(name: str, value: str, server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server}")
    monkeypatch.setenv(name, value)
    assert not hub.hub_reachable()


def test_the_proxy_is_what_must_answer(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    monkeypatch.setenv("http_proxy", f"127.0.0.1:{server}")
    assert hub.hub_reachable()


@pytest.mark.parametrize("endpoint", ["http://hub.invalid", "nonsense", "http://[bad"])
def test_an_endpoint_that_is_no_address_is_unreachable(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    start = time.perf_counter()
    assert not hub.hub_reachable()
    assert time.perf_counter() - start < 3


def test_slow_name_resolution_does_not_hold_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: time.sleep(5))
    start = time.perf_counter()
    assert not hub.hub_reachable(0.2)
    assert time.perf_counter() - start < 2


def test_asked_once(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server}")
    assert hub.hub_reachable()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert hub.hub_reachable()  # the answer of this process stands
