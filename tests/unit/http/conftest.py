"""A service that answers from a script, a clock that only moves when somebody sleeps, and stages that use both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pyarrow as pa
import pytest

from stream.batch import Batch, Messages
from stream.stages.http import Http, Settings, build
from stream.stages.stage import Project


@dataclass
class Time:
    """Seconds; sleep() takes none."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        for _ in range(50):  # time for what others have under way
            await asyncio.sleep(0)


@dataclass
class Body(httpx2.AsyncByteStream):
    """An answer's body as it would come from the network."""

    content: bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content


@dataclass
class FakeService(httpx2.AsyncBaseTransport):
    """answer(request) gives the response, or raises; requests holds all that came."""

    answer: Callable[[httpx2.Request], Any]
    requests: list[httpx2.Request] = field(default_factory=list)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.requests.append(request)
        found = self.answer(request)
        if asyncio.iscoroutine(found):
            found = await found
        if not isinstance(found, httpx2.Response):
            found = httpx2.Response(200, json=found)
        return httpx2.Response(found.status_code, headers=found.headers, stream=Body(found.content))


SCHEMA = pa.schema([pa.field("id", pa.int64()), pa.field("name", pa.string()), pa.field("amount", pa.float64())])
DEFAULTS: Mapping[str, Any] = {
    "url": "http://service/score",
    "body": ["id"],
    "response": {"score": "double"},
    "breaker": 1000,
}


def batch_of(ids: Sequence[int | None], **columns: pa.Array) -> Batch:
    """Events of the topic orders, partition 0, offsets from 100 on."""
    n = len(ids)
    given = {"id": pa.array(ids, pa.int64()), "name": pa.array([f"n{i}" for i in ids]), "amount": pa.array([0.5] * n)}
    messages = Messages.of([b""] * n, topic="orders", first_offset=100)
    return Batch(messages, np.arange(n), pa.record_batch({**given, **columns}))


@pytest.fixture
def make_stage(tmp_path: Path) -> Any:
    """make_stage(answer, **settings) -> (stage, service, time); the stage is closed with the test."""
    made: list[Http] = []

    def make(
        answer: Callable[[httpx2.Request], Any], name: str = "http", environ: Mapping[str, str] = {}, **settings: Any
    ) -> tuple[Http, FakeService, Time]:
        checked = Settings.model_validate({**DEFAULTS, **settings})
        stage = build(checked, name, SCHEMA, Project(tmp_path, "flow", environ))
        assert isinstance(stage, Http)
        service, time = FakeService(answer), Time()
        stage._client.transport = service
        stage._caller.clock, stage._caller.sleep = time.clock, time.sleep
        stage._caller.pace.clock = time.clock
        made.append(stage)
        return stage, service, time

    yield make
    for stage in made:
        stage.close()
