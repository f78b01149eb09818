"""Pipelines that read each other's outputs, in one command."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
from typing import Any, Final

import fastavro
from acceptance import tiny
from acceptance.running import Worker, wait_until

TWICE: Final = {
    "type": "record",
    "name": "Twice",
    "fields": [{"name": "id", "type": "long"}, {"name": "twice", "type": "double"}],
}


def test_pipelines_in_one_run_are_a_chain_without_a_seam(project) -> None:
    """The second reads what the first writes: not what it wrote in vain, when it was killed in a transaction."""
    p = project(events=100)
    name = f"{p.name}-second"
    p.io.create_topics({f"{name}.out": 4, f"{name}.dlq": 4})
    second = p.folder / "second.yaml"
    (p.folder / "schemas" / "twice.avsc").write_text(json.dumps(TWICE))
    second.write_text(
        f"pipeline: {name}\n"
        f"input: {{topic: [{p.outputs[0]}, {p.outputs[1]}], schema: schemas/score.avsc}}\n"
        "stages:\n  - transform: {twice: half * 4}\n"
        f"outputs:\n  - {{topic: {name}.out, schema: schemas/twice.avsc}}\n"
        "batch: {events: 100}\ntransaction: {timeout: 2s}\n"
    )
    p.produce(range(400))
    p.drain()  # the start positions are committed: from now on every transaction holds events
    p.produce(range(400, 2000))
    assert p.start(STREAM_FAILPOINT="before_commit:3").wait() == -signal.SIGKILL
    both = p.start(str(second))
    p.await_progress(1000)
    children = wait_until(lambda: found if len(found := _children(both)) == 2 else None, "two workers")
    os.kill(children[0], signal.SIGKILL)
    p.produce(range(2000, 4000))
    p.await_progress(4000)
    wanted = [n for n in range(4000) if n % tiny.PLANTED_EVERY != 7]
    wait_until(lambda: sum(p.io.end_offsets(f"{name}.out").values()) > len(wanted), "the end of the chain")
    wait_until(lambda: len(p.io.read_committed(f"{name}.out")) >= len(wanted), "all of it", standing=both.tail)
    assert "starting it again" in both.log.read_text()
    assert both.stop() == 0
    p.verify(range(4000))
    schema = fastavro.parse_schema(TWICE)
    values = [record.value or b"" for record in p.io.read_committed(f"{name}.out")]
    events: list[Any] = [fastavro.schemaless_reader(io.BytesIO(value[10:]), schema) for value in values]
    assert sorted(e["id"] for e in events) == wanted
    assert all(e["twice"] == 2 * tiny.x_and_k(e["id"])[0] for e in events)
    assert p.io.read_committed(f"{name}.dlq") == []


def _children(worker: Worker) -> list[int]:
    ps = ["ps", "-o", "pid=", "--ppid", str(worker.popen.pid)]
    return sorted(map(int, subprocess.run(ps, capture_output=True, text=True, check=True).stdout.split()))
