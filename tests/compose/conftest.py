"""The compose file's services, by hand: started once, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from acceptance.conftest import terminated_tests_stop_their_brokers
from compose.by_hand import Stack
from compose.composed import in_order, load
from compose.stand_ins import stand_ins

__all__ = ["terminated_tests_stop_their_brokers"]

NOT_HERE = {
    "grafana": "no registry of packages has it; its boards' queries are asked of Prometheus instead",
    "kafka-ui": "no registry of packages has it; an extra, behind a profile",
}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    services = {name: service for name, service in load().items() if name not in NOT_HERE}
    with Stack(tmp_path_factory.mktemp("stack"), stand_ins(services)) as stack:
        stack.up(in_order(services))
        yield stack
