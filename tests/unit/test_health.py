import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from stream import health
from stream.errors import ConfigurationError, ExitCode
from stream.health import MAX_CONNECTIONS, Answer, Health, Server, State, pages


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def body(answer: Answer) -> dict[str, object]:
    found = json.loads(answer.body)
    assert isinstance(found, dict)
    return found


def test_a_loop_that_goes_round_is_live_and_one_that_stands_still_is_not() -> None:
    clock = Clock()
    h = Health(clock, stale_after_s=30)
    assert h.live().status == 200, "starting is not stuck"
    clock.now += 31
    assert h.live().status == 503
    h.beat(clock.now)
    assert h.live().status == 200
    assert body(h.live()) == {"live": True, "last_iteration_age_seconds": 0.0}


@pytest.mark.parametrize("state", list(State))
def test_liveness_never_depends_on_the_state(state: State) -> None:
    h = Health(Clock())
    h.set_state(state, "the broker is away")
    assert h.live().status == 200


def test_ready_is_running_and_assigned_and_otherwise_says_why() -> None:
    h = Health(Clock())
    assert (h.ready().status, body(h.ready())["state"]) == (503, "starting")
    h.set_state(State.RUNNING)
    assert h.ready().status == 503
    assert "no partition" in str(body(h.ready())["reason"])
    h.set_assigned(3)
    assert body(h.ready()) == {"ready": True, "state": "running", "reason": "", "assigned_partitions": 3}
    for state, reason in [(State.PAUSED, "registry does not answer"), (State.DRAINING, "SIGTERM"), (State.FAILED, "x")]:
        h.set_state(state, reason)
        assert h.ready().status == 503
        assert (body(h.ready())["state"], body(h.ready())["reason"]) == (state.value, reason)


@pytest.fixture
def server() -> Iterator[Server]:
    h = Health(time.monotonic)
    s = Server("127.0.0.1:0", pages(h, lambda accept: (f"accept={accept}".encode(), "text/plain")), time.monotonic, 0.4)
    yield s
    s.close()


def get(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes, str]:
    request = urllib.request.Request(f"http://{server.address}{path}", method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read(), answer.headers["Content-Type"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers["Content-Type"]


def test_the_server_has_the_pages_and_an_index_of_them(server: Server) -> None:
    assert get(server, "/metrics", Accept="text/plain") == (200, b"accept=text/plain", "text/plain")
    assert get(server, "/livez")[0] == 200
    status, text, content_type = get(server, "/readyz?verbose")
    assert (status, content_type, json.loads(text)["state"]) == (503, "application/json", "starting")
    for path in (b"/metrics", b"/livez", b"/readyz"):
        assert path in get(server, "/")[1]
    assert get(server, "/nothing")[0] == 404
    assert get(server, "/livez", method="HEAD")[:2] == (200, b"")
    assert get(server, "/livez", method="POST")[0] == 501


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigurationError, match=f"STREAM_HTTP_ADDRESS={address} is in use by another process"):
            Server(address, {}, time.monotonic)


@pytest.mark.parametrize("address", ["", "9464", ":9464", "localhost", "localhost:http", "127.0.0.1:70000"])
def test_what_is_no_address_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is not host:port, such as 127\.0\.0\.1:9464") as caught:
        Server(address, {}, time.monotonic)
    assert caught.value.exit_code is ExitCode.CONFIGURATION


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Server("192.0.2.1:9464", {}, time.monotonic)


def test_silent_clients_cannot_keep_others_out(server: Server) -> None:
    silent = [socket.create_connection(tuple(server.address.split(":"))) for _ in range(MAX_CONNECTIONS)]
    deadline = time.monotonic() + 5
    while True:
        try:
            assert get(server, "/livez")[0] == 200
            break
        except OSError:  # full: closed at once
            assert time.monotonic() < deadline
            time.sleep(0.05)
    for s in silent:
        s.settimeout(5)
        assert s.recv(100) == b"", "the server ended the connection"
        s.close()


def test_a_client_that_drips_is_ended_with_its_connection(server: Server) -> None:
    with socket.create_connection(tuple(server.address.split(":"))) as s:
        s.settimeout(5)
        s.sendall(b"GET / HTTP/1.0\r\n")
        ended = threading.Event()

        def drip() -> None:
            while not ended.wait(0.05):
                try:
                    s.sendall(b"X")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert s.recv(100) == b""
        except ConnectionResetError:
            pass
        finally:
            ended.set()
            thread.join()


def test_a_client_that_leaves_without_reading_hurts_nobody(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(20):
        with socket.create_connection(tuple(server.address.split(":"))) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # reset on close
            s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    assert get(server, "/livez")[0] == 200
    assert [r for r in caplog.records if r.levelname == "ERROR"] == []


def test_a_defect_in_a_page_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_accept: str) -> Answer:
        raise RuntimeError("a defect")

    s = Server("127.0.0.1:0", {"/": broken}, time.monotonic)
    try:
        with pytest.raises(OSError, match="without response"):
            get(s, "/")
    finally:
        s.close()
    assert "a defect" in caplog.text


def test_closing_frees_the_port() -> None:
    first = Server("127.0.0.1:0", {}, time.monotonic)
    address = first.address
    first.close()
    Server(address, {}, time.monotonic).close()


def test_the_index_names_every_page() -> None:
    served = pages(Health(Clock()), lambda accept: (b"", accept))
    assert all(path in health.INDEX.decode() for path in served)
