"""Kafka's own verifiers as a baseline: the same copy job, the same kills, by Kafka's copier and by a worker of ours.

    python tests/chaos/verifiers.py --messages 300000 --kills 5

org.apache.kafka.tools.VerifiableProducer writes integers. TransactionalMessageCopier copies them in transactions, by
assigned partition and as a member of a group; in its place a worker copies them too. Integers are not Avro, so a
worker copies them into its dead letters: the same transaction, one topic in and one topic out. Each is killed with
SIGKILL when it has copied the same seeded shares of the messages, and started again at once. A read_committed reader
then compares sets, and says how long after each kill something new was there. The classes are those that
kafkatest/tests/core/transactions_test.py of Apache Kafka runs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from acceptance.kafka_io import KafkaIO  # noqa: E402
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition  # noqa: E402

from stream.devkafka import Cluster  # noqa: E402
from stream.devkafka.preparation import default_cache, prepare  # noqa: E402

RESULTS: Final = ROOT / "docs" / "reliability" / "verifiers.json"
INPUT: Final = "integers"
BATCH: Final = 750
"""Messages of a transaction, as in Kafka's own test."""
TIMEOUT_MS: Final = 5000
"""Of transactions, for all of them."""
HEAP_MIB: Final = 256
PATIENCE_S: Final = 150.0
PIPELINE: Final = """\
pipeline: copier
input: {topic: integers, schema: integer.avsc, start: earliest}
stages: [{transform: {copy: id}}]
outputs: [{topic: copier.none, schema: integer.avsc}]
failures: {dead_letter: {topic: %s, limit: {ratio: 1, consecutive: 1000000000}}}
batch: {events: 750, wait: 5ms}
transaction: {timeout: 5s}
"""
SCHEMA: Final = {"type": "record", "name": "Integer", "fields": [{"name": "id", "type": "long"}]}


@dataclass(frozen=True)
class Result:
    """recovery_s: of each kill, sorted, from SIGKILL to the next message that the reader got."""

    copier: str
    messages: int
    kills: int
    lost: int
    doubled: int
    unexpected: int
    recovery_s: list[float]
    seconds: float


@dataclass
class Reader:
    """Follows one topic from its begin, read_committed."""

    bootstrap: str
    topic: str
    seen: Counter[bytes] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        settings = {"group.id": "reader", "isolation.level": "read_committed", "fetch.wait.max.ms": 20}
        self._consumer = Consumer({"bootstrap.servers": self.bootstrap, "enable.auto.commit": False, **settings})
        self._consumer.assign([TopicPartition(self.topic, 0, OFFSET_BEGINNING)])

    def look(self, wait_s: float) -> int:
        """How many messages came."""
        found = [m.value() for m in self._consumer.consume(10_000, wait_s) if m.error() is None]
        self.seen.update(value for value in found if value is not None)
        return len(found)

    def close(self) -> None:
        self._consumer.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stream-verifiers-")))
        kafka = stack.enter_context(Cluster(folder / "kafka", 1))
        KafkaIO(kafka.bootstrap).create_topics({INPUT: 1, "copier.none": 1})
        produce(kafka, chosen.messages)
        results = []
        for name, command in copiers(kafka, folder).items():
            shares = random.Random(chosen.seed)
            points = sorted(int(shares.random() * 0.9 * chosen.messages) for _ in range(chosen.kills))
            results.append(run(kafka, name, command, points, chosen.messages))
            print(results[-1])
    RESULTS.write_text(json.dumps({"seed": chosen.seed, "results": [asdict(r) for r in results]}, indent=1) + "\n")
    return 0 if all(not (r.lost or r.doubled or r.unexpected) for r in results) else 1


def java(kafka: Cluster, main_class: str, *arguments: str) -> list[str]:
    logging = kafka.folder / "verifier-log4j2.properties"
    logging.write_text("status = error\nrootLogger.level = off\n", "ascii")
    found = prepare(default_cache(os.environ), print, random.Random())
    options = (f"-Dlog4j2.configurationFile={logging}",)
    return found.command(f"org.apache.kafka.tools.{main_class}", *arguments, heap_mib=HEAP_MIB, options=options)


