"""All that a run has shown, and what of it breaks a promise: a pure function, so that it can be seen to bite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from stream.chaos.check import Findings
from stream.chaos.faults import Kind
from stream.chaos.recovery import Memory, Wound
from stream.chaos.rhythm import EVENTS, Rhythm
from stream.chaos.workers import Ended

LEAST_ENDED: Final = 0.1
"""Of the events sent while faults went on, so many had ended before they were over."""
LEAST_DONE, ENOUGH = 0.5, 5
"""So large a share of the planned faults was done, or so many: on a slow machine each waits longer for its turn."""
LEAST_PER_S: Final = 10.0
"""So many events a second ended while faults went on."""
WARM_UP_S, LIVED_S = 30.0, 60.0
STEEPEST_SLOPE: Final = 64 * 2**20
"""Bytes a minute: a leak of a few bytes an event is below it, a batch that is never freed is not."""


@dataclass(frozen=True, slots=True)
class Progress:
    """When the faults were over: seconds since they began, events sent, events seen in a terminal place."""

    seconds: float
    sent: int
    ended: int


@dataclass(frozen=True, slots=True)
class Counters:
    """What workers told, by log lines of committed batches, against records found. A killed worker tells no more
    after its last commit, so told may be less: by at most two batches for each interruption."""

    told_outputs: int
    found_outputs: int
    told_failed: int
    found_failed: int
    interrupted: int
    """Deaths and recoveries."""
    pages: int
    """Outputs by the metrics of the workers that were there in the end, and by their log lines: the same."""
    logs: int
    batch_events: int = EVENTS[Rhythm.STEADY]
    """What one interruption may leave uncounted, twice: one batch may be ahead."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One run. done: faults by kind; wounds: what they did to the flow of results."""

    findings: Findings
    readers_agree: bool
    acknowledged: int
    failed_to_send: int
    progress: Progress
    planned: int
    missed: int
    done: Mapping[Kind, int]
    failpoints: Mapping[str, int]
    wounds: tuple[Wound, ...]
    longest_silence_s: float
    longest_healthy_silence_s: float
    counters: Counters
    ended: tuple[Ended, ...]
    exit_codes: tuple[int, ...]
    wrong: tuple[str, ...]
    refusals: int
    new_consumers: int
    """Of workers that were fenced by their own attempt to join the group."""
    died_of_full_disk: int
    held: int
    """Requests that reached Kafka late."""
    starts: int
    recoveries: int
    memories: tuple[Memory, ...]
    seconds: float

    @property
    def slope(self) -> float | None:
        """The steepest growth of a worker that lived long enough, bytes a minute."""
        slopes = [s for m in self.memories if (s := m.slope(WARM_UP_S, LIVED_S)) is not None]
        return max(slopes, default=None)


def broken(seen: Seen) -> list[str]:
    """Every promise that the run broke, as a sentence; empty when all held."""
    return [*_events(seen), *_counters(seen.counters), *_progress(seen), *_workers(seen)]


def _events(seen: Seen) -> list[str]:
    found = [
        f"{finding.count} events {name.replace('_', ' ')}, such as {', '.join(map(str, finding.ids))}"
        for name, finding in seen.findings.wrong.items()
    ]
    if seen.findings.events < seen.acknowledged:
        found.append(
            f"the input holds {seen.findings.events} of {seen.acknowledged} acknowledged events: Kafka lost some"
        )
    if not seen.readers_agree:
        found.append("the reader that followed saw other records than the one that read everything in the end")
    return found


def _counters(counters: Counters) -> list[str]:
    found = []
    for what, told, there in (
        ("outputs", counters.told_outputs, counters.found_outputs),
        ("dead letters and retries", counters.told_failed, counters.found_failed),
    ):
        missing = there - told
        if not 0 <= missing <= 2 * counters.batch_events * counters.interrupted:
            found.append(f"workers told of {told} {what}, {there} are there, over {counters.interrupted} interruptions")
    if counters.pages != counters.logs:
        found.append(f"metrics of the last workers say {counters.pages} outputs, their logs {counters.logs}")
    return found


def _progress(seen: Seen) -> list[str]:
    progress, done, found = seen.progress, sum(seen.done.values()), []
    if progress.ended < LEAST_ENDED * progress.sent or progress.ended < LEAST_PER_S * progress.seconds:
        found.append(
            f"no progress: {progress.ended} of {progress.sent} events had ended when the faults were over,"
            f" after {progress.seconds:.0f} s"
        )
    if done < min(LEAST_DONE * seen.planned, ENOUGH):
        found.append(f"only {done} of {seen.planned} planned faults could be done")
    if unhealed := [wound for wound in seen.wounds if wound.recovered_s is None]:
        names = ", ".join(f"{w.fault} (partitions {sorted(w.open)})" for w in unhealed[:3])
        found.append(f"results of {len(unhealed)} faults' partitions never flowed again: {names}")
    return found


def _workers(seen: Seen) -> list[str]:
    found = list(seen.wrong)
    found += [f"a worker ended by itself with {e.code}; its last lines:\n{e.tail}" for e in seen.ended if not e.excused]
    found += [f"a worker ended with {code} when it was told to stop in the end" for code in seen.exit_codes if code]
    if seen.done.get(Kind.MODEL) and not seen.refusals:
        found.append("no worker refused the model file with another hash")
    if seen.slope is not None and seen.slope > STEEPEST_SLOPE:
        found.append(f"a worker's memory grew by {seen.slope / 2**20:.0f} MiB a minute")
    return found
