"""One transaction at a time, waited for but not for ever."""

import threading
from collections.abc import Iterator

import pytest

from stream.errors import FatalError, TransactionError
from stream.kafka.committer import MAX_ABANDONED, Committer


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hanging transactions wait for; opened at the end, so that none is left."""
    event = threading.Event()
    yield event
    event.set()


def hang(gate: threading.Event) -> float:
    gate.wait(10)
    return 0.0


def test_a_transaction_runs_in_another_thread_and_answers_once() -> None:
    committer, names = Committer(), []

    def transaction() -> float:
        names.append(threading.current_thread().name)
        return 0.5

    committer.begin(transaction)
    assert committer.finish() == 0.5
    assert committer.finish() is None
    assert names == ["commit"]


def test_what_a_transaction_raises_is_raised_where_it_is_waited_for() -> None:
    def transaction() -> float:
        raise TransactionError("fenced")

    committer = Committer()
    committer.begin(transaction)
    assert not committer.await_end(10), "it did not end well, and finish() still tells"
    with pytest.raises(TransactionError, match="fenced"):
        committer.finish()


def test_a_rebalance_waits_a_while_and_leaves_the_answer_to_the_loop(gate: threading.Event) -> None:
    committer = Committer()
    committer.begin(lambda: hang(gate))
    assert not committer.await_end(0)
    gate.set()
    assert committer.await_end(10)
    assert committer.finish() == 0.0


def test_a_transaction_that_hangs_is_abandoned_and_the_next_one_runs(gate: threading.Event) -> None:
    committer = Committer()
    committer.begin(lambda: hang(gate))
    with pytest.raises(TransactionError, match="did not end within 0 s"):
        committer.finish(0)
    committer.begin(lambda: 0.25)
    assert committer.finish(10) == 0.25


def test_too_many_that_hang_end_the_process(gate: threading.Event) -> None:
    committer = Committer()
    for _ in range(MAX_ABANDONED):
        committer.begin(lambda: hang(gate))
        with pytest.raises(TransactionError):
            committer.finish(0)
    committer.begin(lambda: hang(gate))
    with pytest.raises(FatalError, match=f"{MAX_ABANDONED + 1} of them hang"):
        committer.finish(0)


def test_one_thread_serves_all_transactions_and_ends_when_it_is_closed() -> None:
    committer, threads = Committer(), []

    def transaction() -> float:
        threads.append(threading.current_thread())
        return 0.0

    for _ in range(3):
        committer.begin(transaction)
        committer.finish()
    committer.close()
    threads[0].join(10)
    assert len(set(threads)) == 1
    assert not threads[0].is_alive()


def test_the_thread_of_an_abandoned_transaction_ends_when_its_call_returns(gate: threading.Event) -> None:
    committer, threads, begun = Committer(), [], threading.Event()

    def transaction() -> float:
        threads.append(threading.current_thread())
        begun.set()
        return hang(gate)

    committer.begin(transaction)
    assert begun.wait(10)
    with pytest.raises(TransactionError):
        committer.finish(0)
    gate.set()
    threads[0].join(10)
    assert not threads[0].is_alive()
