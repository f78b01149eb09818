import ast
import json
import re
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream.batch import Failure, FailureClass, Messages, Outcome, Rows, StageReport
from stream.health import State
from stream.metrics import METRICS, Kind, Metrics, ModelName, PartitionLag, metrics_table
from stream.metrics.recorder import PAUSE_REASONS
from stream.metrics.series import MANY, Series, bucketed
from stream.metrics.table import ALL, MAX_PARTITION_SERIES, MAX_SERIES, OTHER

ROOT = Path(__file__).parents[2]

NOW = 1_800_000_000.0


def metrics() -> Metrics:
    models = {"infer": ModelName("delay", "3")}
    return Metrics("flights", topics=["in"], outputs=["out", "late"], models=models, wall_clock=lambda: NOW)


def scrape(m: Metrics) -> dict[tuple[str, ...], float]:
    """(sample name, label values but the pipeline's, in the order of the table) -> value"""
    body, content_type = m.exposition()
    assert content_type.startswith("text/plain")
    order = {m.name.removesuffix("_total"): [*m.label_names, "le"] for m in METRICS}
    return {
        (s.name, *(s.labels[k] for k in order[family.name] if k in s.labels and k != "pipeline")): s.value
        for family in text_string_to_metric_families(body.decode())
        if family.name.startswith("stream_")
        for s in family.samples
    }


def outcome(n: int, *, failures: list[Failure] | None = None, filtered: int = 0, **more: object) -> Outcome:
    failures = failures or []
    left = np.arange(len(failures) + filtered, n)
    messages = Messages.of([b"value"] * n, topic="in", timestamp_ms=int((NOW - 3) * 1000))
    rows = Rows("out", left, b"x" * len(left), np.arange(len(left) + 1))
    return Outcome(messages, [rows], failures, filtered, **more)  # type: ignore[arg-type]


def poison(row: int, stage: str = "decode", reason: str = "not_avro", **facts: str) -> Failure:
    return Failure(row, stage, FailureClass.POISON, reason, "", facts)


def test_events_received_equal_the_sum_of_their_outcomes() -> None:
    m = metrics()
    failures = [poison(0), poison(1), Failure(2, "call", FailureClass.TRANSIENT, "busy")]
    m.committed(outcome(10, failures=failures, filtered=2), now=NOW, transaction_s=0.01, retried={2})
    m.committed(outcome(5), now=NOW, transaction_s=0.01)
    seen = scrape(m)
    outcomes = {labels[1]: v for labels, v in seen.items() if labels[0] == "stream_events_total"}
    assert outcomes == {"output": 10, "filtered": 2, "dead_letter": 2, "retried": 1}
    assert seen["stream_events_received_total", "in"] == sum(outcomes.values()) == 15
    assert seen["stream_events_sent_total", "out"] == 10
    assert seen["stream_events_sent_total", "late"] == 0
    assert seen["stream_dead_letters_total", "decode", "not_avro"] == 2
    assert ("stream_dead_letters_total", "call", "busy") not in seen, "a retried event is no dead letter"


def test_nothing_is_counted_before_the_commit() -> None:
    m = metrics()
    m.transaction_failed()
    seen = scrape(m)
    assert seen["stream_transactions_total", "failed"] == 1
    assert seen["stream_transactions_total", "committed"] == 0
    assert seen["stream_events_received_total", "in"] == 0


def test_every_event_of_a_batch_is_in_the_latency_histogram_bucket_it_belongs_to() -> None:
    m = metrics()
    messages = Messages.of([b"v"] * 6, topic="in")
    ages = np.array([0.0, 0.005, 0.006, 2.5, 100_000.0])
    stamps = np.array([*(NOW * 1000 - ages * 1000), -1]).astype(np.int64)
    messages = Messages(**{f: getattr(messages, f) for f in Messages.__slots__} | {"timestamp": stamps})
    rows = Rows("out", np.arange(6), b"", np.zeros(7, np.int64))
    m.committed(Outcome(messages, [rows], []), now=NOW, transaction_s=0.0)
    seen = scrape(m)
    name = "stream_end_to_end_latency_seconds"
    up_to = {bound: seen[f"{name}_bucket", bound] for bound in ("0.005", "0.01", "1.0", "2.5", "86400.0", "+Inf")}
    assert up_to == {"0.005": 2, "0.01": 3, "1.0": 3, "2.5": 4, "86400.0": 4, "+Inf": 5}
    assert seen[f"{name}_count",] == 5, "the event without a timestamp is left out"
    assert seen[f"{name}_sum",] == pytest.approx(ages.sum(), abs=0.01)


