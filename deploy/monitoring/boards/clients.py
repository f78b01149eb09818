"""Below the pipeline: Kafka's client, the process, and the scrape itself."""

from __future__ import annotations

from typing import Final

from deploy.monitoring.panels import Board, Query, Row, Step, lines

_WHO = "{{instance}} {{client}}"

_BROKERS = (
    lines(
        "Round trip to the slowest broker",
        "s",
        "99 of 100 requests within the last seconds took less. A fetch waits for events, so the consumer's includes "
        "that wait (up to 0.1 s). High for the producer: the broker's disk, its load, or the network.",
        Query('max by (instance, client) (stream_kafka_round_trip_seconds{percentile="99"})', _WHO),
    ),
    lines(
        "Errors the clients report",
        "cps",
        "They retry by themselves. A rate that lasts: brokers_down, transport, timeout: broker or network; "
        "authentication, authorization: credentials or ACLs.",
        Query("sum by (client, kind) (rate(stream_kafka_errors_total[$__rate_interval]))", "{{client}} {{kind}}"),
        stacked=True,
    ),
    lines(
        "Throttled by quota",
        "s",
        "Time the broker makes the client wait. Above 0: a quota of this user or client id is reached.",
        Query("max by (instance, client) (stream_kafka_throttle_seconds)", _WHO),
        steps=(Step(0.001, "orange"),),
    ),
    lines(
        "Requests that failed or were tried again",
        "cps",
        "Sent again, timed out, or answered with an error. Some at a broker's restart are normal.",
        Query("sum by (instance, client) (rate(stream_kafka_request_errors_total[$__rate_interval]))", _WHO),
    ),
    lines(
        "Disconnects",
        "cps",
        "Idle connections are closed all the time. Many under load: the network, or a broker that restarts.",
        Query("sum by (instance, client) (rate(stream_kafka_disconnects_total[$__rate_interval]))", _WHO),
    ),
    lines(
        "Bytes received and sent",
        "Bps",
        "On the wire, compressed. Steps without steps in Events per second: other event sizes.",
        Query("sum by (instance) (rate(stream_kafka_received_bytes_total[$__rate_interval]))", "{{instance}} received"),
        Query("sum by (instance) (rate(stream_kafka_sent_bytes_total[$__rate_interval]))", "{{instance}} sent"),
    ),
)
_QUEUES = (
    lines(
        "Events in the clients' queues",
        "short",
        "fetched and not taken yet, or to be sent. The consumer's full under a backlog is right: then the worker is "
        "the limit, not the broker.",
        Query("max by (instance, client) (stream_kafka_queue_events)", _WHO),
        width=12,
    ),
    lines(
        "Bytes in the clients' queues",
        "bytes",
        "Memory of the process. Bounded by queued.max.messages.kbytes of each partition and by batch.bytes.",
        Query("max by (instance, client) (stream_kafka_queue_bytes)", _WHO),
        width=12,
    ),
)
_PROCESS = (
    lines(
        "Processor",
        "percentunit",
        "Cores in use by the process. Near the limit of the container: give it more, or add workers.",
        Query("sum by (instance) (rate(process_cpu_seconds_total[$__rate_interval]))", "{{instance}}"),
    ),
    lines(
        "Memory",
        "bytes",
        "Resident. Level after some minutes of load is right. Rises for hours: restart the worker and report it.",
        Query("max by (instance) (process_resident_memory_bytes)", "{{instance}}"),
    ),
    lines(
        "Open files",
        "percentunit",
        "Share of the limit. Rises for hours: a leak, report it.",
        Query("max by (instance) (process_open_fds / process_max_fds)", "{{instance}}"),
        most=1.0,
    ),
    lines(
        "Since the process started",
        "s",
        "A saw: it restarts again and again; read the last lines of its log.",
        Query("time() - max by (instance) (process_start_time_seconds)", "{{instance}}"),
    ),
    lines(
        "Scrape",
        "s",
        "How long /metrics takes. Above some tenths: the process has no time to answer, or too many series.",
        Query("max by (instance) (scrape_duration_seconds)", "{{instance}}"),
    ),
    lines(
        "Series of a process",
        "short",
        "Below 2,000. More: a pipeline with very many stages, expectations or partitions.",
        Query("max by (instance) (scrape_samples_scraped)", "{{instance}}"),
        steps=(Step(2000, "orange"),),
    ),
)

BOARD: Final = Board(
    "stream-clients",
    "stream: Kafka client and process",
    "Below the pipeline: brokers as the clients see them, queues, and the process itself.",
    (Row("Brokers", _BROKERS), Row("Queues", _QUEUES), Row("Process", _PROCESS)),
)
