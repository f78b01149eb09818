"""The late-request guard: both of its signals, and what is no signal."""

import logging
from collections.abc import Callable

import pytest

from stream.errors import TransactionError
from stream.kafka.guard import FENCED, LateRequestGuard, TroubleLog, failed
from stream.kafka.settings import ClientSettings, Slot


class Client:
    """A clock that requests move, and log lines that are served when polled, as librdkafka does it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pending: list[str] = []
        self.log = TroubleLog()

    def serve(self) -> None:
        for text in self.pending:
            self.log.log(logging.INFO, "%s [%s] %s", "FACILITY", "rdkafka#producer-1", text)
        self.pending.clear()

    def request(self, seconds: float = 0.001, line: str = "", error: Exception | None = None) -> Callable[[], None]:
        def call() -> None:
            self.now += seconds
            if line:
                self.pending.append(line)
            if error:
                raise error

        return call


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def guard(client: Client) -> LateRequestGuard:
    guard = LateRequestGuard(client.log, client.serve, lambda: client.now, slow_call_s=0.4)
    guard.begin()
    return guard


def test_a_quick_call_without_trouble_passes(guard: LateRequestGuard, client: Client) -> None:
    guard.call("commit", client.request())


def test_arguments_reach_the_request(guard: LateRequestGuard) -> None:
    seen: list[tuple[int, str]] = []
    guard.call("send_offsets", lambda a, b: seen.append((a, b)), 1, "x")
    assert seen == [(1, "x")]


def test_a_slow_call_may_have_been_sent_twice_although_it_returned(guard: LateRequestGuard, client: Client) -> None:
    with pytest.raises(TransactionError, match=r"commit took 0\.500 s.*sent twice"):
        guard.call("commit", client.request(seconds=0.5))


@pytest.mark.parametrize(
    "line",
    [
        "FAIL [rdkafka#producer-1] [thrd:b/1]: b/1: Connect to ipv4#127.0.0.1:9092 failed: Connection refused",
        "REQTMOUT [rdkafka#producer-1] [thrd:b/1]: b/1: Timed out EndTxnRequest in flight (after 1000ms)",
        "FAIL [rdkafka#producer-1] [thrd:b/1]: b/1: Disconnected (after 2003ms in state UP)",
    ],
)
def test_a_quick_ok_with_a_broken_connection_in_the_log_is_not_trusted(
    guard: LateRequestGuard, client: Client, line: str
) -> None:
    with pytest.raises(TransactionError, match="connection trouble"):
        guard.call("commit", client.request(line=line))


def test_trouble_while_producing_counts_for_the_whole_transaction(guard: LateRequestGuard, client: Client) -> None:
    client.pending.append("FAIL: Disconnected")
    with pytest.raises(TransactionError):
        guard.call("send_offsets", client.request())


def test_trouble_from_before_the_transaction_is_harmless(guard: LateRequestGuard, client: Client) -> None:
    client.pending.append("FAIL: Disconnected (idle connection)")
    guard.begin()
    guard.call("commit", client.request())


def test_other_log_lines_are_no_trouble(guard: LateRequestGuard, client: Client) -> None:
    guard.call("commit", client.request(line="GETPID: Acquired transactional PID"))


def test_a_call_that_raises_is_a_failed_attempt_with_its_cause(guard: LateRequestGuard, client: Client) -> None:
    with pytest.raises(TransactionError, match="commit: fenced") as caught:
        guard.call("commit", client.request(error=RuntimeError("fenced")))
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_lines_that_nobody_is_shown_count_too_and_only_the_others_are_handed_on(caplog) -> None:
    shown = logging.getLogger("stream.test.shown")
    shown.setLevel(logging.INFO)
    log = TroubleLog(shown)
    for level, text in (
        (logging.DEBUG, "FAIL: Disconnected"),
        (logging.INFO, "FAIL: refused"),
        (logging.INFO, "other"),
    ):
        log.log(level, "%s", text)
    assert log.lines == 2
    assert caplog.messages == ["FAIL: refused", "other"]


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ({}, 0.4),
        ({"reconnect.backoff.ms": "2000", "reconnect.backoff.max.ms": "3000"}, 0.8),
        ({"reconnect.backoff.max.ms": "200"}, 0.08),
    ],
)
def test_the_threshold_stays_below_the_shortest_wait_before_a_reconnect(user, expected) -> None:
    assert ClientSettings(Slot("p", "i"), ("t",), user).slow_call_s == pytest.approx(expected)


@pytest.mark.parametrize(("user", "expected"), [({}, "broker"), ({"debug": "eos,msg"}, "eos,msg,broker")])
def test_the_producer_logs_every_lost_connection_whatever_else_it_is_told_to_log(user, expected) -> None:
    assert ClientSettings(Slot("p", "i"), ("t",), user).producer()["debug"] == expected


def test_a_fence_is_seen_through_the_error_that_a_log_line_wraps_it_in() -> None:
    wrapped = SystemError("<class 'logging.LogRecord'> returned a result with an exception set")
    wrapped.__cause__ = RuntimeError('KafkaError{FATAL,code=_FENCED,val=-144,str="fenced"}')
    assert failed("flush", wrapped).reason == FENCED
    bare = SystemError("<class 'logging.LogRecord'> returned a result with an exception set")
    assert failed("flush (KafkaError{FATAL,code=_FENCED})", bare).reason == FENCED
    assert failed("flush", bare).reason == "transaction"