@pytest.mark.parametrize("shape", ["one bucket", "some", "all", "on the bounds", "beyond", "below", "not a number"])
def test_many_values_are_in_the_buckets_that_each_would_be_put_into(shape: str) -> None:
    bounds, numbers = np.array([0.1, 1.0, 10.0]), np.random.default_rng(1)
    values = {
        "one bucket": numbers.uniform(0.2, 0.9, MANY),
        "some": numbers.uniform(0.05, 2, MANY),
        "all": np.exp(numbers.normal(0, 3, MANY)),
        "on the bounds": numbers.choice(bounds, MANY),
        "beyond": np.full(MANY, 11.0),
        "below": np.full(MANY, -1.0),
        "not a number": np.where(numbers.random(MANY) < 0.1, np.nan, 0.5),
    }[shape]
    expected = [0, 0, 0, 0]
    for value in values.tolist():
        expected[next((i for i, bound in enumerate(bounds) if value <= bound), 3)] += 1
    assert bucketed(bounds, values).tolist() == expected
    assert bucketed(bounds, values[: MANY // 2]).tolist() != expected


@pytest.mark.parametrize("value", [-1.0, 0.05, 0.1, 0.5, 1.0, 10.0, 10.5])
def test_one_value_is_put_where_it_would_be_among_many(value: float) -> None:
    series, bounds = Series(), (0.1, 1.0, 10.0)
    series.observe("one", ("p",), bounds, value)
    series.observe_all("many", ("p",), np.array(bounds), np.array([value]))
    one, many = (series.distributions(name)["p",] for name in ("one", "many"))
    assert one.counts.tolist() == many.counts.tolist()
    assert one.total == many.total == value


def test_what_a_scrape_has_read_stays_as_it_was() -> None:
    series = Series()
    series.observe("seconds", ("p",), (1.0,), 0.5)
    read = series.distributions("seconds")["p",]
    series.observe("seconds", ("p",), (1.0,), 0.5)
    series.observe_all("seconds", ("p",), np.array([1.0]), np.array([0.5]))
    assert (read.counts.tolist(), read.total) == ([1, 0], 0.5)
    assert series.distributions("seconds")["p",].counts.tolist() == [3, 0]


def test_an_event_from_the_future_has_no_latency() -> None:
    m = metrics()
    m.committed(outcome(4), now=NOW - 60, transaction_s=0.0)
    seen = scrape(m)
    assert seen["stream_end_to_end_latency_seconds_sum",] == 0
    assert seen["stream_end_to_end_latency_seconds_bucket", "0.005"] == 4


def test_stages_models_and_expectations_are_counted() -> None:
    m = metrics()
    failures = [
        poison(0, "validate", "expectation", suite="s", expectations="a,b"),
        poison(1, "validate", "expectation", suite="s", expectations="a"),
        poison(2, "infer", "not_finite", model="delay/3"),
    ]
    reports = [StageReport("validate", 0.002, 8, 2), StageReport("infer", 0.03, 7, 1)]
    warnings = Counter({("s", "w"): 4})
    m.committed(outcome(10, failures=failures, reports=reports, warning_counts=warnings), now=NOW, transaction_s=0.01)
    seen = scrape(m)
    assert seen["stream_stage_events_total", "validate", "passed"] == 8
    assert seen["stream_stage_events_total", "validate", "failed"] == 2
    assert seen["stream_stage_duration_seconds_sum", "infer"] == pytest.approx(0.03)
    assert seen["stream_inference_events_total", "delay", "3", "passed"] == 7
    assert seen["stream_inference_events_total", "delay", "3", "failed"] == 1
    assert seen["stream_inference_duration_seconds_count", "delay", "3"] == 1
    assert seen["stream_validation_failures_total", "s", "a", "critical"] == 2
    assert seen["stream_validation_failures_total", "s", "b", "critical"] == 1
    assert seen["stream_validation_failures_total", "s", "w", "warning"] == 4
    assert seen["stream_batch_events_sum",] == 10
    assert seen["stream_last_commit_timestamp_seconds",] == NOW


def test_the_state_is_one_hot() -> None:
    m = metrics()
    for state in State:
        m.state(state)
        states = {labels[1]: v for labels, v in scrape(m).items() if labels[0] == "stream_pipeline_state"}
        assert states == {s.value: float(s is state) for s in State}


def test_lag_forgets_revoked_partitions() -> None:
    m = metrics()
    m.lag([PartitionLag("in", 0, 5, NOW - 2), PartitionLag("in", 1, 0, None)])
    seen = scrape(m)
    assert (seen["stream_consumer_lag_events", "in", "0"], seen["stream_consumer_lag_seconds", "in"]) == (5, 2.0)
    assert (seen["stream_consumer_caught_up", "in"], seen["stream_consumer_assigned_partitions", "in"]) == (0, 2)
    m.lag([PartitionLag("in", 1, 0, None)])
    seen = scrape(m)
    assert ("stream_consumer_lag_events", "in", "0") not in seen
    assert (seen["stream_consumer_caught_up", "in"], seen["stream_consumer_assigned_partitions", "in"]) == (1, 1)


def test_unknown_lag_is_neither_zero_nor_caught_up() -> None:
    m = metrics()
    m.lag([PartitionLag("in", 0, None, None), PartitionLag("in", 1, 0, None)])
    seen = scrape(m)
    assert ("stream_consumer_lag_events", "in", "0") not in seen
    assert ("stream_consumer_lag_seconds", "in") not in seen
    assert seen["stream_consumer_caught_up", "in"] == 0
    assert seen["stream_consumer_assigned_partitions", "in"] == 2


def test_many_partitions_share_one_lag_series() -> None:
    m = metrics()
    m.lag([PartitionLag("in", p, 2, NOW) for p in range(MAX_PARTITION_SERIES + 1)])
    lags = {k: v for k, v in scrape(m).items() if k[0] == "stream_consumer_lag_events"}
    assert lags == {("stream_consumer_lag_events", "in", ALL): 2 * (MAX_PARTITION_SERIES + 1)}


def test_labels_of_closed_sets_stay_in_them_and_open_ones_are_bounded() -> None:
    m = metrics()
    m.recovered("transaction")
    m.recovered("what nobody thought of")
    m.kafka_error("producer", "_TRANSPORT")
    m.kafka_error("producer", "TOPIC_AUTHORIZATION_FAILED")
    m.kafka_error("producer", "NEW_IN_KAFKA_5")
    for i in range(MAX_SERIES + 50):
        m.paused(f"reason{i}")
    seen = scrape(m)
    assert seen["stream_recoveries_total", OTHER] == 1
    assert seen["stream_kafka_errors_total", "producer", "authorization"] == 1
    assert seen["stream_kafka_errors_total", "producer", OTHER] == 1
    assert seen["stream_pauses_total", OTHER] == 50 + len(PAUSE_REASONS)
    assert sum(labels[0] == "stream_pauses_total" for labels in seen) == MAX_SERIES + 1


def test_the_first_pause_is_seen_too_since_its_reason_was_there_with_0() -> None:
    """A rate cannot see a series that is born with 1."""
    raised = {
        node.args[0].value
        for path in ROOT.glob("stream/**/*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "SystemicError"
        if isinstance(node.args[0], ast.Constant)
    }
    assert raised <= set(PAUSE_REASONS)
    seen = scrape(metrics())
    assert {labels[1] for labels in seen if labels[0] == "stream_pauses_total"} == set(PAUSE_REASONS)
    assert seen["stream_pauses_total", "broker"] == 0


def test_a_scrape_sees_whole_batches_only() -> None:
    m = metrics()
    scraped: list[bytes] = []
    thread = threading.Thread(target=lambda: scraped.append(m.exposition()[0]))

    class Reports(list[StageReport]):
        def __iter__(self):
            thread.start()  # a scrape comes while the batch is being counted
            thread.join(0.05)
            assert not scraped, "it waits"
            return super().__iter__()

    m.committed(outcome(3, reports=Reports([StageReport("decode", 0.1, 3, 0)])), now=NOW, transaction_s=0.0)
    thread.join(5)
    assert b'stream_transactions_total{outcome="committed",pipeline="flights"} 1.0' in scraped[0]


def test_openmetrics_is_served_to_who_asks_for_it() -> None:
    body, content_type = metrics().exposition("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_a_batch_costs_less_than_a_millisecond() -> None:
    m = metrics()
    reports = [StageReport(name, 0.01, 10_000, 0) for name in ("decode", "validate", "infer", "encode")]
    batch = outcome(10_000, failures=[poison(i) for i in range(20)], reports=reports)
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        m.committed(batch, now=NOW, transaction_s=0.01)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.001


UNITS = ("seconds", "bytes", "events", "info", "state", "ratio")
PLURAL_THINGS = (
    *("transactions", "dead_letters", "rebalances", "failures", "recoveries", "pauses", "errors"),
    *("retries", "batches", "disconnects", "scores", "calls"),
)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_names_follow_the_rules_of_prometheus(metric) -> None:
    assert re.fullmatch(r"stream_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert not re.search(r"_(ms|millis|milliseconds|minutes|kb|mb|percent|count|sum|bucket)(_|$)", metric.name)
    stem = metric.name.removesuffix("_total")
    partitions_or_flag = stem.endswith(
        ("assigned_partitions", "held_partitions", "caught_up", "breaker_open", "events_received", "events_sent")
    )
    assert partitions_or_flag or stem.endswith((*UNITS, *PLURAL_THINGS)), "ends in its base unit, or what is counted"
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
    for label in metric.labels:
        assert re.fullmatch(r"[a-z_]+", label.name)
        assert label.name not in {"le", "quantile", "instance", "job"}
        assert label.values or label.source, "a closed set, or where the names come from"
    assert metric.meaning.endswith(".")


def test_names_are_unique_and_every_metric_can_be_exposed() -> None:
    assert len({m.name for m in METRICS}) == len(METRICS)
    m = metrics()
    m.iterated(NOW)
    m.rebalanced("assigned")
    m.paused("kafka")
    m.lag([PartitionLag("in", 0, 5, NOW)])
    m.statistics("consumer", STATISTICS)
    m.retries_waiting({"p.retry.10s": 4})
    m.retries_due({"p.retry.10s": NOW})
    m.oldest_dead_letter("p.dlq", NOW)
    m.inflight(3)
    m.held({"in": [NOW - 60]})
    m.http_calls("http").ended("answered", 0.1)
    m.newest_event("in", NOW)
    m.rebalance_took(0.2)
    failures = [
        poison(0, "validate", "expectation", suite="s", expectations="a"),
        Failure(1, "http", FailureClass.TRANSIENT, "busy"),
    ]
    reports = [StageReport("infer", 0.1, 3, 0)]
    scores = {("infer", "y"): np.array([0.5])}
    m.committed(outcome(4, failures=failures, reports=reports, scores=scores), now=NOW, transaction_s=0.1, retried={1})
    body = m.exposition()[0].decode()
    families = {f.name for f in text_string_to_metric_families(body) if f.samples}
    assert {x.name.removesuffix("_total") for x in METRICS} <= {f.removesuffix("_total") for f in families}
    assert "_created" not in body


def test_calls_are_counted_as_they_are_made_by_their_outcome() -> None:
    m = metrics()
    calls = m.http_calls("http-2")
    assert scrape(m)["stream_http_calls_total", "http-2", "throttled"] == 0, "a rate sees the first one too"
    calls.began()
    calls.began()
    assert scrape(m)["stream_http_inflight_calls", "http-2"] == 2
    calls.ended("answered", 0.02)
    calls.ended("timeout", 20.0)
    calls.breaker(is_open=True)
    seen = scrape(m)
    assert seen["stream_http_inflight_calls", "http-2"] == 0
    assert [seen["stream_http_calls_total", "http-2", outcome] for outcome in ("answered", "timeout")] == [1, 1]
    assert seen["stream_http_call_duration_seconds_sum", "http-2"] == pytest.approx(20.02)
    assert seen["stream_http_breaker_open", "http-2"] == 1


def test_held_partitions_are_counted_by_topic_and_0_when_none_is() -> None:
    m = metrics()
    m.held({"p.retry.10s": [NOW - 5], "in": [NOW - 60, NOW - 600]})
    seen = scrape(m)
    assert (seen["stream_held_partitions", "in"], seen["stream_held_partitions", "p.retry.10s"]) == (2, 1)
    assert seen["stream_held_since_timestamp_seconds", "in"] == NOW - 600
    m.held({})
    seen = scrape(m)
    assert seen["stream_held_partitions", "in"] == 0
    assert not [labels for labels in seen if labels[0] == "stream_held_since_timestamp_seconds"]


STATISTICS = json.dumps(
    {
        "msg_cnt": 3,
        "msg_size": 30,
        "tx_bytes": 1000,
        "rx_bytes": 2000,
        "brokers": {
            "a": {"rtt": {"p50": 1500, "p99": 20_000}, "throttle": {"max": 250}, "txerrs": 1, "disconnects": 2},
            "b": {"rtt": {"p50": 500, "p99": 90_000}, "throttle": {"max": 0}, "req_timeouts": 4, "disconnects": 1},
        },
        "topics": {"t": {"partitions": {"0": {"fetchq_cnt": 5, "fetchq_size": 50}, "-1": {"fetchq_cnt": 0}}}},
    }
)


def test_what_the_client_tells_is_that_of_its_slowest_broker_and_its_queues() -> None:
    m = metrics()
    m.statistics("producer", STATISTICS)
    seen = scrape(m)
    assert seen["stream_kafka_round_trip_seconds", "producer", "99"] == 0.09
    assert seen["stream_kafka_round_trip_seconds", "producer", "50"] == 0.0015
    assert seen["stream_kafka_throttle_seconds", "producer"] == 0.25
    assert (seen["stream_kafka_queue_events", "producer"], seen["stream_kafka_queue_bytes", "producer"]) == (8, 80)
    assert seen["stream_kafka_request_errors_total", "producer"] == 5
    assert seen["stream_kafka_disconnects_total", "producer"] == 3
    assert seen["stream_kafka_disconnects_total", "consumer"] == 0


def test_counts_of_a_client_go_on_when_a_new_client_takes_its_place() -> None:
    m = metrics()
    told = json.loads(STATISTICS)
    for sent in (1000, 1500, 200, 300):
        m.statistics("producer", json.dumps({**told, "tx_bytes": sent}))
    assert scrape(m)["stream_kafka_sent_bytes_total", "producer"] == 1500 + 300


def test_a_client_that_tells_nothing_yet_is_no_trouble() -> None:
    m = metrics()
    m.statistics("consumer", "{}")
    assert scrape(m)["stream_kafka_queue_events", "consumer"] == 0


@pytest.mark.parametrize(
    ("events", "size", "full", "closed_by"),
    [
        (10, 0, True, "events"),
        (9, 99, True, "bytes"),
        (9, 80, True, "events"),
        (9, 99, False, "wait"),
        (0, 0, False, "wait"),
    ],
)
def test_a_batch_says_what_closed_it(events: int, size: int, full: bool, closed_by: str) -> None:
    """However many events a full one has: its size follows the time that batches take."""
    m = Metrics("p", topics=["in"], batch_bytes=100)
    value = b"v" * (size // max(events, 1))
    messages = replace(Messages.of([value] * events, topic="in", timestamp_ms=1000), full=full)
    m.committed(Outcome(messages, [], [], events), now=NOW, transaction_s=0.01)
    counted = {labels[1]: n for labels, n in scrape(m).items() if labels[0] == "stream_batches_total"}
    assert counted == {"events": 0, "bytes": 0, "wait": 0} | {closed_by: 1}


def test_retries_are_counted_by_stage_and_reason() -> None:
    m = metrics()
    failures = [Failure(0, "http", FailureClass.TRANSIENT, "busy"), poison(1)]
    m.committed(outcome(4, failures=failures), now=NOW, transaction_s=0.01, retried={0})
    assert scrape(m)["stream_retries_total", "http", "busy"] == 1


def test_a_dead_letter_that_was_resolved_has_no_age_and_a_tier_where_nothing_waits_no_time() -> None:
    m = metrics()
    m.oldest_dead_letter("p.dlq", NOW)
    m.retries_due({"a": NOW, "b": NOW})
    assert scrape(m)["stream_dead_letter_oldest_timestamp_seconds", "p.dlq"] == NOW
    m.oldest_dead_letter("p.dlq", None)
    m.retries_due({"b": NOW})
    names = {labels[:2] for labels in scrape(m)}
    assert ("stream_dead_letter_oldest_timestamp_seconds", "p.dlq") not in names
    assert ("stream_retry_next_due_timestamp_seconds", "a") not in names


def test_the_model_that_runs_is_told_with_its_digest() -> None:
    m = Metrics("p", models={"infer": ModelName("delay", "3", "0123456789abcdef", 0.25)})
    assert scrape(m)["stream_model_info", "infer", "delay", "3", "0123456789ab"] == 1
    assert scrape(m)["stream_model_load_seconds", "infer", "delay", "3"] == 0.25


def test_results_of_models_are_spread_over_buckets_and_those_of_other_stages_are_not_told() -> None:
    m = metrics()
    scores = {("infer", "delay"): np.array([-3.0, 0.15, 0.2, 400.0]), ("call", "x"): np.array([1.0])}
    m.committed(outcome(4, scores=scores), now=NOW, transaction_s=0.01)
    seen = scrape(m)
    name = "stream_inference_scores_bucket"
    up_to = {b: seen[name, "delay", "3", "delay", b] for b in ("-5.0", "-2.0", "0.1", "0.2", "100.0", "1000.0", "+Inf")}
    assert up_to == {"-5.0": 0, "-2.0": 1, "0.1": 1, "0.2": 3, "100.0": 3, "1000.0": 4, "+Inf": 4}
    assert not any(labels[0] == name and "x" in labels for labels in seen)


def test_a_loaded_process_has_fewer_than_2000_series() -> None:
    """Twelve stages, four models, 60 expectations, 64 partitions of four topics, every reason of every stage."""
    stages = [f"stage-{n}" for n in range(12)]
    models = {stage: ModelName(f"model-{stage}", "1", "abc") for stage in stages[:4]}
    topics = [f"in-{n}" for n in range(4)]
    m = Metrics("p", topics=topics, outputs=[f"out-{n}" for n in range(8)], models=models)
    suite = [poison(n, "stage-0", "expectation", suite="s", expectations=f"e-{n}") for n in range(60)]
    other = [poison(60 + 8 * s + r, stage, f"reason-{r}") for s, stage in enumerate(stages) for r in range(8)]
    reports = [StageReport(stage, 0.01, 10, 1) for stage in ("decode", *stages, "route", "encode")]
    warnings = Counter({("s", f"w-{n}"): 1 for n in range(60)})
    scores = {(stage, f"out-{n}"): np.zeros(3) for stage in models for n in range(2)}
    batch = outcome(200, failures=[*suite, *other], reports=reports, warning_counts=warnings, scores=scores)
    m.committed(batch, now=NOW, transaction_s=0.01)
    m.lag([PartitionLag(topic, p, 5, NOW) for topic in topics for p in range(16)])
    for client in ("consumer", "producer"):
        m.statistics(client, STATISTICS)
    for state in range(6):
        m.paused(f"why-{state}")
    m.retries_due({f"tier-{n}": NOW for n in range(6)})
    m.retries_waiting({f"tier-{n}": 3 for n in range(6)})
    samples = [s for f in text_string_to_metric_families(m.exposition()[0].decode()) for s in f.samples]
    assert 800 < len(samples) < 2000


def test_the_documented_table_has_every_metric() -> None:
    rows = metrics_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [m.name for m in METRICS]
    assert "output, filtered, dead_letter, retried" in metrics_table()
    assert all(row.count("|") == 5 for row in rows)
