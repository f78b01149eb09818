"""How a stage calls: the rate, Retry-After, the batch's time, the breaker and its half-open probe."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import httpx2
import pytest
from unit.http.conftest import batch_of
from unit.http.test_http_stage import POISON, TRANSIENT, UNTRIED, doubled, outcome, sent, status

from stream.errors import SystemicError
from stream.http.calls import ANSWERED, CREDENTIALS_REFUSED, GIVEN_UP
from stream.http.verdict import OUT_OF_TIME, of_status
from stream.metrics.table import CALL_OUTCOMES


def ids(requests: list[httpx2.Request]) -> list[int]:
    return [sent(r)["id"] for r in requests]


def test_so_many_calls_are_under_way_at_a_time_and_not_more(make_stage) -> None:
    under_way, most = 0, 0

    async def slow(request: httpx2.Request) -> object:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(3):
            await asyncio.sleep(0)
        under_way -= 1
        return doubled(request)

    stage, _, _ = make_stage(slow, concurrency=4)
    assert len(stage.apply(batch_of(list(range(20)))).batch) == 20
    assert most == 4


def test_calls_are_spaced_by_the_rate_over_batches_too(make_stage) -> None:
    times: list[float] = []
    stage, _, time = make_stage(lambda r: times.append(time.now) or doubled(r), rate="10/s", concurrency=1)
    stage.apply(batch_of([1, 2, 3]))
    stage.apply(batch_of([4]))
    assert times == pytest.approx([100.0, 100.1, 100.2, 100.3])


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_makes_all_calls_wait_and_the_event_is_tried_once_more_on_the_spot(make_stage, code) -> None:
    times: list[float] = []

    def answer(request: httpx2.Request) -> object:
        times.append(time.now)
        return status(code, Retry_After="7") if len(times) == 1 else doubled(request)

    stage, _, time = make_stage(answer, concurrency=1)
    assert outcome(stage.apply(batch_of([1, 2]))) == {}
    assert times == [100.0, 107.0, 107.0]


def test_a_call_that_was_waiting_for_its_turn_waits_for_retry_after_too(make_stage) -> None:
    times: dict[int, float] = {}

    async def answer(request: httpx2.Request) -> object:
        number = sent(request)["id"]
        times[number] = time.now
        for _ in range(5):  # under way while the other reserves its turn
            await asyncio.sleep(0)
        return status(429, Retry_After="5") if number == 1 else doubled(request)

    stage, _, time = make_stage(answer, concurrency=2, rate="10/s", retry_after="2s")
    stage.apply(batch_of([1, 2]))
    assert times == pytest.approx({1: 100.0, 2: 102.1})


def test_a_second_429_is_transient(make_stage) -> None:
    stage, service, time = make_stage(lambda r: status(429, Retry_After="2"))
    assert outcome(stage.apply(batch_of([1]))) == {0: (TRANSIENT, "throttled")}
    assert (len(service.requests), time.slept) == (2, [2.0])


def test_a_retry_after_beyond_the_bound_is_not_waited_for_by_its_event(make_stage) -> None:
    times: list[float] = []

    def answer(request: httpx2.Request) -> object:
        times.append(time.now)
        return status(503, Retry_After="3600") if len(times) == 1 else doubled(request)

    stage, _, time = make_stage(answer, retry_after="10s", concurrency=1)
    assert outcome(stage.apply(batch_of([1, 2]))) == {0: (TRANSIENT, "server_error")}
    assert times == [100.0, 110.0], "the others wait no longer than the bound"


def test_retry_after_of_other_answers_is_ignored(make_stage) -> None:
    stage, _, time = make_stage(lambda r: status(500, Retry_After="7"))
    stage.apply(batch_of([1]))
    assert time.slept == []


def test_events_whose_turn_does_not_come_within_the_batchs_time_are_untried_and_at_the_end(make_stage) -> None:
    stage, service, _ = make_stage(doubled, rate="1/s", budget="5s", timeout="5s", concurrency=1)
    result = stage.apply(batch_of(list(range(8))))
    assert ids(service.requests) == [0, 1, 2, 3, 4]
    assert outcome(result) == dict.fromkeys((5, 6, 7), (UNTRIED, "budget"))


def test_a_call_that_had_less_than_its_time_is_untried_and_one_that_had_all_of_it_timed_out(make_stage) -> None:
    def answer(request: httpx2.Request) -> object:
        time.now += 4.0
        raise httpx2.ReadTimeout("")

    stage, _, time = make_stage(answer, budget="6s", timeout="4s", concurrency=1)
    assert outcome(stage.apply(batch_of([1, 2, 3]))) == {
        0: (TRANSIENT, "timeout"),
        1: (UNTRIED, "budget"),
        2: (UNTRIED, "budget"),
    }


def test_a_call_is_ended_when_its_time_is_over(make_stage) -> None:
    async def never(_request: httpx2.Request) -> object:
        await asyncio.Event().wait()

    stage, _, _ = make_stage(never, timeout="10ms")
    assert outcome(stage.apply(batch_of([1]))) == {0: (TRANSIENT, "timeout")}


def test_after_a_stop_no_further_call_is_made(make_stage) -> None:
    stage, service, _ = make_stage(lambda r: stage.hurry() or doubled(r), concurrency=1)
    assert outcome(stage.apply(batch_of([1, 2, 3]))) == dict.fromkeys((1, 2), (UNTRIED, "budget"))
    assert len(service.requests) == 1


def test_so_many_failures_in_a_row_are_the_services_fault_also_over_batches(make_stage) -> None:
    stage, service, _ = make_stage(lambda r: status(503), breaker=5, concurrency=1)
    for _ in range(4):
        assert outcome(stage.apply(batch_of([1]))) == {0: (TRANSIENT, "server_error")}
    with pytest.raises(SystemicError, match="5 calls in a row failed, the last: the service answered 503") as raised:
        stage.apply(batch_of([1, 2, 3]))
    assert (raised.value.reason, len(service.requests)) == ("service", 5)


@pytest.mark.parametrize("good", [200, 400, 404])
def test_any_answer_to_an_event_ends_a_row_of_failures(make_stage, good) -> None:
    codes = iter([500, 500, good, 500, 500, good, 500, 500])
    stage, _, _ = make_stage(
        lambda r: doubled(r) if (code := next(codes)) == 200 else status(code), breaker=3, concurrency=1
    )
    found = outcome(stage.apply(batch_of(list(range(8)))))
    assert sum(kind is TRANSIENT for kind, _ in found.values()) == 6


def test_a_whole_batch_of_failures_is_the_services_fault_though_its_calls_are_few(make_stage) -> None:
    stage, service, _ = make_stage(lambda r: status(503), breaker=20, per="batch", size=10)
    with pytest.raises(SystemicError):
        stage.apply(batch_of(list(range(20))))
    assert len(service.requests) == 2


def test_while_the_breaker_is_open_a_single_event_is_tried_and_each_time_another_one(make_stage) -> None:
    stage, service, _ = make_stage(lambda r: status(500), breaker=2, concurrency=1)
    batch = batch_of([10, 11, 12])
    for _ in range(5):
        with pytest.raises(SystemicError):
            stage.apply(batch)
    assert ids(service.requests) == [10, 11, *[10, 11, 12, 10]]


def test_when_the_single_event_gets_an_answer_everything_flows_and_it_is_not_called_twice(make_stage) -> None:
    healthy = False
    stage, service, _ = make_stage(lambda r: doubled(r) if healthy else status(500), breaker=2, concurrency=1)
    with pytest.raises(SystemicError):
        stage.apply(batch_of([1, 2, 3]))
    healthy = True
    service.requests.clear()
    result = stage.apply(batch_of([1, 2, 3]))
    assert result.batch.columns.column("score").to_pylist() == [2.0, 4.0, 6.0]
    assert ids(service.requests) == [1, 2, 3]


def test_an_event_that_the_service_always_fails_at_does_not_keep_the_breaker_open(make_stage) -> None:
    down = True
    stage, _, _ = make_stage(
        lambda r: status(500) if down or sent(r)["id"] == 1 else doubled(r), breaker=2, concurrency=1
    )
    with pytest.raises(SystemicError):
        stage.apply(batch_of([1, 2, 3]))
    down = False
    with pytest.raises(SystemicError):
        stage.apply(batch_of([1, 2, 3]))
    assert outcome(stage.apply(batch_of([1, 2, 3]))) == {0: (TRANSIENT, "server_error")}


def test_credentials_that_are_taken_again_close_the_breaker(make_stage) -> None:
    codes = iter([401, 401])
    stage, service, _ = make_stage(lambda r: status(code) if (code := next(codes, 0)) else doubled(r), concurrency=1)
    for calls in (1, 2):
        with pytest.raises(SystemicError, match="credentials"):
            stage.apply(batch_of([1, 2]))
        assert len(service.requests) == calls
    assert len(stage.apply(batch_of([1, 2])).batch) == 2


def test_calls_under_way_are_given_up_when_the_breaker_opens(make_stage) -> None:
    ended: list[int] = []

    async def answer(request: httpx2.Request) -> object:
        number = json.loads(request.content)["id"]
        if number == 0:
            return status(500)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    stage, _, _ = make_stage(answer, breaker=1, concurrency=3)
    with pytest.raises(SystemicError):
        stage.apply(batch_of([0, 1, 2, 3]))
    assert sorted(ended) == [1, 2]


def test_a_defect_is_not_swallowed(make_stage) -> None:
    def broken(_request: httpx2.Request) -> object:
        raise RuntimeError("defect")

    stage, _, _ = make_stage(broken)
    with pytest.raises(ExceptionGroup, match="unhandled errors"):
        stage.apply(batch_of([1]))


def test_poison_does_not_open_the_breaker(make_stage) -> None:
    stage, _, _ = make_stage(lambda r: status(422), breaker=2)
    assert set(outcome(stage.apply(batch_of(list(range(10))))).values()) == {(POISON, "refused")}


def test_answers_beyond_what_a_batch_may_hold_are_left_for_the_next_one(make_stage) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json={**doubled(request), "more": "x" * 1000})

    stage, service, _ = make_stage(answer, concurrency=1)
    stage._caller.limits = replace(stage._caller.limits, answers_bytes=2500)
    assert outcome(stage.apply(batch_of(list(range(10))))) == dict.fromkeys(range(3, 10), (UNTRIED, "budget"))
    assert len(service.requests) == 3
    assert outcome(stage.apply(batch_of([7, 8]))) == {}, "each batch has all of it"


class Watching:
    """A Watcher that writes down what it is told."""

    def __init__(self) -> None:
        self.under_way = self.most = 0
        self.calls: list[tuple[str, float]] = []
        self.breaker_open: list[bool] = []

    def began(self) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)

    def ended(self, outcome: str, seconds: float) -> None:
        self.under_way -= 1
        self.calls.append((outcome, seconds))

    def breaker(self, *, is_open: bool) -> None:
        self.breaker_open.append(is_open)


def test_every_attempt_is_told_with_its_outcome_and_time(make_stage) -> None:
    answers = {1: status(200), 2: status(404), 3: status(503), 4: status(301), 5: status(429)}

    async def answer(request: httpx2.Request) -> object:
        number = sent(request)["id"]
        await time.sleep(number)
        if number == 6:
            raise httpx2.ReadError("lost")
        return doubled(request) if number == 1 else answers[number]

    stage, _, time = make_stage(answer, concurrency=1)
    watching = Watching()
    stage.watched(watching)
    stage.apply(batch_of([1, 2, 3, 4, 5, 6]))
    outcomes = ["answered", "refused", "server_error", "redirected", "throttled", "disconnected", "disconnected"]
    assert [outcome for outcome, _ in watching.calls] == outcomes
    assert [seconds for _, seconds in watching.calls] == pytest.approx([1, 2, 3, 4, 5, 6, 6])
    assert (watching.most, watching.under_way, watching.breaker_open) == (1, 0, [False])


def test_an_open_breaker_is_told_and_calls_under_way_are_given_up(make_stage) -> None:
    well = False

    async def answer(request: httpx2.Request) -> object:
        if sent(request)["id"] == 1:
            await asyncio.Event().wait()  # until it is given up
        return doubled(request) if well else status(503)

    stage, _, _ = make_stage(answer, breaker=2, concurrency=3)
    watching = Watching()
    stage.watched(watching)
    with pytest.raises(SystemicError):
        stage.apply(batch_of([1, 2, 3]))
    assert sorted(outcome for outcome, _ in watching.calls) == ["given_up", "server_error", "server_error"]
    assert (watching.under_way, watching.breaker_open) == (0, [True])
    well = True
    stage.apply(batch_of([2, 3]))
    assert watching.breaker_open == [True, False]


def test_refused_credentials_have_an_outcome_of_their_own(make_stage) -> None:
    stage, _, _ = make_stage(lambda r: status(401))
    watching = Watching()
    stage.watched(watching)
    with pytest.raises(SystemicError):
        stage.apply(batch_of([1]))
    assert [outcome for outcome, _ in watching.calls] == ["credentials"]


def test_each_outcome_of_a_call_is_a_label_of_its_metric() -> None:
    told = {of_status(code, b"", None).reason for code in range(300, 600)} - {"service"}
    assert told | {ANSWERED, CREDENTIALS_REFUSED, GIVEN_UP, OUT_OF_TIME.reason} <= set(CALL_OUTCOMES)
