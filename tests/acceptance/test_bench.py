"""`stream bench` as a user runs it, and the proxy that makes a broker far."""

import asyncio
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest
from confluent_kafka.admin import AdminClient

from stream.avro import load_schema
from stream.demo import flights
from stream.devkafka import Cluster
from stream.errors import ExitCode

ROOT = Path(__file__).parents[2]
ROWS = 2000


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("bench") / "flights.parquet"
    pq.write_table(flights.table(load_schema(ROOT / "schemas" / "flight.avsc"), ROWS), file)
    return file


def bench(*arguments: str | Path, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith("STREAM_")}
    command = [sys.executable, "-m", "stream", "bench", *map(str, arguments), "--folder", str(folder)]
    return subprocess.run(
        command, cwd=ROOT, env={**plain, **environ}, capture_output=True, text=True, timeout=280, check=False
    )


@pytest.mark.timeout(300)
def test_flights_are_measured_on_a_kafka_of_their_own(rows: Path, tmp_path: Path) -> None:
    options = ["--events", "5000", "--latency-rate", "500", "--seconds", "2", "--output", "json"]
    done = bench("pipelines/flights.yaml", "--input", rows, *options, folder=tmp_path)
    assert done.returncode == ExitCode.DONE, done.stderr
    found = json.loads(done.stdout)
    assert (found["pipeline"], found["kafka"], found["workers"], found["partitions"]) == ("flights", "embedded", 1, 4)
    assert found["throughput"]["events"] == 5000
    assert found["throughput"]["events_per_s"] > 0
    dead = sum(found["errors"]["dead_letters"].values())
    assert found["throughput"]["inferences"] == 5000 - dead
    assert found["errors"]["rate"] == pytest.approx(dead / 5000)
    assert 0 < found["latency"]["p50_ms"] <= found["latency"]["p95_ms"] <= found["latency"]["p99_ms"]
    assert {"decode", "validate", "transform", "infer", "route", "encode", "commit"} == set(found["latency"]["stages"])
    assert {"decode", "infer", "poll and wait", "commit"} < set(found["time"])
    assert len(found["recovery"]["kills_s"]) == 3
    assert 0 < found["recovery"]["min_s"] <= found["recovery"]["median_s"] <= found["recovery"]["max_s"]
    assert 0 < found["cpu"]["loop_s_per_million"] < found["cpu"]["process_s_per_million"]
    assert found["memory"]["peak_rss_mib"] > 50
    verdict = found["verdict"]
    assert (verdict["exactly_once"], verdict["lost"], verdict["doubled"]) == (True, 0, 0)
    assert verdict["found"] == verdict["events"] > 5000 + 2 * 500
    assert not list(tmp_path.glob("kafka")), "the Kafka that was made for it is gone"


@pytest.mark.timeout(300)
def test_a_given_kafka_has_nothing_of_it_afterwards(
    rows: Path, tmp_path: Path, kafka: Cluster, create_topics: Callable[..., None], unique_name: Callable[[str], str]
) -> None:
    create_topics({unique_name("mine"): 1})
    before = topics_and_groups(kafka)
    options = ["--events", "3000", "--latency-rate", "0", "--workers", "2", "--kafka", "given", "--key", "carrier"]
    done = bench(
        *("pipelines/flights.yaml", "--input", rows, *options),
        folder=tmp_path,
        STREAM_KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap,
    )
    assert done.returncode == ExitCode.DONE, done.stderr
    assert "Exactly once: each event is in exactly one place." in done.stdout
    assert "number of events of each key" in done.stdout
    assert topics_and_groups(kafka) == before


def topics_and_groups(kafka: Cluster) -> tuple[set[str], set[str]]:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    groups = {group.group_id for group in admin.list_consumer_groups().result(10).valid}
    topics = {topic for topic in admin.list_topics(timeout=10).topics if not topic.startswith("__")}
    return topics, {group for group in groups if group.startswith("bench-")}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--kafka", "given"], "STREAM_KAFKA_BOOTSTRAP_SERVERS is missing"),
        (["--kafka", "mine"], "must be embedded or given"),
        (["--key", "carier"], "did you mean 'carrier'?"),
    ],
    ids=["no brokers", "no such Kafka", "no such key"],
)
def test_mistakes_are_told_before_anything_starts(rows: Path, tmp_path: Path, options: list[str], said: str) -> None:
    done = bench("pipelines/flights.yaml", "--input", rows, *options, folder=tmp_path)
    assert done.returncode == ExitCode.CONFIGURATION
    assert said in done.stderr


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """bench/ is no installed package: it is run in the project's folder."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("bench.proxy")


def test_the_proxy_passes_everything_on_in_order_and_late(proxy: Any) -> None:
    delay_s = 0.03

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    async def talk() -> tuple[bytes, float]:
        behind = await asyncio.start_server(echo, "127.0.0.1", 0)
        between = await proxy.serve(0, behind.sockets[0].getsockname()[1], delay_s)
        reader, writer = await asyncio.open_connection("127.0.0.1", between.sockets[0].getsockname()[1])
        started = time.monotonic()
        writer.write(b"a" * 5000)
        writer.write(b"b" * 5000)
        writer.write_eof()
        answer = await reader.read(-1)
        late_s = time.monotonic() - started
        writer.close()
        for server in (between, behind):
            server.close()
        return answer, late_s

    answer, late_s = asyncio.run(talk())
    assert answer == b"a" * 5000 + b"b" * 5000
    assert late_s >= 2 * delay_s
