"""How often, and after which waits, an event is tried again that may pass later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stream.failures.headers import Earlier


@dataclass(frozen=True, slots=True)
class Tier:
    """A topic whose events are due delay_s seconds after they were written to it."""

    topic: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class Policy:
    """One tier for each further attempt. In strict order only their delays count: nothing is written.

    max_elapsed_s: no attempt is made later than this after the first failure. hold: when there is no
    further attempt, wait in the partition for as long as it takes, instead of becoming a dead letter.
    """

    tiers: Sequence[Tier] = ()
    max_elapsed_s: float | None = None
    hold: bool = False

    def next(self, failed: Earlier, stage: str, now_ms: int) -> Tier | None:
        """Where to wait after these failures, the last of them at this stage; None when that was the last attempt."""
        attempt = failed.at(stage)
        if attempt > len(self.tiers):
            return None
        tier = self.tiers[attempt - 1]
        first_ms = now_ms if failed.first_failed_ms is None else failed.first_failed_ms
        elapsed_s = (now_ms - first_ms) / 1000 + tier.delay_s
        return None if self.max_elapsed_s is not None and elapsed_s > self.max_elapsed_s else tier

    def hold_s(self, failed: Earlier, stage: str, now_ms: int) -> float | None:
        """Of an event that must not leave its partition: how long it waits there; None when it may go."""
        tier = self.next(failed, stage, now_ms)
        if tier is not None:
            return tier.delay_s
        return self.tiers[-1].delay_s if self.hold else None


@dataclass(frozen=True, slots=True)
class Policies:
    """By stage; default for a stage that has none of its own."""

    default: Policy = field(default_factory=Policy)
    by_stage: Mapping[str, Policy] = field(default_factory=dict)

    def of(self, stage: str) -> Policy:
        return self.by_stage.get(stage, self.default)
