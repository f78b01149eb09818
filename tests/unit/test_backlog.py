"""What waits in the topics: that Kafka does not answer is told once and changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stream.backlog import Backlog
from stream.errors import UnreachableError


@dataclass
class Desk:
    seen: list[tuple[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    away: bool = False

    def retries_waiting(self, events: Mapping[str, int]) -> None:
        self.seen.append(("retries", dict(events)))

    def oldest_dead_letter(self, topic: str, failed_s: float | None) -> None:
        self.seen.append((topic, failed_s))

    def warning(self, event: str, **_fields: Any) -> None:
        self.lines.append(event)

    def oldest(self) -> int | None:
        if self.away:
            raise UnreachableError("no broker")
        return 1500

    def backlog(self) -> Backlog:
        return Backlog(self, "p.dlq", lambda: {"p.retry.1s": 3}, self.oldest, log=self)  # type: ignore[arg-type]


def test_both_are_told_in_seconds() -> None:
    desk = Desk()
    desk.backlog().look()
    assert desk.seen == [("retries", {"p.retry.1s": 3}), ("p.dlq", 1.5)]


def test_that_kafka_is_away_is_told_once_until_it_is_back() -> None:
    desk = Desk(away=True)
    backlog = desk.backlog()
    for away in (True, True, False, True):
        desk.away = away
        backlog.look()
    assert len(desk.lines) == 2
    assert [name for name, _ in desk.seen if name == "p.dlq"] == ["p.dlq"], "the last value stays"
