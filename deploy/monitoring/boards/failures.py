"""What fails and why: validation, dead letters, retries."""

from __future__ import annotations

from typing import Final

from deploy.monitoring.panels import Board, Query, Row, Step, bars, lines, number

_NOW = (
    number(
        "Dead letters, now",
        "percentunit",
        "Share of the events that become dead letters. At failures.dead_letter.limit the pipeline pauses.",
        Query(
            'sum(rate(stream_events_total{outcome="dead_letter"}[$__rate_interval]))'
            " / (sum(rate(stream_events_total[$__rate_interval])) > 0)"
        ),
        width=6,
        steps=(Step(0, "green"), Step(0.05, "orange"), Step(0.2, "red")),
        empty="no event was committed within the interval",
    ),
    number(
        "Dead letters, in this time",
        "short",
        "Written in the time the board shows. Count those that wait: `stream dlq list PIPELINE`.",
        Query('round(sum(increase(stream_events_total{outcome="dead_letter"}[$__range])))'),
        width=6,
    ),
    number(
        "Oldest dead letter",
        "s",
        "The longest that one waits to be replayed or discarded. `stream dlq list PIPELINE` shows which.",
        Query("time() - min(stream_dead_letter_oldest_timestamp_seconds)"),
        width=6,
        steps=(Step(0, "green"), Step(86_400, "orange"), Step(604_800, "red")),
        empty="every dead letter was replayed or discarded",
    ),
    number(
        "Waiting to be tried again",
        "short",
        "Events in the retry tiers, at most: transaction markers count too. Grows: what they wait for is still away.",
        Query("sum(max by (pipeline, tier) (stream_retry_waiting_events)) or vector(0)"),
        width=6,
        steps=(Step(0, "green"), Step(10_000, "orange")),
    ),
)
_LETTERS = (
    lines(
        "Dead letters by stage and reason",
        "cps",
        "decode: a producer writes something else, ask its owner. validate: see the expectations. infer: the model "
        "refuses rows. Fix the cause, then `stream dlq replay PIPELINE --where \"reason = '...'\"`.",
        Query("sum by (stage, reason) (rate(stream_dead_letters_total[$__rate_interval]))", "{{stage}}: {{reason}}"),
        width=12,
        stacked=True,
        empty="no event has become a dead letter",
    ),
    bars(
        "Dead letters in this time, by stage and reason",
        "short",
        "The longest bar is what to mend first.",
        Query(
            "sort_desc(round(sum by (stage, reason) (increase(stream_dead_letters_total[$__range]))) > 0)",
            "{{stage}}: {{reason}}",
        ),
        width=12,
        empty="no event has become a dead letter",
    ),
)
_VALIDATION = (
    lines(
        "Expectations not met",
        "cps",
        "critical: these events became dead letters. warning: they passed, marked in the header stream.warnings. A "
        "step up at a deploy of the producer: its data changed.",
        Query(
            "sum by (expectation, severity) (rate(stream_validation_failures_total[$__rate_interval]))",
            "{{expectation}} ({{severity}})",
        ),
        width=12,
        empty="every event has met every expectation",
    ),
    bars(
        "Expectations not met in this time",
        "short",
        "By suite and expectation. Right data and a wrong expectation: change the suite, then replay.",
        Query(
            "sort_desc(round(sum by (suite, expectation) (increase(stream_validation_failures_total[$__range]))) > 0)",
            "{{suite}}: {{expectation}}",
        ),
        width=12,
        empty="every event has met every expectation",
    ),
)
_RETRIES = (
    lines(
        "Sent to a retry tier",
        "cps",
        "By stage and reason. busy or timeout of an http stage: its service is overloaded or away.",
        Query("sum by (stage, reason) (rate(stream_retries_total[$__rate_interval]))", "{{stage}}: {{reason}}"),
        stacked=True,
        empty="no event was sent to a retry tier",
    ),
    lines(
        "Waiting in the retry tiers",
        "short",
        "Events not tried again yet, at most. A tier that only grows: its events fail each time.",
        Query("max by (pipeline, tier) (stream_retry_waiting_events)", "{{pipeline}} {{tier}}"),
        stacked=True,
        empty="no pipeline here has retry tiers",
    ),
    lines(
        "Retries overdue by",
        "s",
        "How long ago the first waiting event of a tier was due. 0 or less is normal. Grows: the pipeline is paused or "
        "stuck.",
        Query(
            "clamp_min(time() - min by (pipeline, tier) (stream_retry_next_due_timestamp_seconds), 0)",
            "{{pipeline}} {{tier}}",
        ),
        steps=(Step(60, "orange"), Step(600, "red")),
        empty="no event waits for its time",
    ),
)
_SERVICES = (
    lines(
        "Calls of services, by outcome",
        "cps",
        "Attempts of http stages. server_error, timeout, unreachable: the service is in trouble, its events are tried "
        "again. throttled: lower rate or concurrency. refused: it does not take these events. credentials: its token "
        "is wrong.",
        Query(
            "sum by (stage, outcome) (rate(stream_http_calls_total[$__rate_interval])) > 0", "{{stage}}: {{outcome}}"
        ),
        stacked=True,
        empty="no http stage made a call within the interval",
    ),
    lines(
        "Duration of a call",
        "s",
        "Near the timeout of the stage: its service is slow, and the worker waits for it. A batch takes about events / "
        "concurrency of this.",
        Query(
            "histogram_quantile(0.5,"
            " sum by (stage, le) (rate(stream_http_call_duration_seconds_bucket[$__rate_interval])))",
            "{{stage}}: half",
        ),
        Query(
            "histogram_quantile(0.99,"
            " sum by (stage, le) (rate(stream_http_call_duration_seconds_bucket[$__rate_interval])))",
            "{{stage}}: 99 of 100",
        ),
        empty="no http stage made a call within the interval",
    ),
    lines(
        "Calls under way, and breaker",
        "short",
        "Calls at this moment, of all workers. At concurrency for long: the service is the limit. open: it counts as "
        "down, and the pipeline is paused until one call gets an answer.",
        Query("sum by (stage) (stream_http_inflight_calls)", "{{stage}}"),
        Query("max by (stage) (stream_http_breaker_open)", "{{stage}}: open"),
        empty="no pipeline here has an http stage",
    ),
)
_HELD = (
    lines(
        "Partitions held by an event",
        "short",
        "With order: strict, or on_exhausted: hold, an event that cannot pass keeps its place and what is behind it "
        "waits. Other partitions go on. The log line `partition waits behind an event` has the place and the reason.",
        Query("sum by (pipeline, topic) (stream_held_partitions)", "{{pipeline}} {{topic}}"),
        width=12,
        stacked=True,
    ),
    lines(
        "Held for",
        "s",
        "How long ago the event failed first that has held a partition for the longest. A line that only rises: what "
        "the event needs does not come back by itself.",
        Query("time() - min by (pipeline, topic) (stream_held_since_timestamp_seconds)", "{{pipeline}} {{topic}}"),
        width=12,
        steps=(Step(1800, "orange"),),
        empty="no partition is held by an event",
    ),
)
_AGE = (
    lines(
        "Age of the oldest dead letter",
        "s",
        "By pipeline. A line that rises without end: nobody looks. It falls when the oldest is replayed or discarded.",
        Query(
            "time() - min by (pipeline) (stream_dead_letter_oldest_timestamp_seconds)",
            "{{pipeline}}",
        ),
        width=12,
        steps=(Step(86_400, "orange"),),
        empty="every dead letter was replayed or discarded",
    ),
    lines(
        "Events set aside, by stage",
        "percentunit",
        "Share of the events that reach a stage. Near 1: nothing gets through it, so its model, suite or service is "
        "wrong rather than the events.",
        Query(
            'sum by (stage) (rate(stream_stage_events_total{outcome="failed"}[$__rate_interval]))'
            " / (sum by (stage) (rate(stream_stage_events_total[$__rate_interval])) > 0)",
            "{{stage}}",
        ),
        width=12,
        most=1.0,
        empty="no event reached a stage within the interval",
    ),
)

BOARD: Final = Board(
    "stream-failures",
    "stream: validation and dead letters",
    "What fails, at which stage, for which reason, and how long it waits for somebody.",
    (
        Row("Now", _NOW),
        Row("Dead letters", _LETTERS),
        Row("Validation", _VALIDATION),
        Row("Retries", _RETRIES),
        Row("Services", _SERVICES),
        Row("Held partitions", _HELD),
        Row("Age and share", _AGE),
    ),
)
