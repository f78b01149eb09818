"""The proxy between a client and a broker that are both a few lines of this file."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from stream.chaos.proxy import Proxy, Request, Then
from stream.chaos.proxy.apis import api_name, require_api
from stream.chaos.proxy.frames import parse_request
from stream.chaos.proxy.rules import MAX_RULES

PATIENCE_S = 10.0
PRODUCE, METADATA, HEARTBEAT, END_TXN = 0, 3, 12, 26


def request(api: int, number: int, client: str = "p-producer", body: bytes = b"") -> bytes:
    name = client.encode()
    return struct.pack(">hhih", api, 1, number, len(name)) + name + body


def read_exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionError("closed")
        data += more
    return data


def receive(connection: socket.socket) -> bytes:
    return read_exactly(connection, int.from_bytes(read_exactly(connection, 4), "big"))


def send(connection: socket.socket, frame: bytes) -> None:
    connection.sendall(len(frame).to_bytes(4, "big") + frame)


@dataclass
class Broker:
    """Answers each request with its correlation id and "ok"; notes the ids in the order in which they came."""

    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    seen: list[int] = field(default_factory=list)
    _open: list[socket.socket] = field(default_factory=list)

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self._open:
            connection.close()

    def hang_up(self) -> None:
        for connection in self._open:
            connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                found = parse_request(receive(connection))
                self.seen.append(found.correlation_id)
                send(connection, found.correlation_id.to_bytes(4, "big") + b"ok")


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.001)


@dataclass
class Client:
    connection: socket.socket

    def send(self, *frames: bytes) -> None:
        for frame in frames:
            send(self.connection, frame)

    def answer(self) -> int:
        """The correlation id of the next answer."""
        return int.from_bytes(receive(self.connection)[:4], "big")

    def ask(self, api: int, number: int, client: str = "p-producer") -> int:
        self.send(request(api, number, client))
        return self.answer()

    def silent(self) -> bool:
        """Whether there is nothing to read and the connection is open."""
        self.connection.setblocking(False)
        try:
            return self.connection.recv(1) is None
        except BlockingIOError:
            return True
        finally:
            self.connection.settimeout(PATIENCE_S)

    def is_cut(self) -> bool:
        """Whether the proxy closes the connection, without another byte."""
        with contextlib.suppress(ConnectionError):
            return self.connection.recv(1) == b""
        return True


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = Broker()
    thread = threading.Thread(target=broker.serve, daemon=True)
    thread.start()
    yield broker
    broker.close()
    thread.join(PATIENCE_S)


@pytest.fixture
def proxy(broker: Broker) -> Iterator[Proxy]:
    with Proxy() as proxy:
        proxy.forward_to([broker.port])
        yield proxy


@pytest.fixture
def connect(proxy: Proxy) -> Iterator[Callable[[], Client]]:
    with contextlib.ExitStack() as stack:

        def create() -> Client:
            connection = socket.create_connection(("127.0.0.1", proxy.ports[0]), PATIENCE_S)
            return Client(stack.enter_context(connection))

        yield create


def test_requests_and_answers_pass_and_are_counted_by_api(proxy, connect) -> None:
    client = connect()
    assert [client.ask(METADATA, 1), client.ask(PRODUCE, 2), client.ask(PRODUCE, 3)] == [1, 2, 3]
    assert proxy.counts().requests == {"Metadata": 1, "Produce": 2}
    assert (proxy.counts().connections, proxy.counts().open_connections) == (1, 1)


def test_a_request_of_a_megabyte_arrives_whole(connect) -> None:
    client = connect()
    client.send(request(PRODUCE, 5, body=bytes(1_000_000)))
    assert client.answer() == 5


def test_a_held_request_waits_with_all_that_is_behind_it_until_it_is_released(proxy, broker, connect) -> None:
    client = connect()
    held = proxy.hold("EndTxn")
    client.send(request(METADATA, 1), request(END_TXN, 2), request(METADATA, 3))
    assert held.wait(PATIENCE_S).correlation_id == 2
    assert client.answer() == 1
    assert connect().ask(METADATA, 9) == 9, "another connection is not held up"
    assert broker.seen == [1, 9]
    assert client.silent()
    held.release()
    assert [client.answer(), client.answer()] == [2, 3]
    assert held.answer(PATIENCE_S) == b"ok"
    assert broker.seen == [1, 9, 2, 3]


def test_a_held_request_reaches_the_broker_though_its_client_was_cut_off(proxy, broker, connect) -> None:
    client = connect()
    held = proxy.hold("EndTxn", then=Then.CUT)
    client.send(request(END_TXN, 1))
    held.wait(PATIENCE_S)
    assert client.is_cut()
    assert connect().ask(END_TXN, 2) == 2, "the client asks again, on a new connection"
    held.release()
    assert held.answer(PATIENCE_S) == b"ok"
    assert broker.seen == [2, 1]
    wait_until(lambda: proxy.counts().open_connections == 1, "the old connection ends when it was answered")


def test_a_held_request_reaches_the_broker_though_its_client_gave_up(proxy, broker, connect) -> None:
    client = connect()
    held = proxy.hold("EndTxn", then=Then.HANG)
    client.send(request(END_TXN, 1))
    held.wait(PATIENCE_S)
    client.connection.close()
    assert connect().ask(METADATA, 2) == 2
    held.release()
    assert held.answer(PATIENCE_S) == b"ok"
    assert broker.seen == [2, 1]


def test_later_requests_of_the_same_connection_overtake_a_held_one(proxy, broker, connect) -> None:
    client = connect()
    held = proxy.hold("EndTxn", then=Then.OVERTAKE)
    client.send(request(END_TXN, 1), request(METADATA, 2))
    assert client.answer() == 2
    held.release()
    assert client.answer() == 1
    assert broker.seen == [2, 1]


def test_a_hold_takes_one_request_of_its_api_and_client_and_may_let_some_pass_first(proxy, broker, connect) -> None:
    client = connect()
    held = proxy.hold("EndTxn", "p-*-producer", skip=1)
    assert client.ask(END_TXN, 1, "q-0-producer") == 1
    assert client.ask(METADATA, 2, "p-0-producer") == 2
    assert client.ask(END_TXN, 3, "p-0-producer") == 3
    assert not held.arrived
    client.send(request(END_TXN, 4, "p-0-producer"))
    assert held.wait(PATIENCE_S).correlation_id == 4
    assert connect().ask(END_TXN, 5, "p-0-producer") == 5


def test_a_dropped_request_never_reaches_the_broker_and_what_is_behind_it_does(proxy, broker, connect) -> None:
    client = connect()
    held = proxy.hold("EndTxn")
    client.send(request(END_TXN, 1), request(METADATA, 2))
    held.wait(PATIENCE_S)
    held.drop()
    assert client.answer() == 2
    assert broker.seen == [2]


def test_a_held_request_of_a_broker_that_goes_away_says_so(proxy, broker, connect) -> None:
    client = connect()
    held = proxy.hold("EndTxn")
    client.send(request(METADATA, 1), request(END_TXN, 2))
    held.wait(PATIENCE_S)
    assert client.answer() == 1
    broker.hang_up()
    assert client.is_cut()
    with pytest.raises(ConnectionError, match="the held EndTxn of any client was not answered"):
        held.answer(PATIENCE_S)


def test_nothing_came_and_nothing_was_answered_are_time_outs(proxy, connect) -> None:
    held = proxy.hold("EndTxn", "p-producer")
    with pytest.raises(TimeoutError, match="no EndTxn of p-producer came within"):
        held.wait(0.001)
    connect().send(request(END_TXN, 1))
    held.wait(PATIENCE_S)
    with pytest.raises(TimeoutError, match="no answer to the held EndTxn"):
        held.answer(0.001)


def test_a_cut_before_the_broker_and_one_after_it(proxy, broker, connect) -> None:
    proxy.cut_before("EndTxn")
    first = connect()
    first.send(request(END_TXN, 1))
    assert first.is_cut()
    assert broker.seen == []
    proxy.cut_after("EndTxn")
    second = connect()
    second.send(request(END_TXN, 2))
    assert second.is_cut(), "without the answer"
    assert broker.seen == [2]
    assert connect().ask(END_TXN, 3) == 3, "each once"
    assert proxy.counts().fates == {"cut before": 1, "cut after": 1}


def test_an_answer_is_dropped_and_the_connection_stays(proxy, broker, connect) -> None:
    proxy.drop_answer("EndTxn")
    client = connect()
    client.send(request(END_TXN, 1), request(METADATA, 2))
    assert client.answer() == 2
    assert broker.seen == [1, 2]


def test_a_delayed_request_takes_longer_and_those_behind_it_arrive_with_it(proxy, broker, connect) -> None:
    rule = proxy.delay(0.05, "Produce")
    client = connect()
    start = time.monotonic()
    client.send(*(request(PRODUCE, number) for number in range(20)), request(METADATA, 20))
    assert [client.answer() for _ in range(21)] == list(range(21))
    took = time.monotonic() - start
    assert took >= 0.05
    assert broker.seen == list(range(21)), "in order"
    proxy.remove(rule)
    assert client.ask(PRODUCE, 21) == 21


def test_all_connections_of_a_broker_are_cut_at_once(proxy, connect) -> None:
    clients = [connect() for _ in range(3)]
    for number, client in enumerate(clients):
        assert client.ask(METADATA, number) == number
    assert proxy.cut(broker=0) == 3
    assert all(client.is_cut() for client in clients)
    wait_until(lambda: proxy.counts().open_connections == 0, "no connection is left")


def test_only_the_connections_of_some_clients_are_cut(proxy, connect) -> None:
    clients = {name: connect() for name in ("p-0-producer", "p-1-producer", "q-0-producer")}
    for name, client in clients.items():
        client.ask(METADATA, 1, name)
    connect()
    assert proxy.cut(client="p-*-producer") == 2
    assert clients["p-0-producer"].is_cut()
    assert clients["p-1-producer"].is_cut()
    assert clients["q-0-producer"].ask(METADATA, 2) == 2


def test_refused_clients_find_nobody_until_it_listens_again(proxy, connect) -> None:
    old = connect()
    assert old.ask(METADATA, 1) == 1
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect()
    assert old.ask(METADATA, 2) == 2
    proxy.clear()
    assert connect().ask(METADATA, 3) == 3


def test_without_a_broker_behind_it_clients_are_turned_away() -> None:
    with Proxy() as proxy, socket.create_connection(("127.0.0.1", proxy.ports[0]), PATIENCE_S) as connection:
        assert Client(connection).is_cut()
        assert proxy.counts().unreachable == 1


def test_clear_takes_the_rules_away_and_releases_what_they_hold(proxy, connect) -> None:
    waiting = connect()
    held = proxy.hold("EndTxn")
    waiting.send(request(END_TXN, 1))
    held.wait(PATIENCE_S)
    proxy.hold("EndTxn")
    proxy.cut_before("Produce")
    proxy.delay(600, "Metadata")
    proxy.clear()
    assert waiting.answer() == 1
    client = connect()
    assert [client.ask(api, api) for api in (METADATA, PRODUCE, END_TXN)] == [METADATA, PRODUCE, END_TXN]


def test_every_request_is_shown_to_the_observer(broker) -> None:
    seen: list[Request] = []
    with Proxy(observe=seen.append) as proxy:
        proxy.forward_to([broker.port])
        with socket.create_connection(("127.0.0.1", proxy.ports[0]), PATIENCE_S) as connection:
            client = Client(connection)
            client.send(request(END_TXN, 7, "me", b"body"))
            client.answer()
    assert [(r.api, r.version, r.correlation_id, r.client, r.body) for r in seen] == [("EndTxn", 1, 7, "me", b"body")]


def test_what_is_not_kafka_is_cut_off(connect, proxy, caplog) -> None:
    client = connect()
    client.connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert client.is_cut()
    wait_until(lambda: "not Kafka's protocol in plaintext" in caplog.text, "and that is said")


def test_two_brokers_have_a_port_each() -> None:
    with Proxy(2) as proxy:
        assert len(set(proxy.ports)) == 2
        with pytest.raises(ValueError, match="1 brokers behind a proxy of 2"):
            proxy.forward_to([1])


def test_an_api_that_does_not_exist_is_named_with_the_nearest(proxy) -> None:
    with pytest.raises(ValueError, match="no Kafka API is called 'EndTx': did you mean 'EndTxn'"):
        proxy.hold("EndTx")
    assert require_api("TxnOffsetCommit") == "TxnOffsetCommit"
    assert api_name(999) == "api 999"


def test_rules_are_bounded(proxy) -> None:
    for _ in range(MAX_RULES):
        proxy.cut_before("EndTxn")
    with pytest.raises(ValueError, match="more than 1000 rules"):
        proxy.cut_before("EndTxn")


def test_a_closed_proxy_refuses_to_be_told_anything() -> None:
    with pytest.raises(RuntimeError, match="not open"):
        Proxy().hold("EndTxn")


@pytest.mark.parametrize(
    "frame", [b"", b"\x00\x01", request(END_TXN, 1)[:9] + b"\xff", struct.pack(">hhih", 0, 0, 0, 99)]
)
def test_a_frame_that_is_no_request_is_refused(frame) -> None:
    with pytest.raises(ValueError, match=r"not a Kafka request|its client id ends at"):
        parse_request(frame)


def test_a_request_without_a_client_id_has_an_empty_one() -> None:
    assert parse_request(struct.pack(">hhih", 18, 3, 7, -1)).client == ""
