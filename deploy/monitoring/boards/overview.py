"""Is it healthy, how far behind is it, what fails? The board to open first."""

from __future__ import annotations

from typing import Final

from deploy.monitoring.panels import Board, Kind, Panel, Query, Row, Step, lines, number

OUTCOMES: Final = {"output": "green", "filtered": "blue", "retried": "yellow", "dead_letter": "red"}
STATES: Final = {
    "running": "green",
    "starting": "blue",
    "draining": "blue",
    "paused": "orange",
    "failed": "red",
}
NO_ALERT: Final = "no alert fires"

_NOW = (
    number(
        "Workers running",
        "short",
        "Worker processes that take events. Red: none does. Look at Workers by state, then at the log of a worker; "
        "/readyz of a worker says why it is not ready.",
        Query('sum(stream_pipeline_state{state="running"}) or vector(0)'),
        steps=(Step(0, "red"), Step(1, "green")),
        board="stream-pipeline",
    ),
    number(
        "Behind by",
        "s",
        "Age of the oldest event that is not committed yet; 0 when all were. Rises while events come faster than they "
        "are worked off, or while nothing is committed: the Pipeline board says which.",
        Query("max(stream_consumer_lag_seconds)"),
        steps=(Step(0, "green"), Step(60, "orange"), Step(300, "red")),
        board="stream-pipeline",
    ),
    number(
        "Events per second",
        "cps",
        "Events whose outcome was committed. 0 while Behind by rises: nothing gets through, see Workers by state.",
        Query("sum(rate(stream_events_received_total[$__rate_interval]))"),
        board="stream-pipeline",
    ),
    number(
        "Dead letters",
        "percentunit",
        "Share of the events that become dead letters now. Orange: look at Failures to see which stage and reason.",
        Query(
            'sum(rate(stream_events_total{outcome="dead_letter"}[$__rate_interval]))'
            " / (sum(rate(stream_events_total[$__rate_interval])) > 0)"
        ),
        steps=(Step(0, "green"), Step(0.05, "orange"), Step(0.2, "red")),
        board="stream-failures",
        empty="no event was committed within the interval",
    ),
    number(
        "Oldest dead letter",
        "s",
        "How long the oldest dead letter waits for somebody: replay or discard it with `stream dlq`.",
        Query("time() - min(stream_dead_letter_oldest_timestamp_seconds)"),
        steps=(Step(0, "green"), Step(86_400, "orange"), Step(604_800, "red")),
        board="stream-failures",
        empty="every dead letter was replayed or discarded",
    ),
    number(
        "Alerts firing",
        "short",
        "Alerts that fire now; the table below names them and links what to do.",
        Query('count(ALERTS{alertname=~"Stream.*",alertstate="firing"}) or vector(0)'),
        steps=(Step(0, "green"), Step(1, "red")),
    ),
)
_ALERTS = Panel(
    "Alerts that fire",
    "short",
    "Each has a section in docs/runbook.md: what it means, where to look, what to do. Pages first.",
    (Query('sort_desc(ALERTS{alertname=~"Stream.*",alertstate="firing"})'),),
    kind=Kind.TABLE,
    width=24,
    height=6,
    empty=NO_ALERT,
)
_FLOW = (
    lines(
        "What becomes of events",
        "cps",
        "Every event once, by where it ended. Red growing: see Failures. Yellow: events that are tried again later.",
        Query("sum by (outcome) (rate(stream_events_total[$__rate_interval]))", "{{outcome}}"),
        stacked=True,
        colors=OUTCOMES,
        board="stream-failures",
    ),
    lines(
        "Behind by, by topic",
        "s",
        "Age of the oldest event not committed yet. A line that rises one second a second: nothing is committed. One "
        "that rises slower: too slow for what comes in; add workers up to the number of partitions.",
        Query("max by (pipeline, topic) (stream_consumer_lag_seconds)", "{{pipeline}} {{topic}}"),
        steps=(Step(60, "orange"), Step(300, "red")),
        board="stream-pipeline",
    ),
    lines(
        "From event to commit",
        "s",
        "Time from the timestamp of an event to the commit of what became of it: half of the events, and all but one "
        "in a hundred, take less. High while Behind by is low: producers write old timestamps, or clocks differ.",
        Query(
            "histogram_quantile(0.5, sum by (le) (rate(stream_end_to_end_latency_seconds_bucket[$__rate_interval])))",
            "half",
        ),
        Query(
            "histogram_quantile(0.99, sum by (le) (rate(stream_end_to_end_latency_seconds_bucket[$__rate_interval])))",
            "99 of 100",
        ),
        board="stream-pipeline",
        empty="no event was committed within the interval",
    ),
    lines(
        "Workers by state",
        "short",
        "Orange: paused, what is missing stands in Pauses by reason on the Pipeline board and in /readyz. "
        "Red: failed, read its log. A gap: no worker is scraped.",
        Query("sum by (state) (stream_pipeline_state)", "{{state}}"),
        stacked=True,
        colors=STATES,
        board="stream-pipeline",
    ),
    lines(
        "Error budget, how fast it is used",
        "short",
        "1: the budget lasts exactly its 30 days. 14.4 in the last hour: it is gone in two days, and somebody is "
        "paged. Freshness: time behind by more than the target. Delivery: events that became dead letters.",
        Query("max by (pipeline) (stream:freshness_errors:ratio1h) / 0.01", "{{pipeline}} freshness"),
        Query("max by (pipeline) (stream:delivery_errors:ratio1h) / 0.01", "{{pipeline}} delivery"),
        steps=(Step(1, "orange"), Step(14.4, "red")),
    ),
    lines(
        "Restarts and recoveries",
        "short",
        "Recoveries cost time, never an event; by reason on the Pipeline board. Restarts that repeat: read the last "
        "lines of the worker's log.",
        Query("sum(increase(stream_recoveries_total[$__rate_interval]))", "recoveries"),
        Query("sum(changes(process_start_time_seconds[$__rate_interval]))", "restarts"),
        board="stream-pipeline",
    ),
)

BOARD: Final = Board(
    "stream-overview",
    "stream: overview",
    "Is it healthy, how far behind is it, what fails? Numbers in red come first; each panel says what to do.",
    (Row("Now", _NOW), Row("Alerts", (_ALERTS,)), Row("Flow", _FLOW)),
)
