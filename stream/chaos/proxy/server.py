"""The proxy: a thread that listens, and the calls by which another thread says what shall happen to whom."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Final, Self, TypeVar

from stream.chaos.proxy.apis import require_api
from stream.chaos.proxy.connection import Connection, Streams, Tally, close
from stream.chaos.proxy.frames import Request
from stream.chaos.proxy.held import Held
from stream.chaos.proxy.rules import Fate, Rule, Rules, Then
from stream.devkafka.ports import HOST, free_ports

CONTROL_S: Final = 10.0
"""How long a call of the controlling thread waits for the proxy's."""
CONNECT_S: Final = 5.0
T = TypeVar("T")

log = logging.getLogger(__name__)


def _api(name: str | None) -> str | None:
    return None if name is None else require_api(name)


@dataclass(frozen=True, slots=True)
class Counts:
    """Since the proxy was opened; open_connections at this moment.

    requests by API as clients sent them, fates by rule ("hold", "cut after", ...), unreachable connections found no
    broker behind the proxy.
    """

    requests: Mapping[str, int]
    fates: Mapping[str, int]
    connections: int
    open_connections: int
    unreachable: int


class Proxy:
    """One port in front of each broker, and one set of rules for all of them.

    brokers   how many; `ports` are known from the start, so that brokers can advertise them
    observe   called with every request, in the proxy's thread: must be quick and raise nothing

    As a context manager it listens inside of it. Without a broker behind (forward_to) clients are turned away.
    Methods raise ValueError for an API that does not exist and RuntimeError on a proxy that is closed.
    """

    def __init__(
        self,
        brokers: int = 1,
        *,
        observe: Callable[[Request], None] = lambda request: None,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ports: Final = tuple(free_ports(brokers, rng or random.Random()))
        self._observe = observe
        self._clock = clock
        self._targets: tuple[int, ...] = ()
        self._rules = Rules()
        self._held: list[Held] = []
        self._tally = Tally()
        self._servers: list[asyncio.Server] = []
        self._open: dict[Connection, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def bootstrap(self) -> str:
        """`bootstrap.servers` for clients that go through the proxy."""
        return ",".join(f"{HOST}:{port}" for port in self.ports)

    def forward_to(self, ports: Sequence[int]) -> None:
        """Where the brokers listen, in the order of the proxy's own ports. New connections go there."""
        if len(ports) != len(self.ports):
            raise ValueError(f"{len(ports)} brokers behind a proxy of {len(self.ports)}")
        self._targets = tuple(ports)

    # Rules

    def hold(self, api: str, client: str | None = None, *, then: Then = Then.HANG, skip: int = 0) -> Held:
        """Keep back the next such request until it is released, and its connection does as `then` says."""
        loop = self._running()
        held = Held(loop, f"{api} of {client or 'any client'}")
        self._add(Rule(Fate.HOLD, require_api(api), client, skip, then=then, held=held))
        self._held = [*(h for h in self._held if not h.over), held]
        return held

    def delay(
        self, seconds: float, api: str | None = None, client: str | None = None, *, times: int | None = None
    ) -> Rule:
        """Each such request goes on that much later, and whatever is behind it on its connection too."""
        if not 0 <= seconds <= 600:
            raise ValueError(f"a delay of {seconds:g} s: 0 to 600 s are possible")
        return self._add(Rule(Fate.DELAY, _api(api), client, times=times, delay_s=seconds))

    def cut_before(
        self, api: str | None = None, client: str | None = None, *, skip: int = 0, times: int | None = 1
    ) -> Rule:
        """Close the connection on which such a request comes; it does not reach the broker."""
        return self._add(Rule(Fate.CUT_BEFORE, _api(api), client, skip, times))

    def cut_after(
        self, api: str | None = None, client: str | None = None, *, skip: int = 0, times: int | None = 1
    ) -> Rule:
        """Close the connection when the broker has answered such a request; the answer is lost."""
        return self._add(Rule(Fate.CUT_AFTER, _api(api), client, skip, times))

    def drop_answer(
        self, api: str | None = None, client: str | None = None, *, skip: int = 0, times: int | None = 1
    ) -> Rule:
        """The broker gets such a request, and the client never gets the answer, on a connection that stays open."""
        return self._add(Rule(Fate.DROP_ANSWER, _api(api), client, skip, times))

    def remove(self, rule: Rule) -> None:
        """A rule that is spent, or was removed before, is fine."""
        self._call(lambda: self._rules.remove(rule))

    def clear(self) -> None:
        """No rules any more; what they hold is released, and the ports listen again."""

        def release() -> None:
            self._rules.clear()
            for held in self._held:
                held.release()
            self._held.clear()

        self._call(release)
        self.accept()

    # Connections

    def cut(self, broker: int | None = None, client: str | None = None) -> int:
        """Close the client's side of open connections, of one broker (from 0) or all, of some clients or all.

        Gives how many they were. client is a pattern; a connection that has not asked for anything has no client.
        """

        def close() -> int:
            at = [c for c, port in self._open.items() if broker is None or port == self.ports[broker]]
            found = [c for c in at if client is None or (c.name is not None and fnmatchcase(c.name, client))]
            for connection in found:
                connection.cut()
            return len(found)

        return self._call(close)

    def refuse(self) -> None:
        """New connections are refused by the system (nobody listens) until accept(); the open ones stay."""
        self._call(self._close_servers)

    def accept(self) -> None:
        """Listen, if it does not already."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._running()).result(CONTROL_S)

    def counts(self) -> Counts:
        def read() -> Counts:
            tally = self._tally
            return Counts(
                dict(tally.requests), dict(tally.fates), tally.connections, len(self._open), tally.unreachable
            )

        return self._call(read)

    # Life

    def open(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="kafka-proxy", daemon=True)
        self._thread.start()
        self.accept()

    def close(self) -> None:
        """Ends all connections; what is held is dropped."""
        loop, thread = self._running(), self._thread
        asyncio.run_coroutine_threadsafe(self._end(), loop).result(CONTROL_S)
        loop.call_soon_threadsafe(loop.stop)
        if thread:
            thread.join(CONTROL_S)
        self._loop = self._thread = None
        loop.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # How

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("the proxy is not open")
        return self._loop

    def _call(self, act: Callable[[], T]) -> T:
        """Do it in the proxy's thread, which owns everything."""

        async def there() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(there(), self._running()).result(CONTROL_S)

    def _add(self, rule: Rule) -> Rule:
        self._call(lambda: self._rules.add(rule))
        return rule

    async def _listen(self) -> None:
        if self._servers:
            return
        for index, port in enumerate(self.ports):
            self._servers.append(await asyncio.start_server(self._accepting(index), HOST, port))

    def _close_servers(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()

    def _accepting(self, index: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._tally.connections += 1
            task = asyncio.get_running_loop().create_task(self._serve(index, (reader, writer)))
            self._tasks.add(task)
            task.add_done_callback(self._over)
            # a task that is cancelled before its first step closes nothing
            task.add_done_callback(lambda _task: writer.transport.abort())

        return accepted

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.warning("proxy: a connection ended: %s", error)

    async def _serve(self, index: int, client: Streams) -> None:
        """One connection of a client, to the end."""
        try:
            target = self._targets[index] if self._targets else 0
            async with asyncio.timeout(CONNECT_S):
                broker = await asyncio.open_connection(HOST, target)
        except (OSError, TimeoutError):
            self._tally.unreachable += 1
            await close(client[1])
            return
        connection = Connection(client, broker, self._rules, self._tally, self._observe, self._clock)
        self._open[connection] = self.ports[index]
        try:
            await connection.run()
        finally:
            del self._open[connection]

    async def _end(self) -> None:
        self._close_servers()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
