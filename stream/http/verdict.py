"""What came of a call: an answer, an event that will never pass, one that may pass later, or a service in trouble.

    2xx                                  answered
    connection refused, lost, TLS        transient: unreachable, disconnected
    no answer in time, 408               transient: timeout
    429                                  transient: throttled     Retry-After makes all calls wait
    5xx, 425                             transient: server_error  503 with Retry-After too
    401, 407                             systemic: the credentials are the stage's, no event is at fault
    3xx                                  poison: redirected, never followed
    other 4xx                            poison: refused
    a 2xx whose body does not fit        poison: not_json, missing_field, wrong_type, wrong_count, too_large_answer
    a value that fits no request         poison: url_value, body_value
    not called within the batch's time   untried: budget

Nothing of the answer but its status is ever told: a service may echo what it was sent.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

CREDENTIALS: Final = frozenset({401, 407})
WAITING: Final = frozenset({429, 503})
"""Statuses whose Retry-After is honoured."""
_TRANSIENT: Final = {408: "timeout", 425: "server_error", 429: "throttled"}


class Request(NamedTuple):
    """One call; key is the value of its Idempotency-Key header."""

    url: str
    key: str
    content: bytes | None


class Kind(enum.Enum):
    ANSWERED = enum.auto()
    POISON = enum.auto()
    TRANSIENT = enum.auto()
    UNTRIED = enum.auto()
    """The batch's time was over before its turn: no attempt was made."""
    SYSTEMIC = enum.auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """reason is a metric label from a closed set, detail is for a person: neither holds a piece of an event.

    body: of an answer, as it came. wait_s: how long the service asked to be left alone.
    again: worth one more attempt on the spot.
    """

    kind: Kind
    reason: str = ""
    detail: str = ""
    body: Any = None
    wait_s: float | None = None
    again: bool = False


def of_status(status: int, body: bytes, wait_s: float | None) -> Verdict:
    """What an answer of this status means."""
    told = f"the service answered {status}"
    if 200 <= status < 300:
        return Verdict(Kind.ANSWERED, body=body)
    if status in CREDENTIALS:
        return Verdict(Kind.SYSTEMIC, "service", f"{told}: it does not take the stage's credentials")
    if status >= 500 or status in _TRANSIENT:
        wait_s = wait_s if status in WAITING else None
        return Verdict(Kind.TRANSIENT, _TRANSIENT.get(status, "server_error"), told, None, wait_s, wait_s is not None)
    if 300 <= status < 400:
        return Verdict(Kind.POISON, "redirected", f"{told}: redirects are not followed, the url must be the right one")
    return Verdict(Kind.POISON, "refused", told)


OUT_OF_TIME: Final = Verdict(Kind.UNTRIED, "budget", "the time for one batch was over before its turn")


def poison(reason: str, detail: str) -> Verdict:
    return Verdict(Kind.POISON, reason, detail)


def transient(reason: str, detail: str, *, again: bool = False) -> Verdict:
    return Verdict(Kind.TRANSIENT, reason, detail, again=again)


def retry_after(text: str | None, now: Callable[[], float]) -> float | None:
    """Seconds from a Retry-After header (RFC 9110, section 10.2.3): a number of them, or a date.

    None for what is neither. now: seconds since the epoch.
    """
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now())
    except (ValueError, OverflowError):
        return None
