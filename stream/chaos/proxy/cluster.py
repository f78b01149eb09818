"""A development Kafka whose brokers tell clients the proxy's addresses instead of their own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stream.chaos.proxy.frames import Request
from stream.chaos.proxy.server import Proxy
from stream.devkafka import Cluster


@contextmanager
def proxied(
    folder: Path | str,
    brokers: int = 1,
    *,
    properties: Mapping[str, str] | None = None,
    observe: Callable[[Request], None] = lambda request: None,
    report: Callable[[str], None] = lambda line: None,
    rng: random.Random | None = None,
) -> Iterator[tuple[Cluster, Proxy]]:
    """Both started, and stopped in the end.

    Clients of `proxy.bootstrap` go through the proxy, those of `cluster.internal_bootstrap` past it.
    Raises what Cluster.start raises.
    """
    with Proxy(brokers, observe=observe, rng=rng) as proxy:
        cluster = Cluster(folder, brokers, advertised=proxy.ports, properties=properties, report=report, rng=rng)
        try:
            cluster.start()
            proxy.forward_to([node.port for node in cluster.state.nodes])
            yield cluster, proxy
        finally:
            cluster.stop()
