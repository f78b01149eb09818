"""The stage as a whole: what is sent, what becomes columns, and what becomes of events whose call failed."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pyarrow as pa
import pytest
from unit.http.conftest import batch_of

from stream.batch import FailureClass
from stream.errors import SystemicError

POISON, TRANSIENT, UNTRIED = FailureClass.POISON, FailureClass.TRANSIENT, FailureClass.UNTRIED


def sent(request: httpx2.Request) -> Any:
    return json.loads(request.content)


def doubled(request: httpx2.Request) -> Any:
    """{"score": 2 * id} for an event, a list of them for a list."""
    body = sent(request)
    return [{"score": e["id"] * 2.0} for e in body] if isinstance(body, list) else {"score": body["id"] * 2.0}


def status(code: int, **headers: str) -> httpx2.Response:
    return httpx2.Response(
        code, text="SECRET-OF-THE-EVENT", headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def outcome(result: Any) -> dict[int, tuple[FailureClass, str]]:
    return {f.row: (f.kind, f.reason) for f in result.failures}


def test_what_the_service_answers_becomes_columns_in_the_order_of_the_events(make_stage) -> None:
    stage, service, _ = make_stage(doubled, concurrency=3)
    result = stage.apply(batch_of([5, 3, 9, 1]))
    assert result.batch.columns.column("score").to_pylist() == [10.0, 6.0, 18.0, 2.0]
    assert result.batch.columns.schema.names == stage.schema.names == ["id", "name", "amount", "score"]
    assert [r.method for r in service.requests] == ["POST"] * 4
    assert service.requests[0].headers["content-type"] == "application/json"


def test_each_call_has_the_key_of_where_its_event_was_read_first(make_stage) -> None:
    stage, service, _ = make_stage(doubled)
    stage.apply(batch_of([5, 3]))
    stage.apply(batch_of([5, 3]))
    keys = [r.headers["idempotency-key"] for r in service.requests]
    assert keys == ["flow/orders/0/100", "flow/orders/0/101"] * 2


def test_a_second_stage_has_keys_of_its_own(make_stage) -> None:
    stage, service, _ = make_stage(doubled, name="http-2")
    stage.apply(batch_of([5]))
    assert service.requests[0].headers["idempotency-key"] == "flow/orders/0/100/http-2"


def test_a_group_is_one_call_with_a_list_and_a_key_that_is_the_same_for_the_same_events(make_stage) -> None:
    stage, service, _ = make_stage(doubled, per="batch", size=2)
    result = stage.apply(batch_of([5, 3, 9]))
    assert result.batch.columns.column("score").to_pylist() == [10.0, 6.0, 18.0]
    assert [sent(r) for r in service.requests] == [[{"id": 5}, {"id": 3}], [{"id": 9}]]
    stage.apply(batch_of([5, 3, 9]))
    keys = [r.headers["idempotency-key"] for r in service.requests]
    assert keys[:2] == keys[2:]
    assert keys[0] != keys[1]
    assert keys[0].startswith("flow/group/")


def test_a_groups_list_stands_where_the_service_wants_it(make_stage) -> None:
    def predict(request: httpx2.Request) -> Any:
        body = sent(request)
        assert body["model"] == "m"
        return {"out": {"predictions": [e["id"] / 2 for e in body["instances"]]}}

    stage, _, _ = make_stage(
        predict,
        per="batch",
        envelope={"model": "m", "instances": "{events}"},
        items="out.predictions",
        response={"score": {"field": ".", "type": "double"}},
    )
    assert stage.apply(batch_of([4, 6])).batch.columns.column("score").to_pylist() == [2.0, 3.0]


def test_a_group_that_is_refused_is_halved_until_the_guilty_event_is_found(make_stage) -> None:
    stage, service, _ = make_stage(
        lambda r: status(400) if any(e["id"] == 6 for e in sent(r)) else doubled(r), per="batch", size=8, concurrency=1
    )
    result = stage.apply(batch_of(list(range(8))))
    assert outcome(result) == {6: (POISON, "refused")}
    assert result.batch.columns.column("id").to_pylist() == [0, 1, 2, 3, 4, 5, 7]
    assert len(service.requests) == 7


def test_a_group_that_fails_for_a_while_is_not_halved(make_stage) -> None:
    stage, service, _ = make_stage(lambda r: status(503), per="batch", size=8)
    assert set(outcome(stage.apply(batch_of([1, 2, 3]))).values()) == {(TRANSIENT, "server_error")}
    assert len(service.requests) == 1


def test_one_item_of_a_groups_answer_that_is_wrong_is_that_events_fault(make_stage) -> None:
    stage, _, _ = make_stage(lambda r: [{"score": 1.0}, {"score": "x"}, {}], per="batch")
    assert outcome(stage.apply(batch_of([1, 2, 3]))) == {1: (POISON, "wrong_type"), 2: (POISON, "missing_field")}


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (400, POISON, "refused"),
        (403, POISON, "refused"),
        (404, POISON, "refused"),
        (422, POISON, "refused"),
        (301, POISON, "redirected"),
        (307, POISON, "redirected"),
        (204, POISON, "not_json"),
        (408, TRANSIENT, "timeout"),
        (425, TRANSIENT, "server_error"),
        (429, TRANSIENT, "throttled"),
        (500, TRANSIENT, "server_error"),
        (502, TRANSIENT, "server_error"),
        (503, TRANSIENT, "server_error"),
        (599, TRANSIENT, "server_error"),
    ],
)
def test_a_status_says_whether_the_event_or_the_moment_is_bad(make_stage, code, kind, reason) -> None:
    stage, service, _ = make_stage(lambda r: status(code, Location="http://elsewhere/"))
    result = stage.apply(batch_of([1]))
    assert outcome(result) == {0: (kind, reason)}
    assert "SECRET" not in result.failures[0].detail
    assert len(service.requests) == 1, "a redirect is not followed"


@pytest.mark.parametrize(
    ("error", "reason", "calls"),
    [
        (httpx2.ConnectError("refused"), "unreachable", 1),
        (httpx2.ReadTimeout("slow"), "timeout", 1),
        (httpx2.RemoteProtocolError("gone"), "disconnected", 2),
        (httpx2.ReadError("reset"), "disconnected", 2),
    ],
)
def test_trouble_on_the_way_is_transient_and_a_lost_connection_is_tried_once_more_on_the_spot(
    make_stage, error, reason, calls
) -> None:
    def fail(_request: httpx2.Request) -> Any:
        raise error

    stage, service, _ = make_stage(fail)
    assert outcome(stage.apply(batch_of([1]))) == {0: (TRANSIENT, reason)}
    assert len(service.requests) == calls
    assert len({r.headers["idempotency-key"] for r in service.requests}) == 1


@pytest.mark.parametrize("code", [401, 407])
def test_credentials_that_are_not_taken_are_no_events_fault(make_stage, code) -> None:
    stage, _, _ = make_stage(lambda r: status(code))
    with pytest.raises(SystemicError, match=f"stage http, service service: the service answered {code}") as raised:
        stage.apply(batch_of([1, 2]))
    assert raised.value.reason == "service"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("not json", "not_json"),
        ('{"score": NaN}', "not_json"),
        ("[" * 100_000, "not_json"),
        ("{}", "missing_field"),
        ('{"score": null}', "missing_field"),
        ('{"score": "1.0"}', "wrong_type"),
        ('{"score": true}', "wrong_type"),
        ("[1.0]", "missing_field"),
        ('{"score": 1' + "0" * 400 + "}", "wrong_type"),
        ('{"score": 1.0, "x": "' + "y" * 2000 + '"}', "too_large_answer"),
    ],
)
def test_an_answer_that_does_not_fit_is_poison_and_not_told(make_stage, answer, reason) -> None:
    stage, _, _ = make_stage(
        lambda r: httpx2.Response(200, text=answer), max_answer="1kB" if "yy" in answer else "1MiB"
    )
    result = stage.apply(batch_of([1]))
    assert outcome(result) == {0: (POISON, reason)}
    assert "yyy" not in result.failures[0].detail


def test_an_event_that_fits_no_request_is_poison_and_nothing_is_called(make_stage) -> None:
    stage, service, _ = make_stage(doubled, body=["id", "amount"], url="http://service/{name}")
    batch = batch_of([1, 2, 3], amount=pa.array([1.0, float("nan"), 2.0]), name=pa.array(["a", "b", None]))
    result = stage.apply(batch)
    assert outcome(result) == {1: (POISON, "body_value"), 2: (POISON, "url_value")}
    assert [r.url.path for r in service.requests] == ["/a"]


def test_without_a_response_the_answer_is_ignored(make_stage) -> None:
    stage, _, _ = make_stage(lambda r: httpx2.Response(202, text="whatever"), response={})
    result = stage.apply(batch_of([1]))
    assert (len(result.batch), result.batch.columns.schema.names) == (1, ["id", "name", "amount"])


def test_a_batch_of_which_nothing_is_left_still_has_the_columns(make_stage) -> None:
    stage, _, _ = make_stage(lambda r: status(400))
    assert stage.apply(batch_of([1])).batch.columns.schema.names == stage.schema.names


def test_an_empty_part_of_a_batch_makes_no_call(make_stage) -> None:
    stage, service, _ = make_stage(doubled)
    assert len(stage.apply(batch_of([])).batch) == 0
    assert not service.requests


def test_nothing_is_carried_over_from_one_event_to_the_next(make_stage) -> None:
    stage, service, _ = make_stage(
        lambda r: httpx2.Response(200, json={"score": 1.0}, headers={"Set-Cookie": "session=1; Path=/"})
    )
    stage.apply(batch_of([1, 2, 3]))
    assert not [r for r in service.requests if "cookie" in r.headers]


def test_secrets_are_sent_and_never_shown(make_stage, caplog) -> None:
    stage, service, _ = make_stage(
        doubled, headers={"Authorization": "Bearer ${env:TOKEN}"}, environ={"TOKEN": "tiptop"}, url="http://service/x"
    )
    stage.apply(batch_of([1]))
    assert service.requests[0].headers["authorization"] == "Bearer tiptop"
    shown = "\n".join([repr(stage), str(stage), *stage.explain(), repr(stage._client), repr(stage._plan), caplog.text])
    assert "tiptop" not in shown


def test_it_explains_itself(make_stage) -> None:
    stage, _, _ = make_stage(
        doubled, rate="50/s", response={"score": {"field": "a.0", "type": "double", "optional": True}}
    )
    assert stage.explain() == [
        "POST http://service/score: a call for each event",
        "8 at a time, at most 50/s; 10s for a call, 1m for a batch",
        "1000 failed calls in a row: the service is down, the pipeline pauses and commits nothing",
        "sends id",
        "score: double from a.0 or null",
    ]
