"""The pipeline file as models: what may be written, what it means, what holds when it is not.

Field descriptions are what an editor shows, what `docs/pipeline.schema.json` says and what the
table of docs/configuration.md is made of.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
)

from stream.config.stage_entry import StageEntry
from stream.config.values import Name, Start, Topic, Topics
from stream.stages.retry import Retry
from stream.stages.text import ExpressionText
from stream.units import Duration, Size, format_duration

MAX_TIERS: Final = 16
"""Retry topics of a pipeline: different delays of all its stages."""
PART: Final = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Input(BaseModel):
    """What is read."""

    model_config = PART

    topics: Topics = Field(
        alias="topic",
        min_length=1,
        max_length=100,
        description="The topic to read, or a list of topics with events of one schema.",
        examples=["flights", ["flights-eu", "flights-us"]],
    )
    schema_file: str | None = Field(
        default=None,
        alias="schema",
        min_length=1,
        description="Avro schema the events are read with (the writer's comes with each message), a path beside the"
        " pipeline file or in the folder above. May be left out with a schema registry: the latest of"
        " `<topic>-value`.",
        examples=["schemas/flight.avsc"],
    )
    start: Start = Field(
        default="earliest",
        description="Where a consumer group without committed offsets begins: `earliest`, `latest` or a time with its"
        " zone.",
        examples=["earliest", "latest", "2026-01-31T06:00:00Z"],
    )


class Output(BaseModel):
    """Where events go that came through all stages. The first output whose `when` holds takes the event."""

    model_config = PART

    topic: Topic = Field(description="The topic to write to.", examples=["flights.predictions"])
    schema_file: str = Field(
        alias="schema",
        min_length=1,
        description="Avro schema of the output, filled from columns by name; a path beside the pipeline file or in the"
        " folder above.",
        examples=["schemas/prediction.avsc"],
    )
    when: ExpressionText | None = Field(
        default=None,
        description="SQL condition over the columns; without one the output takes every event that is left. An event"
        " that no output takes is filtered, and counted.",
        examples=["predicted_delay > 15"],
    )


class Limit(BaseModel):
    """How many dead letters are normal. Beyond it nothing is committed and the pipeline pauses and says so."""

    model_config = PART

    ratio: float = Field(
        default=0.5,
        strict=True,
        gt=0,
        le=1,
        description="Share of the last `window` events that may be dead letters; 1 never stops.",
    )
    window: int = Field(
        default=1000, strict=True, ge=1, le=1_000_000, description="Events over which `ratio` is taken."
    )
    consecutive: int = Field(
        default=1000, strict=True, ge=1, le=1_000_000_000, description="Dead letters in a row that stop the pipeline."
    )


class DeadLetter(BaseModel):
    """Where events go that cannot be processed, with the reason in their headers."""

    model_config = PART

    topic: Topic | None = Field(default=None, description="Topic of the dead letters.", examples=["flights.dlq"])
    limit: Limit = Field(default_factory=Limit, description="How many dead letters are normal.")


class Quarantine(BaseModel):
    """What is done with an event that ends the process: a segmentation fault, or memory without end."""

    model_config = PART

    crashes: int = Field(
        default=3,
        strict=True,
        ge=0,
        le=100,
        description="Deaths of a worker in a row at one offset, with nothing committed in between, after which the"
        " events there are tried in a process of their own; one that ends it alone, twice, becomes a dead letter,"
        " unread. 0 never does.",
    )


class Failures(BaseModel):
    """What happens to events that fail."""

    model_config = PART

    dead_letter: DeadLetter = Field(default_factory=DeadLetter, description="Events that cannot be processed.")
    retry: Retry = Field(
        default_factory=Retry, description="Events that may pass later; a stage may have a `retry` of its own."
    )
    quarantine: Quarantine = Field(default_factory=Quarantine, description="Events that end the process.")
    order: Literal["relaxed", "strict"] = Field(
        default="relaxed",
        description="`relaxed`: an event that is to be tried again steps aside and others overtake it. `strict`: it"
        " holds its partition until it is through.",
    )


class Batch(BaseModel):
    """What one transaction holds at most. A batch closes at whichever bound comes first."""

    model_config = PART

    events: int = Field(
        default=30_000,
        strict=True,
        ge=1,
        le=1_000_000,
        description="Events of a batch. Without need none is larger than 10,000: only a backlog whose commits are"
        " waited for, by a broker that is far away or busy, makes them grow up to this.",
    )
    bytes: Annotated[int, Size("1kB", "1GiB")] = Field(
        default=16 * 1024 * 1024, description="Bytes of the messages of a batch.", examples=["16MiB"]
    )
    wait_s: Annotated[float, Duration("0ms", "10s")] = Field(
        default=0.025,
        alias="wait",
        description="How long a batch that is not full waits for more events, counted from when the one before was"
        " closed: what comes after a pause goes at once, and a steady load makes one batch each `wait`.",
        examples=["25ms"],
    )


class Transaction(BaseModel):
    """The Kafka transaction in which outputs, dead letters and offsets are written."""

    model_config = PART

    timeout_s: Annotated[float, Duration("1s", "15m")] = Field(
        default=10.0,
        alias="timeout",
        description="When the broker ends a transaction that hangs; must be shorter than `session.timeout.ms`.",
        examples=["10s"],
    )


class Group(BaseModel):
    """The consumer group."""

    model_config = PART

    protocol: Literal["classic", "consumer"] = Field(
        default="classic",
        description="`classic`: static members, a killed worker is back at once. `consumer`: KIP-848, rebalanced by"
        " the broker, dynamic members.",
    )


@dataclass(frozen=True, slots=True)
class RetryTier:
    """A topic whose events are read again delay_s seconds after they were written."""

    topic: str
    delay_s: float


class PipelineFile(BaseModel):
    """A pipeline of stream: Avro events from Kafka through stages to topics, each event exactly once."""

    model_config = PART

    name: Name = Field(
        alias="pipeline",
        description="Names the consumer group, the transactional ids and the metrics."
        " Changing it later starts over from `input.start`.",
        examples=["flights"],
    )
    input: Input = Field(description="What is read.")
    stages: tuple[StageEntry, ...] = Field(
        min_length=1, max_length=100, description="What is done with each event, in order; each item is one stage."
    )
    outputs: tuple[Output, ...] = Field(
        min_length=1,
        max_length=100,
        description="Where events go, in order: the first whose `when` holds takes the event.",
    )
    failures: Failures = Field(default_factory=Failures, description="What happens to events that fail.")
    batch: Batch = Field(default_factory=Batch, description="What one transaction holds at most.")
    transaction: Transaction = Field(default_factory=Transaction, description="The Kafka transaction.")
    group: Group = Field(default_factory=Group, description="The consumer group.")

    @property
    def dead_letter_topic(self) -> str:
        return self.failures.dead_letter.topic or f"{self.name}.dlq"

    @property
    def stage_names(self) -> tuple[str, ...]:
        """The kind, numbered from the second of its kind on: validate, infer, infer-2."""
        seen: Counter[str] = Counter()
        names = []
        for entry in self.stages:
            seen[entry.kind] += 1
            names.append(entry.kind if seen[entry.kind] == 1 else f"{entry.kind}-{seen[entry.kind]}")
        return tuple(names)

    @property
    def retry_policies(self) -> dict[str, Retry]:
        """What holds for each stage: its own `retry`, and `failures.retry` for what that leaves out."""
        default = self.failures.retry
        own = [getattr(entry.settings, "retry", None) for entry in self.stages]
        return {n: default if r is None else r.over(default) for n, r in zip(self.stage_names, own, strict=True)}

    @property
    def retry_tiers(self) -> tuple[RetryTier, ...]:
        """One for each delay of any stage. None in strict order: there an event waits where it is, in its partition."""
        if self.failures.order == "strict":
            return ()
        policies = [self.failures.retry, *self.retry_policies.values()]
        return tuple(
            RetryTier(self.tier_topic(delay), delay) for delay in sorted({d for p in policies for d in p.delays_s})
        )

    def tier_topic(self, delay_s: float) -> str:
        """Stages with equal delays share a topic."""
        return f"{self.name}.retry.{format_duration(delay_s)}"
