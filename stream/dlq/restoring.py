"""A dead letter back to the event it was, or the reason why it stays.

An event goes back to the topic that it was read from, and only if that is an input of the pipeline's own file:
a header alone never decides where something is written. It has its first key, value, headers and timestamp,
and `stream.replays`; its first partition too while that exists, so that the order of a key's partition holds
whoever had placed it there.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from stream.batch import ANY_PARTITION, Messages, Origin, Record
from stream.dlq.columns import Letters
from stream.dlq.families import Facts, event_headers
from stream.failures.headers import REPLAYS, size

MAX_REPLAYS: Final = 3


class Stays(enum.StrEnum):
    """Why a dead letter is not sent again; the value is for people."""

    PARKED = "parked: replayed too often already"
    NO_ORIGIN = "its headers do not say where it was read"
    NOT_AN_INPUT = "it was read from a topic that is no input of this pipeline"
    OF_ANOTHER = "it is a dead letter of another pipeline"
    GONE = "a pointer, and the event is not at its origin any more"
    TOO_LARGE = "it is larger than its topic takes"


@dataclass(frozen=True, slots=True)
class Input:
    """What matters of one of the pipeline's inputs: a replayed event must fit in."""

    partitions: int
    max_bytes: int


Fetch = Callable[[Origin], Messages | None]


@dataclass(frozen=True, slots=True)
class Restorer:
    """fetch reads the message at an origin; without it pointers are taken for readable, as in a dry run."""

    pipeline: str
    inputs: Mapping[str, Input]
    max_replays: int = MAX_REPLAYS
    fetch: Fetch | None = None

    def restore(self, letters: Letters, row: int) -> Record | Stays:
        """The record that the input gets back."""
        facts = letters.facts[row]
        refusal = self._refusal(facts)
        if refusal is not None or facts.origin is None:
            return refusal or Stays.NO_ORIGIN
        messages, at = letters.messages, row
        if facts.pointer and self.fetch is not None:
            found = self.fetch(facts.origin)
            if found is None or not _same(found, letters, row):
                return Stays.GONE
            messages, at = found, 0
        return self._record(messages, at, facts, facts.origin, letters.timestamp_ms(row))

    def _refusal(self, facts: Facts) -> Stays | None:
        if facts.pipeline is not None and facts.pipeline != self.pipeline:
            return Stays.OF_ANOTHER
        if facts.origin is None:
            return Stays.NO_ORIGIN
        if facts.origin.topic not in self.inputs:
            return Stays.NOT_AN_INPUT
        return Stays.PARKED if facts.replays >= self.max_replays else None

    def _record(self, messages: Messages, row: int, facts: Facts, origin: Origin, timestamp_ms: int) -> Record | Stays:
        target = self.inputs[origin.topic]
        key, value = messages.key(row), messages.value(row)
        headers = [*event_headers(messages.headers_of(row)), (REPLAYS, b"%d" % (facts.replays + 1))]
        if size(key, value, headers) > target.max_bytes:
            return Stays.TOO_LARGE
        partition = origin.partition if origin.partition < target.partitions else ANY_PARTITION
        return Record(origin.topic, key, value, headers, max(0, timestamp_ms), partition)


def _same(found: Messages, letters: Letters, row: int) -> bool:
    """The topic may have been made anew since: then another event is at that offset."""
    stamps = max(0, int(found.timestamp[0])), letters.timestamp_ms(row)
    return found.key(0) == letters.messages.key(row) and stamps[0] == stamps[1]
