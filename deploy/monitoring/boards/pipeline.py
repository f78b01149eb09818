"""Where the time goes: the loop, its stages, transactions, and the group."""

from __future__ import annotations

from typing import Final

from deploy.monitoring.panels import Board, Kind, Panel, Query, Row, Step, lines

ACTIVITIES: Final = {
    "idle": "dark-green",
    "read": "blue",
    "process": "yellow",
    "commit": "orange",
    "pause": "red",
}

_LOOP = (
    lines(
        "Where the loop's time goes",
        "percentunit",
        "Mean of the workers. Mostly idle: there is room. process: the stages are the limit, see Stages. commit: the "
        "loop waits for Kafka, see Transactions. read: takes events in; high only with a backlog. "
        "pause: something is missing.",
        Query(
            "sum by (activity) (rate(stream_loop_seconds_total[$__rate_interval]))"
            ' / scalar(count(stream_pipeline_state{state="running"}))',
            "{{activity}}",
        ),
        width=12,
        stacked=True,
        colors=ACTIVITIES,
    ),
    lines(
        "Busiest worker",
        "percentunit",
        "Share of its time in which a worker is not idle. One high and the others low: its partitions get most of the "
        "events, so the keys are uneven. All high: add workers, up to the number of partitions.",
        Query(
            "clamp_min(1 - sum by (pipeline, instance)"
            ' (rate(stream_loop_seconds_total{activity="idle"}[$__rate_interval])), 0)',
            "{{pipeline}} {{instance}}",
        ),
        width=12,
        most=1.0,
        steps=(Step(0.9, "orange"),),
    ),
)
_STAGES = (
    lines(
        "Stages: busy",
        "percentunit",
        "Share of one worker's time in each stage. The highest is what to make faster; an http stage waits for its "
        "service.",
        Query(
            "sum by (stage) (rate(stream_stage_duration_seconds_sum[$__rate_interval]))"
            ' / scalar(count(stream_pipeline_state{state="running"}))',
            "{{stage}}",
        ),
        stacked=True,
    ),
    lines(
        "Stages: a slow batch",
        "s",
        "Wall time of a batch in each stage: 99 of 100 take less. Much above the others: that stage has slow events.",
        Query(
            "histogram_quantile(0.99,"
            " sum by (stage, le) (rate(stream_stage_duration_seconds_bucket[$__rate_interval])))",
            "{{stage}}",
        ),
        empty="no batch within the interval",
    ),
    lines(
        "Stages: events set aside",
        "cps",
        "Events that a stage did not pass on. They are dead letters or retries, never lost: see Failures.",
        Query('sum by (stage) (rate(stream_stage_events_total{outcome="failed"}[$__rate_interval]))', "{{stage}}"),
        board="stream-failures",
    ),
)
_BATCHES = (
    Panel(
        "From event to commit",
        "s",
        "How the events are spread over the time from their timestamp to their commit. A band that climbs: a backlog. "
        "Two bands: one partition is behind, or retried events come late, as they should.",
        (Query("sum by (le) (increase(stream_end_to_end_latency_seconds_bucket[$__rate_interval]))", "{{le}}"),),
        kind=Kind.HEATMAP,
        width=12,
    ),
    lines(
        "Events of a batch",
        "short",
        "Mean of one transaction. Small under a backlog: batch.bytes or batch.wait is low. Few events and no backlog "
        "is normal.",
        Query(
            "sum by (pipeline) (rate(stream_batch_events_sum[$__rate_interval]))"
            " / (sum by (pipeline) (rate(stream_batch_events_count[$__rate_interval])) > 0)",
            "{{pipeline}}",
        ),
        width=6,
        empty="no batch within the interval",
    ),
    lines(
        "What closed the batches",
        "cps",
        "events, bytes: full, there is a backlog. wait: what came within batch.wait, there is none.",
        Query("sum by (closed_by) (rate(stream_batches_total[$__rate_interval]))", "{{closed_by}}"),
        width=6,
        stacked=True,
    ),
    lines(
        "Read and not committed",
        "short",
        "Events in hand. They stay for a long time: a stage or a transaction hangs, or the pipeline is paused.",
        Query("max by (pipeline, instance) (stream_inflight_events)", "{{pipeline}} {{instance}}"),
    ),
    lines(
        "Transactions",
        "cps",
        "Committed and failed. A failed one is made again from the committed offsets. Some after a broker stopped are "
        "normal; a rate that lasts is not: see Recoveries.",
        Query("sum by (outcome) (rate(stream_transactions_total[$__rate_interval]))", "{{outcome}}"),
        colors={"committed": "green", "failed": "red"},
    ),
    lines(
        "Duration of a transaction",
        "s",
        "Begin to commit, sending included. Near transaction.timeout: the brokers are slow, or batches too large.",
        Query(
            "histogram_quantile(0.5, sum by (le) (rate(stream_transaction_duration_seconds_bucket[$__rate_interval])))",
            "half",
        ),
        Query(
            "histogram_quantile(0.99,"
            " sum by (le) (rate(stream_transaction_duration_seconds_bucket[$__rate_interval])))",
            "99 of 100",
        ),
        empty="no transaction within the interval",
    ),
)
_TROUBLE = (
    lines(
        "Recoveries by reason",
        "short",
        "late_request: a request may have been sent twice, the network or a broker was slow. fenced: another process "
        "has the same STREAM_INSTANCE and slot, or the coordinator timed a transaction out. systemic: after a pause.",
        Query("sum by (reason) (increase(stream_recoveries_total[$__rate_interval]))", "{{reason}}"),
        stacked=True,
    ),
    lines(
        "Pauses by reason",
        "short",
        "What was missing: the broker, refused (an ACL or a topic is gone), dead_letter_limit (too many events fail), "
        "registry, model, or service. Nothing is lost; bring it back and the pipeline goes on.",
        Query("sum by (reason) (increase(stream_pauses_total[$__rate_interval]))", "{{reason}}"),
        stacked=True,
        empty="nothing has been missing since the workers started",
    ),
    lines(
        "Rebalances",
        "short",
        "Each start or stop of a worker makes one. Many, with no deploy: workers die or poll too late. lost: the "
        "group gave up on a worker.",
        Query("sum by (kind) (increase(stream_rebalances_total[$__rate_interval]))", "{{kind}}"),
        colors={"lost": "red"},
    ),
    lines(
        "Duration of a rebalance",
        "s",
        "From giving partitions back to the next assignment: so long they stood still. Long: a worker did not answer, "
        "for example in a long batch.",
        Query(
            "histogram_quantile(0.99, sum by (le) (increase(stream_rebalance_duration_seconds_bucket[$__range])))",
            "99 of 100",
        ),
        empty="no worker gave partitions back",
    ),
    lines(
        "Partitions by worker",
        "short",
        "0: more workers than partitions, this one stands by.",
        Query(
            "sum by (pipeline, instance) (stream_consumer_assigned_partitions)",
            "{{pipeline}} {{instance}}",
        ),
        stacked=True,
    ),
    lines(
        "Offsets not read yet, by partition",
        "short",
        "Which partitions are behind. Transaction markers count as offsets, so a small number that stands still is no "
        "lag. One partition alone: its keys get most events, or it is held back by an event.",
        Query(
            "topk(20, sum by (topic, partition) (stream_consumer_lag_events))",
            "{{topic}}/{{partition}}",
        ),
    ),
)
_FRESH = (
    lines(
        "Age of the newest event read",
        "s",
        "Grows while nothing comes in: is the producer alive? High and Behind by low: the producers are late, not "
        "this pipeline.",
        Query("time() - max by (pipeline, topic) (stream_newest_event_timestamp_seconds)", "{{pipeline}} {{topic}}"),
        steps=(Step(300, "orange"),),
    ),
    lines(
        "Since the last commit",
        "s",
        "Grows while there is nothing to do. Grows while Behind by grows too: stuck.",
        Query(
            "time() - max by (pipeline, instance) (stream_last_commit_timestamp_seconds)", "{{pipeline}} {{instance}}"
        ),
    ),
    lines(
        "Since the loop went round",
        "s",
        "Some seconds at most. More: a stage or a call of the client does not return; the watchdog ends the process "
        "after max.poll.interval.ms.",
        Query(
            "time() - max by (pipeline, instance) (stream_loop_last_iteration_timestamp_seconds)",
            "{{pipeline}} {{instance}}",
        ),
        steps=(Step(120, "red"),),
    ),
)

BOARD: Final = Board(
    "stream-pipeline",
    "stream: pipeline",
    "Where the time goes and what stops it. Read it from the top: loop, stages, batches, trouble.",
    (
        Row("The loop", _LOOP),
        Row("Stages", _STAGES),
        Row("Batches and transactions", _BATCHES),
        Row("Trouble and the group", _TROUBLE),
        Row("Signs of life", _FRESH),
    ),
)
