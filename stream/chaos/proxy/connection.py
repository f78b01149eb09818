"""One connection of a client: its requests to the broker, the broker's answers back, and what the rules do to them.

    client ── read, judge ──► waiting ── due? let go? ──► broker
    client ◄────────────────── drop? cut? ◄────────────── broker

The way to the broker outlives the client's for as long as a held request is on it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from stream.chaos.proxy.frames import Request, correlation_id, parse_request, read_frame, write_frame
from stream.chaos.proxy.held import Held
from stream.chaos.proxy.rules import Fate, Rule, Rules, Then

MAX_WAITING: Final = 1000
"""Requests of a connection that are delayed, or behind a held one; the client is not read from beyond that."""
LATE_ANSWER_S: Final = 30.0
"""How long a broker may take over a held request whose client is gone."""
Clock = Callable[[], float]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Tally:
    """What a proxy has seen and done since it was opened."""

    requests: Counter[str] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    unreachable: int = 0
    """Connections of clients that found no broker behind the proxy."""


@dataclass(slots=True, eq=False)
class _Passage:
    """A request on its way, when it is due (in the clock's seconds), and the rule that decides over it."""

    request: Request
    due_s: float
    rule: Rule | None

    @property
    def held(self) -> Held | None:
        return self.rule.held if self.rule else None

    def has_fate(self, fate: Fate) -> bool:
        return self.rule is not None and self.rule.fate is fate


@dataclass(slots=True, eq=False)
class Connection:
    client: Streams
    broker: Streams
    rules: Rules
    tally: Tally
    observe: Callable[[Request], None]
    clock: Clock
    name: str | None = None
    """The client id of its last request."""
    _waiting: asyncio.Queue[_Passage | None] = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))
    _in_flight: dict[int, _Passage] = field(default_factory=dict)
    _owed: set[_Passage] = field(default_factory=set)
    _settled: asyncio.Event = field(default_factory=asyncio.Event)
    _overtaken: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Until both sides are done with each other."""
        parts = [asyncio.create_task(part()) for part in (self._receive, self._forward, self._return)]
        try:
            # the end of the broker's side ends all; the client's end leaves what is on its way to the broker
            await asyncio.wait(parts[1:], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for _, writer in (self.client, self.broker):
                writer.transport.abort()  # before anything is waited for: a proxy that is closed cancels that
            for task in (*parts, *self._overtaken):
                task.cancel()
            await asyncio.gather(*parts, *self._overtaken, return_exceptions=True)
            for passage in self._owed:
                if passage.held:
                    passage.held.lost("the connection to the broker ended")
            await close(self.client[1])
            await close(self.broker[1])
        for part in parts:
            if not part.cancelled() and (error := part.exception()):
                raise error

    def cut(self) -> None:
        """The client's side is closed at once."""
        self.client[1].transport.abort()

    async def _receive(self) -> None:
        try:
            while (frame := await read_frame(self.client[0])) is not None:
                await self._take(parse_request(frame))
        finally:
            # a full queue empties as soon as what holds it up is let go
            await self._waiting.put(None)

    async def _take(self, request: Request) -> None:
        self.name = request.client
        self.tally.requests[request.api] += 1
        self.observe(request)
        delay_s, rule = self.rules.judge(request)
        if rule:
            self.tally.fates[rule.fate] += 1
        passage = _Passage(request, self.clock() + delay_s, rule)
        if passage.has_fate(Fate.CUT_BEFORE):
            self.cut()
            return
        if held := passage.held:
            self._owed.add(passage)
            if rule and rule.then is Then.CUT:
                self.cut()
            held.took(request)
        if rule and rule.then is Then.OVERTAKE:
            self._overtaken.add(asyncio.create_task(self._pass(passage)))
        else:
            await self._waiting.put(passage)

    async def _forward(self) -> None:
        while (passage := await self._waiting.get()) is not None:
            await self._pass(passage)
        if self._overtaken:
            await asyncio.wait(self._overtaken)
        while self._owed:
            self._settled.clear()
            try:
                await asyncio.wait_for(self._settled.wait(), LATE_ANSWER_S)
            except TimeoutError:
                return

    async def _pass(self, passage: _Passage) -> None:
        if (early := passage.due_s - self.clock()) > 0:
            await asyncio.sleep(early)
        if (held := passage.held) and not await held.let_go():
            self._settle(passage)
            return
        self._in_flight[passage.request.correlation_id] = passage
        with contextlib.suppress(ConnectionError):  # the reading side sees it too, and ends the connection
            write_frame(self.broker[1], passage.request.frame)
            await self.broker[1].drain()

    async def _return(self) -> None:
        while (frame := await read_frame(self.broker[0])) is not None:
            passage = self._in_flight.pop(correlation_id(frame), None)
            if passage is not None and self._kept(passage, frame):
                continue
            with contextlib.suppress(ConnectionError):  # a client that is gone
                if not self.client[1].transport.is_closing():
                    write_frame(self.client[1], frame)
                    await self.client[1].drain()

    def _kept(self, passage: _Passage, answer: bytes) -> bool:
        """Whether the client does not get this answer."""
        if held := passage.held:
            held.answered(answer)
            self._settle(passage)
        if passage.has_fate(Fate.CUT_AFTER):
            self.cut()
        return passage.has_fate(Fate.CUT_AFTER) or passage.has_fate(Fate.DROP_ANSWER)

    def _settle(self, passage: _Passage) -> None:
        self._owed.discard(passage)
        self._settled.set()


async def close(writer: asyncio.StreamWriter) -> None:
    """At once, without what is still to be written."""
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
