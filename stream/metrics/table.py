"""Every metric of the product: its name, kind, labels, and what it means to an operator.

Names and units follow prometheus.io/docs/practices/naming.
"""

from __future__ import annotations

from typing import Final

from stream.health import State
from stream.metrics.metric import Kind, Label, Metric

OTHER: Final = "other"
ALL: Final = "all"
MAX_SERIES: Final = 500
"""Series of one metric: names of the configuration beyond it are counted under "other"."""
MAX_PARTITION_SERIES: Final = 200
"""Lag in events has a series a partition up to this many partitions, and one a topic beyond."""

_PIPELINE = Label("pipeline", source="its name")
_CALL_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 86400.0)
_SCORE = (
    *(-1000.0, -100.0, -50.0, -20.0, -10.0, -5.0, -2.0, -1.0, -0.5, 0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    *(0.9, 0.95, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0),
)
"""Fine between 0 and 1, where probabilities are, and in powers beyond."""
_EVENTS = (1.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0, 25_000.0, 50_000.0, 100_000.0)


def _counter(name: str, meaning: str, *labels: Label) -> Metric:
    return Metric(f"stream_{name}", Kind.COUNTER, (_PIPELINE, *labels), meaning)


def _gauge(name: str, meaning: str, *labels: Label) -> Metric:
    return Metric(f"stream_{name}", Kind.GAUGE, (_PIPELINE, *labels), meaning)


def _histogram(name: str, meaning: str, buckets: tuple[float, ...], *labels: Label) -> Metric:
    return Metric(f"stream_{name}", Kind.HISTOGRAM, (_PIPELINE, *labels), meaning, buckets)


_TOPIC = Label("topic", source="topics of the pipeline file")
_PARTITION = Label("partition", source=f'assigned partitions; "{ALL}" above {MAX_PARTITION_SERIES} of them')
_STAGE = Label("stage", source="decode, the stages of the pipeline file, route, encode")
_MODEL = (Label("model", source="model packages of the pipeline file"), Label("version", source="their versions"))
_PASSED = Label("outcome", ("passed", "failed"))
_OUTCOME = Label("outcome", ("output", "filtered", "dead_letter", "retried"))
_REASON = Label("reason", source="reasons of the stages")
_ERROR_KINDS = ("transport", "timeout", "brokers_down", "authentication", "authorization", "fatal", OTHER)
_TIER = Label("tier", source="retry topics of the pipeline file")
_CLIENT = Label("client", ("consumer", "producer"))
CALL_OUTCOMES: Final = (
    *("answered", "refused", "redirected", "too_large_answer", "url_value", "timeout", "unreachable"),
    *("disconnected", "throttled", "server_error", "credentials", "budget", "given_up"),
)
_CALL = Label("outcome", CALL_OUTCOMES)
_HTTP_STAGE = Label("stage", source="http stages of the pipeline file")
_RECOVERY = Label("reason", ("transaction", "late_request", "fenced", "refused", "systemic", OTHER))

BUILD = Metric(
    "stream_build_info",
    Kind.GAUGE,
    (
        Label("version", source="this package"),
        Label("python", source="Python"),
        Label("client", source="confluent-kafka"),
    ),
    "Always 1: what runs here.",
)
STATE = _gauge(
    "pipeline_state",
    "1 for the state the pipeline is in. Alert on paused and failed; /readyz has the reason.",
    Label("state", tuple(s.value for s in State)),
)
ITERATION = _gauge(
    "loop_last_iteration_timestamp_seconds", "When the loop last went round. An age that grows: the process is stuck."
)
LOOP_SECONDS = _counter(
    "loop_seconds_total",
    "Where the loop's time goes. idle: nothing came, or a light load waited (batch.wait); read: taking events in; "
    "process: the stages; commit: waiting for the transaction before; recover and pause: trouble.",
    Label("activity", ("idle", "read", "process", "commit", "recover", "pause")),
)
RECEIVED = _counter(
    "events_received_total",
    "Events read, counted once what became of them is committed: the sum of stream_events_total.",
    _TOPIC,
)
RECEIVED_BYTES = _counter("received_bytes_total", "Bytes of the keys and values of the events received.")
EVENTS = _counter("events_total", "What became of each event, once per event.", _OUTCOME)
SENT = _counter("events_sent_total", "Events written to an output topic.", _TOPIC)
DEAD_LETTERS = _counter(
    "dead_letters_total",
    "Events written to the dead letter topic: which stage set them aside, and why.",
    _STAGE,
    _REASON,
)
RETRIES = _counter(
    "retries_total", "Events written to a retry tier: which stage could not pass them now, and why.", _STAGE, _REASON
)
RETRY_WAITING = _gauge(
    "retry_waiting_events",
    "Events of a retry tier that are not tried again yet, of all workers: 0 or at most so many, as markers count too.",
    _TIER,
)
RETRY_DUE = _gauge(
    "retry_next_due_timestamp_seconds",
    "When the first waiting event of a tier is due. Long ago: nobody reads the tier. No series: none waits here.",
    _TIER,
)
OLDEST_LETTER = _gauge(
    "dead_letter_oldest_timestamp_seconds",
    "When the oldest dead letter failed that nobody has replayed or discarded. No series: there is none.",
    Label("topic", source="the dead-letter topic"),
)
HELD = _gauge(
    "held_partitions",
    "Partitions that wait behind an event that cannot pass now (order: strict, on_exhausted: hold); others go on.",
    _TOPIC,
)
HELD_SINCE = _gauge(
    "held_since_timestamp_seconds",
    "When the event first failed that has held a partition for the longest. The log has the place. No series: none.",
    _TOPIC,
)
CALLS = _counter(
    "http_calls_total",
    "Calls of an http stage, each attempt, as they are made. answered: with a 2xx, what is in it is judged later; "
    "budget: cut off by the end of the batch's time; given_up: the service counted as down meanwhile.",
    _HTTP_STAGE,
    _CALL,
)
CALL_SECONDS = _histogram(
    "http_call_duration_seconds", "Wall time of one call, connecting included.", (*_CALL_S, 30.0, 60.0), _HTTP_STAGE
)
CALLS_IN_FLIGHT = _gauge(
    "http_inflight_calls", "Calls under way. At `concurrency` all the time: the service is the limit.", _HTTP_STAGE
)
BREAKER = _gauge(
    "http_breaker_open", "1 while the service of the stage counts as down: the pipeline is paused.", _HTTP_STAGE
)
STAGE_EVENTS = _counter("stage_events_total", "Events that a stage passed on, or set aside.", _STAGE, _PASSED)
STAGE_SECONDS = _histogram(
    "stage_duration_seconds", "Wall time of one batch in a stage: where the time goes.", _CALL_S, _STAGE
)
BATCH = _histogram(
    "batch_events", "Events of one transaction. Small while there is lag: batch.wait or batch.bytes is low.", _EVENTS
)
BATCHES = _counter(
    "batches_total",
    "Batches by what closed them. events and bytes: full, there is a backlog; wait: what came within batch.wait.",
    Label("closed_by", ("events", "bytes", "wait")),
)
INFLIGHT = _gauge("inflight_events", "Events read and not committed yet, at most. They stay: something hangs or waits.")
TRANSACTIONS = _counter(
    "transactions_total",
    "Transactions. A failed one is recovered from: it costs time, never an event.",
    Label("outcome", ("committed", "failed")),
)
TRANSACTION_SECONDS = _histogram(
    "transaction_duration_seconds", "Begin to commit, sending included. Keep it far below transaction.timeout.", _CALL_S
)
LAST_COMMIT = _gauge(
    "last_commit_timestamp_seconds", "When the last transaction was committed. Old while there is lag: no progress."
)
LATENCY = _histogram(
    "end_to_end_latency_seconds",
    "From the input event's timestamp to the commit of what became of it. Events without a timestamp are left out.",
    _LATENCY_S,
)
LAG_EVENTS = _gauge(
    "consumer_lag_events",
    "Offsets not committed yet. Transaction markers take offsets too, so alert on seconds, not on this.",
    _TOPIC,
    _PARTITION,
)
LAG_SECONDS = _gauge("consumer_lag_seconds", "Age of the oldest event not committed yet, 0 when caught up.", _TOPIC)
CAUGHT_UP = _gauge("consumer_caught_up", "1 when all there is of every assigned partition is committed.", _TOPIC)
NEWEST_EVENT = _gauge(
    "newest_event_timestamp_seconds",
    "Timestamp of the newest event committed. Old while caught up: the producers send nothing, or late.",
    _TOPIC,
)
ASSIGNED = _gauge(
    "consumer_assigned_partitions",
    "Partitions of this worker. 0: more workers than partitions, this one stands by.",
    _TOPIC,
)
REBALANCES = _counter(
    "rebalances_total",
    "Changes of the assignment. lost: the group gave up on this worker because it did not poll in time.",
    Label("kind", ("assigned", "revoked", "lost")),
)
REBALANCE_SECONDS = _histogram(
    "rebalance_duration_seconds",
    "From giving partitions back to the next assignment: so long they stood still.",
    (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0),
)
VALIDATION = _counter(
    "validation_failures_total",
    "Events (or batches) that did not meet an expectation. critical set the event aside, warning did not.",
    Label("suite", source="suites of the pipeline file"),
    Label("expectation", source="ids of their expectations"),
    Label("severity", ("critical", "warning")),
)
INFERENCE_EVENTS = _counter("inference_events_total", "Events that a model scored, or refused.", *_MODEL, _PASSED)
INFERENCE_SECONDS = _histogram("inference_duration_seconds", "Wall time of one batch in a model.", _CALL_S, *_MODEL)
SCORES = _histogram(
    "inference_scores",
    "Numbers that a model answered with, of at most 1,000 rows a batch. Other shape: other events, or another model.",
    _SCORE,
    *_MODEL,
    Label("output", source="columns of the model's numeric outputs"),
)
MODEL = _gauge(
    "model_info",
    "Always 1: the model that a stage runs. Two digests of one version: a package was changed in place.",
    _STAGE,
    *_MODEL,
    Label("digest", source="first 12 digits of the model file's SHA-256"),
)
MODEL_LOAD = _gauge(
    "model_load_seconds",
    "Time it took at the start to load a stage's model and score its golden rows: a restart waits for it.",
    _STAGE,
    *_MODEL,
)
RECOVERIES = _counter(
    "recoveries_total",
    "New producer, committed offsets read again. late_request: the guard saw a request that may have been sent twice.",
    _RECOVERY,
)
PAUSES = _counter(
    "pauses_total",
    "Times the pipeline stopped taking events until what it needs came back. Nothing is lost meanwhile.",
    Label("reason", source="what is missing"),
)
KAFKA_ERRORS = _counter(
    "kafka_errors_total",
    "Trouble the Kafka clients report by themselves and retry. A rate that lasts is the broker or the network.",
    _CLIENT,
    Label("kind", _ERROR_KINDS),
)
ROUND_TRIP = _gauge(
    "kafka_round_trip_seconds",
    "Time a request to a broker took, of the slowest broker, within the last seconds; a fetch waits for events.",
    _CLIENT,
    Label("percentile", ("50", "99")),
)
THROTTLE = _gauge("kafka_throttle_seconds", "Longest that a broker made the client wait: a quota is reached.", _CLIENT)
QUEUE_EVENTS = _gauge("kafka_queue_events", "Events in the client's queues: fetched, or to be sent.", _CLIENT)
QUEUE_BYTES = _gauge("kafka_queue_bytes", "Their bytes.", _CLIENT)
REQUEST_ERRORS = _counter(
    "kafka_request_errors_total", "Requests that failed, timed out or were sent again; the client retries.", _CLIENT
)
DISCONNECTS = _counter("kafka_disconnects_total", "Connections that ended; idle ones do all the time.", _CLIENT)
SENT_BYTES = _counter("kafka_sent_bytes_total", "Bytes sent to the brokers, as on the wire.", _CLIENT)
RECEIVED_WIRE_BYTES = _counter("kafka_received_bytes_total", "Bytes received from the brokers.", _CLIENT)

METRICS: Final[tuple[Metric, ...]] = (
    *(BUILD, STATE, ITERATION, LOOP_SECONDS),
    *(RECEIVED, RECEIVED_BYTES, EVENTS, SENT, DEAD_LETTERS, OLDEST_LETTER, STAGE_EVENTS, STAGE_SECONDS),
    *(RETRIES, RETRY_WAITING, RETRY_DUE, HELD, HELD_SINCE, CALLS, CALL_SECONDS, CALLS_IN_FLIGHT, BREAKER),
    *(BATCH, BATCHES, INFLIGHT, TRANSACTIONS, TRANSACTION_SECONDS, LAST_COMMIT, LATENCY),
    *(LAG_EVENTS, LAG_SECONDS, CAUGHT_UP, NEWEST_EVENT, ASSIGNED, REBALANCES, REBALANCE_SECONDS),
    *(VALIDATION, INFERENCE_EVENTS, INFERENCE_SECONDS, SCORES, MODEL, MODEL_LOAD),
    *(RECOVERIES, PAUSES, KAFKA_ERRORS),
    *(ROUND_TRIP, THROTTLE, QUEUE_EVENTS, QUEUE_BYTES, REQUEST_ERRORS, DISCONNECTS, SENT_BYTES, RECEIVED_WIRE_BYTES),
)


def metrics_table() -> str:
    """The table of the documentation, in Markdown."""
    lines = ["| Metric | Kind | Labels | Meaning |", "|---|---|---|---|"]
    for m in METRICS:
        labels = ", ".join(f"{x.name} ({', '.join(x.values) or x.source})" for x in m.labels if x is not _PIPELINE)
        lines.append(f"| `{m.name}` | {m.kind} | {labels} | {m.meaning} |")
    return "\n".join(lines) + "\n"