def produce(kafka: Cluster, messages: int) -> None:
    """The integers 0 to messages; fails unless every one was acknowledged."""
    where = ("--bootstrap-server", kafka.bootstrap, "--topic", INPUT, "--max-messages", str(messages))
    done = subprocess.run(java(kafka, "VerifiableProducer", *where), capture_output=True, text=True, check=True)
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert said["acked"] == messages, said


Start = Callable[[str], tuple[Sequence[str], dict[str, str]]]
"""Output topic -> (command line, environment)."""


def copiers(kafka: Cluster, folder: Path) -> dict[str, Start]:
    def theirs(*more: str) -> Start:
        def start(output: str) -> tuple[Sequence[str], dict[str, str]]:
            where = ("--broker-list", kafka.bootstrap, "--input-topic", INPUT, "--output-topic", output)
            ids = ("--consumer-group", output, "--transactional-id", output, "--input-partition", "0")
            size = ("--transaction-size", str(BATCH), "--transaction-timeout", str(TIMEOUT_MS))
            return java(kafka, "TransactionalMessageCopier", *where, *ids, *size, *more), dict(os.environ)

        return start

    def ours(output: str) -> tuple[Sequence[str], dict[str, str]]:
        (folder / "integer.avsc").write_text(json.dumps(SCHEMA))
        (folder / "copier.yaml").write_text(PIPELINE % output)
        settings = {"STREAM_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, "STREAM_HTTP_ADDRESS": "127.0.0.1:0"}
        session = {"STREAM_KAFKA_SESSION_TIMEOUT_MS": "6000", "STREAM_INSTANCE": "copier"}
        return [sys.executable, "-m", "stream", "run", str(folder / "copier.yaml")], {
            **os.environ,
            **settings,
            **session,
        }

    return {
        "stream, in a group": ours,
        "Kafka's copier, assigned": theirs(),
        "Kafka's copier, in a group": theirs("--group-mode", "--use-group-metadata"),
    }


def run(kafka: Cluster, name: str, start: Start, points: Sequence[int], messages: int) -> Result:
    """Kill the copier each time it has copied as many messages as a point says."""
    output = f"out-{name.replace(' ', '-').replace(',', '').replace(chr(39), '')}"
    KafkaIO(kafka.bootstrap).create_topics({output: 1})
    command, environ = start(output)
    reader, began, recovery = Reader(kafka.bootstrap, output), time.monotonic(), []
    process = _spawn(command, environ)
    try:
        for point in points:
            _until(reader, lambda at=point: reader.seen.total() >= at, process)  # type: ignore[misc]
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            killed = time.monotonic()
            while reader.look(0.2):
                pass  # what was committed before it died
            before = reader.seen.total()
            process = _spawn(command, environ)
            _until(reader, lambda had=before: reader.seen.total() > had, process)  # type: ignore[misc]
            recovery.append(round(time.monotonic() - killed, 2))
        _until(reader, lambda: len(reader.seen) >= messages, process)
        while reader.look(1.0):
            pass  # what should not be there
    finally:
        process.kill()
        process.wait()
        reader.close()
    wanted = {b"%d" % n for n in range(messages)}
    return Result(
        name,
        messages,
        len(points),
        lost=len(wanted - reader.seen.keys()),
        doubled=sum(n - 1 for n in reader.seen.values()),
        unexpected=len(reader.seen.keys() - wanted),
        recovery_s=sorted(recovery),
        seconds=round(time.monotonic() - began, 1),
    )


def _spawn(command: Sequence[str], environ: dict[str, str]) -> subprocess.Popen[bytes]:
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(list(command), env=environ, cwd=ROOT, start_new_session=True, **quiet)  # type: ignore[call-overload,no-any-return]


def _until(reader: Reader, condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """One that has ended has copied all that was there; its last messages may still be on their way."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        reader.look(0.05)
        assert time.monotonic() < deadline, f"{reader.topic}: {reader.seen.total()} messages, code {process.poll()}"


if __name__ == "__main__":
    sys.exit(main())
