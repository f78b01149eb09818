"""Every alert: when it fires, how urgent it is, and what to do.

In an expression `[5m]` is a window and `<10m>` a number of seconds, so that a test can make both shorter.
Each alert has its section in docs/runbook.md and its cases in deploy/prometheus/tests/.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from deploy.monitoring.slo import BURN_ALERTS


class Severity(enum.StrEnum):
    """page: somebody is woken up. ticket: somebody looks at it on the next working day."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class Alert:
    """hold: so long the expression must hold. todo: the next command. summary and meaning may use the labels and
    the value of the alert.
    """

    name: str
    severity: Severity
    expr: str
    hold: str
    summary: str
    meaning: str
    todo: str
    board: str


_P, _T = Severity.PAGE, Severity.TICKET
_WHERE: Final = "{{ $labels.pipeline }} on {{ $labels.instance }}"

_SCRAPE: Final = (
    Alert(
        "StreamNoWorkers",
        _P,
        'absent(up{job="stream"} == 1)',
        "2m",
        "no stream worker answers",
        "Prometheus reaches no worker at all: nothing is processed, or the scrape is wrong.",
        "see whether a worker process runs, and `curl http://WORKER:9464/livez`",
        "stream-overview",
    ),
    Alert(
        "StreamWorkerDown",
        _T,
        'up{job="stream"} == 0',
        "5m",
        "worker {{ $labels.instance }} does not answer",
        "The worker is not scraped. Others of its group take its partitions over, with less room.",
        "read the last lines of its log; its exit code says why (2 configuration, 3 Kafka not reached, 4 fatal)",
        "stream-clients",
    ),
    Alert(
        "StreamRestarting",
        _P,
        'changes(process_start_time_seconds{job="stream"}[15m]) > 3',
        "0m",
        "worker {{ $labels.instance }} restarts again and again",
        "It started {{ $value }} times within 15 minutes.",
        "read the last lines of its log before each start; an event that kills the process is found by itself",
        "stream-clients",
    ),
)
_LOOP: Final = (
    Alert(
        "StreamLoopStuck",
        _P,
        "time() - stream_loop_last_iteration_timestamp_seconds > <2m>",
        "1m",
        f"the loop of {_WHERE} is stuck",
        "It has not gone round for {{ $value | humanizeDuration }}: a stage or a call of the client does not return.",
        "find the stage: `curl http://{{ $labels.instance }}/livez` and the last `committed` line of its log, then "
        "restart the worker",
        "stream-pipeline",
    ),
    Alert(
        "StreamNoCommit",
        _P,
        "min by (pipeline, instance) (stream_consumer_caught_up) == 0"
        ' and on (pipeline, instance) increase(stream_transactions_total{outcome="committed"}[5m]) == 0',
        "2m",
        f"{_WHERE} is behind and commits nothing",
        "There are events to be read, and no transaction was committed for 5 minutes.",
        "`curl http://{{ $labels.instance }}/readyz` says what it waits for",
        "stream-pipeline",
    ),
    Alert(
        "StreamPaused",
        _P,
        'stream_pipeline_state{state="paused"} == 1',
        "2m",
        f"{_WHERE} is paused",
        "Something it needs is missing: Kafka, a topic, an ACL, the registry, a service, or too many events became "
        "dead letters. Nothing is lost and nothing is committed.",
        "`curl http://{{ $labels.instance }}/readyz` names what is missing",
        "stream-pipeline",
    ),
    Alert(
        "StreamLagGrowing",
        _T,
        "deriv(stream:lag_seconds:max[15m]) > 0.05 and stream:lag_seconds:max > <1m>",
        "15m",
        "{{ $labels.pipeline }} falls behind",
        "The oldest event not committed gets older by {{ $value | humanize }} s each second: events come faster than "
        "they are worked off.",
        "see what the loop spends its time on; add workers up to the number of partitions",
        "stream-pipeline",
    ),
)
_GROUP: Final = (
    Alert(
        "StreamRebalanceStorm",
        _T,
        'sum by (pipeline) (increase(stream_rebalances_total{kind=~"revoked|lost"}[10m])) > 6',
        "0m",
        "{{ $labels.pipeline }} rebalances without end",
        "Partitions changed hands {{ $value | humanize }} times within 10 minutes; they stand still each time.",
        "see which worker comes and goes: `stream_consumer_assigned_partitions`, and StreamRestarting",
        "stream-pipeline",
    ),
    Alert(
        "StreamFenced",
        _P,
        'increase(stream_recoveries_total{reason="fenced"}[10m]) > 0',
        "0m",
        f"{_WHERE} was fenced",
        "Another process has the same STREAM_INSTANCE and slot, or Kafka ended a transaction that took longer than "
        "transaction.timeout.",
        "look for a second worker of that name; if there is none, compare the duration of transactions with "
        "transaction.timeout",
        "stream-pipeline",
    ),
    Alert(
        "StreamTransactionsFail",
        _T,
        'sum by (pipeline) (increase(stream_transactions_total{outcome="failed"}[10m]))'
        " / sum by (pipeline) (increase(stream_transactions_total[10m])) > 0.1",
        "10m",
        "transactions of {{ $labels.pipeline }} fail",
        "{{ $value | humanizePercentage }} of them failed within 10 minutes. No event is lost, but each is read again.",
        "see Recoveries by reason, and whether brokers restart",
        "stream-pipeline",
    ),
    Alert(
        "StreamKafkaErrors",
        _T,
        "sum by (pipeline, kind) (rate(stream_kafka_errors_total[10m])) > 0.02",
        "10m",
        "the Kafka clients of {{ $labels.pipeline }} report {{ $labels.kind }}",
        "{{ $value | humanize }} errors a second for 10 minutes: a broker or the network, or credentials and ACLs.",
        "the worker's log has the client's text: look for `consumer:` and `producer:`",
        "stream-clients",
    ),
)
_FAILURES: Final = (
    Alert(
        "StreamDeadLetterRatio",
        _T,
        'sum by (pipeline) (rate(stream_events_total{outcome="dead_letter"}[10m]))'
        ' / (sum by (pipeline) (rate(stream_events_total{outcome!="retried"}[10m])) > 0) > 0.1',
        "10m",
        "{{ $value | humanizePercentage }} of the events of {{ $labels.pipeline }} become dead letters",
        "More than one event in ten fails for good.",
        "`stream dlq list PIPELINE.yaml` says at which stage and why",
        "stream-failures",
    ),
    Alert(
        "StreamDeadLettersOld",
        _T,
        "time() - min by (pipeline) (stream_dead_letter_oldest_timestamp_seconds) > <age 1d>",
        "10m",
        "a dead letter of {{ $labels.pipeline }} waits for {{ $value | humanizeDuration }}",
        "Nobody has replayed or discarded it.",
        "`stream dlq list PIPELINE.yaml`, then `stream dlq replay` or `stream dlq discard`",
        "stream-failures",
    ),
    Alert(
        "StreamRetryTierOld",
        _T,
        "time() - min by (pipeline, tier) (stream_retry_next_due_timestamp_seconds) > <10m>",
        "5m",
        "events in {{ $labels.tier }} are overdue",
        "The first of them should have been tried again {{ $value | humanizeDuration }} ago: the worker is paused, "
        "stuck, or busy with a backlog.",
        "see StreamPaused, StreamLoopStuck and Behind by; the tier follows when they are well",
        "stream-failures",
    ),
    Alert(
        "StreamPartitionHeld",
        _T,
        "time() - min by (pipeline, topic) (stream_held_since_timestamp_seconds) > <30m>",
        "5m",
        "an event of {{ $labels.pipeline }} holds a partition of {{ $labels.topic }}",
        "It failed first {{ $value | humanizeDuration }} ago and keeps its place (order: strict, or on_exhausted: "
        "hold); what is behind it in its partition waits.",
        "look for `partition waits behind an event` in the worker's log: it names the partition, the offset, the stage "
        "and the reason",
        "stream-failures",
    ),
    Alert(
        "StreamServiceFails",
        _T,
        "sum by (pipeline, stage) (rate(stream_http_calls_total"
        '{outcome=~"timeout|unreachable|disconnected|throttled|server_error|credentials"}[10m]))'
        " / (sum by (pipeline, stage) (rate(stream_http_calls_total[10m])) > 0) > 0.2",
        "10m",
        "the service of stage {{ $labels.stage }} of {{ $labels.pipeline }} fails",
        "{{ $value | humanizePercentage }} of the calls failed within 10 minutes. Their events are tried again, and "
        "become dead letters when their attempts are used up.",
        "see Calls of services, by outcome: tell the owner of the service, or lower rate and concurrency of the stage",
        "stream-failures",
    ),
)

ALERTS: Final[Sequence[Alert]] = (
    *_SCRAPE,
    *_LOOP,
    *_GROUP,
    *_FAILURES,
    *(Alert(b.name, Severity(b.severity), b.expr, "0m", b.summary, b.meaning, b.todo, b.board) for b in BURN_ALERTS),
)
