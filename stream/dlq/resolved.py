"""What was done with dead letters: records of the compacted topic `<dead letters>.resolved`.

Kafka cannot delete a single record, so a dead letter stays where it is until its retention ends. That it was
sent again or discarded is written here, in the same transaction as the event itself: what this topic says is
what happened. Keys and values are text, values JSON:

    <topic id>/<partition>/<offset>   one dead letter was resolved: action, by, at, name, run
    run/<action>/<name>/<started>     one replay or discard: its filter, its bounds, whether it is done
    owner                             who replays or discards at the moment

The topic id is Kafka's own (KIP-516): a dead-letter topic that was deleted and made anew begins afresh.
"""

from __future__ import annotations

import enum
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from stream.batch import Messages

OWNER: Final = b"owner"
RUN: Final = "run/"


class Action(enum.StrEnum):
    """What is done with a dead letter; the value is what the audit says."""

    REPLAYED = "replayed"
    DISCARDED = "discarded"


class RunKey(NamedTuple):
    """started: ms since the epoch."""

    action: str
    name: str
    started: int

    def encode(self) -> bytes:
        return f"{RUN}{self.action}/{self.name}/{self.started}".encode()


@dataclass(frozen=True, slots=True)
class Run:
    """One replay or discard. ends: partition -> the offset it does not go beyond, so that it cannot meet what
    it has caused itself. limit: dead letters at most, None for no limit.
    """

    action: Action
    name: str
    started: int
    by: str
    where: str
    why: str = ""
    limit: int | None = None
    ends: Mapping[int, int] = field(default_factory=dict)
    done: bool = False

    @property
    def key(self) -> RunKey:
        return RunKey(self.action, self.name, self.started)

    def encode(self) -> bytes:
        facts = {"by": self.by, "where": self.where, "why": self.why, "limit": self.limit, "done": self.done}
        return _json({**facts, "ends": {str(p): end for p, end in self.ends.items()}})


@dataclass(frozen=True, slots=True)
class Owner:
    """Who resolves at the moment: id is of one process alone, at in ms since the epoch."""

    id: str
    by: str
    at: int

    def encode(self) -> bytes:
        return _json({"id": self.id, "by": self.by, "at": self.at})


def resolution_key(topic_id: str, partition: int, offset: int) -> bytes:
    return f"{topic_id}/{partition}/{offset}".encode()


def resolution(run: Run, now_ms: int) -> bytes:
    """The value that says: this dead letter was resolved by this run."""
    return _json({"action": run.action, "by": run.by, "at": now_ms, "name": run.name, "run": run.started})


@dataclass(slots=True)
class Book:
    """All that the topic says about one dead-letter topic, read from its first record to its last."""

    topic_id: str
    owner: Owner | None = None
    runs: dict[RunKey, Run] = field(default_factory=dict)
    moved: Counter[RunKey] = field(default_factory=Counter)
    """Dead letters that each run has resolved."""
    last_ms: dict[RunKey, int] = field(default_factory=dict)
    _resolved: dict[int, set[int]] = field(default_factory=dict)

    def __contains__(self, place: tuple[int, int]) -> bool:
        """Whether the dead letter at (partition, offset) was resolved."""
        return place[1] in self._resolved.get(place[0], ())

    def __len__(self) -> int:
        return sum(map(len, self._resolved.values()))

    def note(self, messages: Messages) -> None:
        """Take the records of a chunk in; what is no record of ours is passed over."""
        for row in range(len(messages)):
            key, facts = messages.key(row) or b"", _parsed(messages.value(row))
            if key == OWNER and facts:
                self.owner = Owner(str(facts.get("id")), str(facts.get("by")), _whole(facts.get("at")))
            elif key.startswith(RUN.encode()):
                self._note_run(key.decode(errors="replace"), facts)
            else:
                self._note_resolution(key.decode(errors="replace"), facts)

    def open_run(self, action: Action, name: str) -> Run | None:
        """The run of this name that was begun and not ended."""
        found = [run for run in self.runs.values() if (run.action, run.name, run.done) == (action, name, False)]
        return max(found, key=lambda run: run.started, default=None)

    def _note_run(self, key: str, facts: dict[str, Any]) -> None:
        parts = key.split("/")
        if len(parts) < 4 or not _is_number(parts[-1]) or parts[1] not in set(Action) or not facts:
            return
        name, ends, limit = "/".join(parts[2:-1]), facts.get("ends"), facts.get("limit")
        run = Run(
            action=Action(parts[1]),
            name=name,
            started=int(parts[-1]),
            by=str(facts.get("by")),
            where=str(facts.get("where")),
            why=str(facts.get("why")),
            limit=None if limit is None else _whole(limit),
            ends={int(p): _whole(end) for p, end in ends.items() if _is_number(p)} if isinstance(ends, dict) else {},
            done=bool(facts.get("done")),
        )
        self.runs[run.key] = run

    def _note_resolution(self, key: str, facts: dict[str, Any]) -> None:
        topic_id, partition, offset = ["", "", "", *key.rsplit("/", 2)][-3:]
        if topic_id != self.topic_id or not _is_number(partition) or not _is_number(offset) or not facts:
            return
        run = RunKey(str(facts.get("action")), str(facts.get("name")), _whole(facts.get("run")))
        resolved = self._resolved.setdefault(int(partition), set())
        if int(offset) not in resolved:
            resolved.add(int(offset))
            self.moved[run] += 1
        self.last_ms[run] = max(self.last_ms.get(run, 0), _whole(facts.get("at")))


def _json(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()


def _parsed(value: bytes | None) -> dict[str, Any]:
    """{} for what is no JSON object: anybody who may write to the topic can have written it."""
    try:
        facts = json.loads(value or b"")
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _is_number(text: str) -> bool:
    return len(text) < 20 and text.isascii() and text.isdigit()


def _whole(value: Any) -> int:
    """0 for what is no whole number of 63 bits."""
    return value if isinstance(value, int) and 0 <= value < 1 << 63 else 0
