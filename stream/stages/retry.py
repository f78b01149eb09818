"""What a person writes under `retry`: in `failures` for all stages, in a stage for that one."""

from __future__ import annotations

import itertools
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from stream.units import Duration

MAX_DELAYS: Final = 8


def _rising(value: tuple[float, ...]) -> tuple[float, ...]:
    if any(later <= earlier for earlier, later in itertools.pairwise(value)):
        raise ValueError("must rise, each delay longer than the one before, such as [10s, 1m, 10m]")
    return value


Delays = Annotated[tuple[Annotated[float, Duration("100ms", "168h")], ...], AfterValidator(_rising)]
"""Seconds, rising."""


class Retry(BaseModel):
    """What is done with an event that may pass later, such as when a called service timed out."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    delays_s: Delays = Field(
        default=(),
        alias="delays",
        max_length=MAX_DELAYS,
        description="Waits before each further attempt, rising; each is a topic `<pipeline>.retry.<delay>`, but in"
        " strict order, where the event waits in its partition. Without any, it becomes a dead letter at once.",
        examples=[["10s", "1m", "10m"]],
    )
    max_elapsed_s: Annotated[float, Duration("1s", "1000h")] | None = Field(
        default=None,
        alias="max_elapsed",
        description="No further attempt is made later than this after the event failed first.",
        examples=["1h"],
    )
    on_exhausted: Literal["dead_letter", "hold"] = Field(
        default="dead_letter",
        description="After the last attempt: `dead_letter`, or `hold`: the event is tried again and again, with the"
        " last delay in between, and what is behind it in its partition waits.",
    )

    def over(self, default: Retry) -> Retry:
        """What holds for a stage with this policy: what it does not say is said by the default."""
        return default.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})
