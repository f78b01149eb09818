"""How memory and cost per event grow: with the size of events, the batch, the backlog, the partitions, the fields.

    python -m bench.growth
    python -m bench.growth --series size,fields --events 50000

One broker, kept; one worker; a backlog drained in each case, and every event looked for afterwards.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from bench.broker import broker
from bench.committed import RESULTS, Facts, facts, measured_on, say, write
from bench.committed import table as as_table
from bench.pinning import BROKER_CORE, SYSTEM_CORE, cores, pinned
from bench.running import MIB, TIMEOUT_S, Place, environ_of, mark, stream_command
from bench.synthetic import Case, made_events, write_project
from bench.systems import WORK, scratch
from stream.avro import load_schema
from stream.bench.derive import derive
from stream.bench.load import fill
from stream.bench.place import topics
from stream.bench.processes import Process
from stream.bench.verdict import Reckoning, read_all
from stream.config import PipelineFile, load
from stream.kafka.connection import Connection

EVENTS: Final = 200_000
MOST_BYTES: Final = 512 * MIB
"""Of a backlog: large events are fewer."""
DISTINCT_BYTES: Final = 64 * MIB
"""Of different events; a larger backlog repeats them."""
MAX_MESSAGE: Final = str(4 * MIB)
OTHER_FIELDS_BYTES: Final = 60
"""What framing and the other nine fields take of an event, about."""

SERIES: Final = {
    "size": [
        Case("size", name, payload_bytes=size - OTHER_FIELDS_BYTES)
        for name, size in (("100 B", 100), ("1 KiB", 1024), ("10 KiB", 10_240), ("100 KiB", 102_400), ("1 MiB", MIB))
    ],
    "batch": [Case("batch", f"{n:,} events", batch=n) for n in (100, 1_000, 10_000, 50_000, 200_000)],
    "backlog": [Case("backlog", f"{times:g} x", times=times) for times in (0.1, 1, 10)],
    "partitions": [Case("partitions", str(n), partitions=n) for n in (1, 4, 16, 64, 256)],
    "fields": [Case("fields", str(n), fields=n) for n in (5, 10, 20, 50, 100, 200)],
}
HEAD: Final = ("series", "point", "events", "bytes each", "events/s", "CPU us an event", "CPU ns a byte", "RSS, MiB")


def main() -> int:
    parser = argparse.ArgumentParser("growth", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--series", default=",".join(SERIES), help=f"some of {', '.join(SERIES)}")
    parser.add_argument("--events", type=int, default=EVENTS, help=f"of a case at most (default {EVENTS:,})")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    given = parser.parse_args()
    logging.getLogger("stream").addHandler(logging.NullHandler())
    found = []
    for result in _run([case for name in given.series.split(",") for case in SERIES[name]], given.events):
        found.append(result)
        say(json.dumps(result))
    about = facts(transport=os.environ.get("STREAM_TRANSPORT", "python"))
    write(given.output, "growth", {**about, "results": found}, table(found, about))
    return 0 if all(result["verified"] for result in found) else 1


def table(results: Sequence[dict[str, Any]], about: Facts) -> str:
    """Markdown."""
    return as_table(
        "Growth",
        HEAD,
        [_row(result) for result in results],
        [measured_on(about), f"One worker, {about['transport']} transport; first poll to last commit."],
    )


def _row(r: dict[str, Any]) -> tuple[str, ...]:
    cells = (f"{r['events']:,}", f"{r['bytes']:,.0f}", f"{r['events_per_s']:,}")
    cost = (f"{r['cpu_us']:.2f}", f"{r['cpu_us'] * 1000 / r['bytes']:.2f}", f"{r['rss_mib']}")
    return (r["series"], r["label"], *cells, *cost)


def _run(cases: Sequence[Case], events: int) -> Iterator[dict[str, Any]]:
    with broker(WORK / "broker", cores(BROKER_CORE), properties={"message.max.bytes": MAX_MESSAGE}) as kafka:
        place = Place(kafka, cores(SYSTEM_CORE))
        for case in cases:
            yield _case(case, place, min(round(events * case.times), MOST_BYTES // case.payload_bytes))


def _case(case: Case, place: Place, total: int) -> dict[str, Any]:
    folder = scratch("growth")
    (folder / "given").mkdir()
    (folder / "project").mkdir()
    given = write_project(case, folder / "given")
    environ = environ_of(place)
    schema = load_schema(folder / "given" / "schemas" / "event.avsc")
    pipeline = derive(load(given, environ), schema, mark(), folder / "project")
    file = load(pipeline, environ).file
    distinct = min(total, max(1, DISTINCT_BYTES // case.payload_bytes))
    events = made_events(case, folder / "given", distinct, file.input.topics[0])
    connection = Connection({"bootstrap.servers": place.broker.direct, "message.max.bytes": MAX_MESSAGE})
    with topics(connection, file, case.partitions):
        fill(connection, file.input.topics[0], events, total, lambda _n: None)
        with pinned(place.cores):
            process = Process(stream_command(pipeline), environ, folder / "worker.log")
        try:
            process.wait(TIMEOUT_S)
        finally:
            process.kill()
        if process.code:
            raise SystemExit(f"{case}: ended with {process.code}: {process.tail()}")
        reckoning = Reckoning(events, total)
        for messages in read_all(connection, _ends(file)):
            reckoning.add(messages)
    found = _result(case, total, events.value_bytes, process)
    shutil.rmtree(folder)
    return {**found, "verified": reckoning.close(0).holds}


def _ends(file: PipelineFile) -> list[str]:
    return [*(output.topic for output in file.outputs), file.dead_letter_topic]


def _result(case: Case, total: int, value_bytes: float, process: Process) -> dict[str, Any]:
    told = process.told()
    usage = process.usage
    assert usage is not None, "it has ended"
    return {
        "series": case.series,
        "label": case.label,
        "events": total,
        "bytes": round(value_bytes, 1),
        "events_per_s": round(total / max(told["wall_s"], 1e-6)),
        "cpu_us": round(told["cpu_s"] / total * 1e6, 3),
        "rss_mib": round(usage.peak_rss_bytes / MIB),
        "batches": told["batches"],
    }


if __name__ == "__main__":
    sys.exit(main())
