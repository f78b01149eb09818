"""What a peer's program is told by its environment, and what it tells in the end.

Plain Python without stream: each peer runs in an environment of its own.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BOOTSTRAP = os.environ["BENCH_BOOTSTRAP"]
EVENTS = int(os.environ["BENCH_EVENTS"])
INPUT = os.environ["BENCH_INPUT"]
OUTPUT = os.environ["BENCH_OUTPUT"]
DEAD_LETTERS = os.environ["BENCH_DEAD_LETTERS"]
NAME = os.environ["BENCH_NAME"]
"""For the consumer group and the transactional id."""
FLIGHT = Path(os.environ["BENCH_FLIGHT"])
PREDICTION = Path(os.environ["BENCH_PREDICTION"])
MODEL = Path(os.environ["BENCH_MODEL"])
SUITE = Path(os.environ["BENCH_SUITE"])
FLIGHT_PREFIX = bytes.fromhex(os.environ["BENCH_FLIGHT_PREFIX"])
PREDICTION_PREFIX = bytes.fromhex(os.environ["BENCH_PREDICTION_PREFIX"])
"""Framing of values in and out: marker and fingerprint of Avro's single-object encoding."""
MODEL_NAME = os.environ["BENCH_MODEL_NAME"]
FEATURES = ("dep_delay", "air_time", "distance", "hour", "month", "sched_dep_time")
BATCH = 10_000
WAIT_S = 0.1
"""A transaction holds so many events at most, and waits so long for more."""

CONSUMER: dict[str, Any] = {
    "bootstrap.servers": BOOTSTRAP,
    "group.id": NAME,
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "fetch.queue.backoff.ms": 5,
}
PRODUCER: dict[str, Any] = {
    "bootstrap.servers": BOOTSTRAP,
    "transactional.id": NAME,
    "compression.type": "lz4",
    "linger.ms": 50,
    "batch.size": 1_000_000,
    "retry.backoff.ms": 5,
    "queue.buffering.max.messages": 200_000,
}
"""The settings that stream found best, for every peer on the same client: what differs is the program."""


@dataclass
class Report:
    """From first poll to last commit: wall and CPU time (all threads), told as one line of JSON."""

    facts: dict[str, Any] = field(default_factory=dict)

    def first_poll(self) -> None:
        if not self.facts:
            self.facts = {"first_poll_s": time.monotonic(), "first_cpu_s": time.process_time()}

    def tell(self, events: int) -> None:
        """Right after the last commit."""
        self.facts |= {"last_commit_s": time.monotonic(), "last_cpu_s": time.process_time(), "events": events}
        print(json.dumps(self.facts), flush=True)
