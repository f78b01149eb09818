"""What happens to which requests: the rules of a proxy, in the order in which they were made."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from stream.chaos.proxy.frames import Request
from stream.chaos.proxy.held import Held

MAX_RULES: Final = 1000
"""At a time; one that has done its work is taken out."""


class Then(enum.StrEnum):
    """What becomes of the connection on which a request is held."""

    HANG = "hang"
    """It stays open and silent: what the client sends behind the held request waits behind it."""
    CUT = "cut"
    """The client's side is closed; the way to the broker stays open for the held request."""
    OVERTAKE = "overtake"
    """Later requests of the connection pass the held one."""


class Fate(enum.StrEnum):
    HOLD = "hold"
    DELAY = "delay"
    CUT_BEFORE = "cut before"
    CUT_AFTER = "cut after"
    DROP_ANSWER = "drop answer"


@dataclass(slots=True, eq=False)
class Rule:
    """One fate for the requests of an API and a client.

    api     by name (see APIS); None: all
    client  a pattern of client ids as the shell knows it ("flights-*-producer"); None: all
    skip    let so many pass first
    times   take so many, then no more; None: without end
    """

    fate: Fate
    api: str | None = None
    client: str | None = None
    skip: int = 0
    times: int | None = 1
    delay_s: float = 0.0
    then: Then = Then.HANG
    held: Held | None = None
    taken: int = 0

    @property
    def spent(self) -> bool:
        return self.times is not None and self.taken >= self.times

    def fits(self, request: Request) -> bool:
        return (self.api is None or request.api == self.api) and (
            self.client is None or fnmatchcase(request.client, self.client)
        )

    def takes(self, request: Request) -> bool:
        """Whether this request is one of its own; counts it."""
        if self.spent or not self.fits(request):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.taken += 1
        return True


@dataclass(slots=True)
class Rules:
    """The rules in force. All delays that fit add up; of the others the oldest that fits decides."""

    _rules: list[Rule] = field(default_factory=list)

    def add(self, rule: Rule) -> None:
        if len(self._rules) >= MAX_RULES:
            raise ValueError(f"more than {MAX_RULES} rules at a time: clear() those that are not needed")
        self._rules.append(rule)

    def remove(self, rule: Rule) -> None:
        if rule in self._rules:
            self._rules.remove(rule)

    def clear(self) -> None:
        self._rules.clear()

    def judge(self, request: Request) -> tuple[float, Rule | None]:
        """(seconds of delay, the rule that decides or None)"""
        delay_s = sum(rule.delay_s for rule in self._of(Fate.DELAY) if rule.takes(request))
        decides = next((r for r in self._rules if r.fate is not Fate.DELAY and r.takes(request)), None)
        self._rules = [rule for rule in self._rules if not rule.spent]
        return delay_s, decides

    def _of(self, fate: Fate) -> Iterator[Rule]:
        return (rule for rule in self._rules if rule.fate is fate)
