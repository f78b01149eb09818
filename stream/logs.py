"""Log lines, as JSON or as text: one a batch at info, none an event, never a piece of an event.

Everything of the process goes through the same handler: our lines, those that librdkafka writes itself
(the clients are given a logging.Logger below `stream`), and warnings of libraries.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from stream.batch import Outcome, grouped
from stream.failure import FailureGroup

JSON: Final = "json"
TEXT: Final = "text"
FORMATS: Final = (JSON, TEXT)
HEADING: Final = ("time", "level", "message")
MAX_OFFSETS: Final = 20
"""Partitions whose offsets stand in the line of a batch; of more only the number."""


def configure(format: str, to: TextIO | None = None, level: int = logging.INFO, **fields: object) -> None:
    """Send all log lines of this process to `to` (stderr), each with these fields (pipeline, worker)."""
    to = to or sys.stderr

    def add_fields(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        return {**fields, **line}

    shared: list[Processor] = [
        add_fields,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.stdlib.ExtraAdder(),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(format, to)],
    )
    handler = logging.StreamHandler(to)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("stream").setLevel(level)
    logging.captureWarnings(True)


def logger(name: str = "stream") -> structlog.stdlib.BoundLogger:
    """A logger whose keyword arguments become fields of the line: logger().info("committed", events=3)."""
    bound: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return bound


def committed_fields(outcome: Outcome, transaction_s: float, retried: Collection[int] = frozenset()) -> dict[str, Any]:
    """What the line of a committed batch says: counts, where the input stands now, times in ms.

    retried: message rows of outcome.failures that went to a retry tier.
    """
    again, dead = grouped(outcome.failures).split(retried)
    offsets = [(f"{topic}/{partition}", offset) for (topic, partition), offset in outcome.messages.next_offsets.items()]
    return {
        "events": len(outcome.messages),
        "outputs": {rows.topic: len(rows) for rows in outcome.outputs},
        "dead_letters": dict(dead.count(_where_and_why)),
        "retried": dict(again.count(_where_and_why)),
        "filtered": outcome.filtered,
        "warnings": len(outcome.warnings),
        "next_offsets": dict(offsets) if len(offsets) <= MAX_OFFSETS else f"{len(offsets)} partitions",
        "process_ms": round(sum(report.seconds for report in outcome.reports) * 1000, 1),
        "transaction_ms": round(transaction_s * 1000, 1),
    }


def _where_and_why(group: FailureGroup) -> str:
    return f"{group.stage}:{group.reason}"


def _renderers(format: str, to: TextIO) -> list[Processor]:
    if format == JSON:
        return [
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            _heading_first,
            structlog.processors.JSONRenderer(sort_keys=False),
        ]
    return [
        structlog.dev.ConsoleRenderer(
            colors=to.isatty(), exception_formatter=structlog.dev.plain_traceback, timestamp_key="time"
        )
    ]


def _heading_first(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """When, how bad and what come first: a person reads these lines too."""
    return {**{name: line[name] for name in HEADING if name in line}, **line}
