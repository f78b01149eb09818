"""Rules over several keys, and over the file and the environment together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from stream.config.environment import Environment
from stream.config.kafka_properties import (
    CLASSIC_GROUP_ONLY,
    DEFAULT_MAX_POLL_INTERVAL_MS,
    DEFAULT_SESSION_TIMEOUT_MS,
    variable,
)
from stream.config.pipeline_file import MAX_TIERS, PipelineFile
from stream.errors import Problem
from stream.stages import NEEDS_RETRY
from stream.stages.retry import Retry
from stream.units import format_duration

MAX_DIGITS: Final = 10
"""Of a number that librdkafka takes."""


def broken_rules(file: PipelineFile, environment: Environment) -> Iterator[Problem]:
    """What each value alone does not show."""
    yield from _topics(file)
    yield from _outputs(file)
    yield from _schema(file, environment)
    yield from _group(file, environment)
    yield from _timeouts(file, environment)
    yield from _retries(file)
    yield from _budgets(file, environment)
    yield from _sizes(environment)


def _topics(file: PipelineFile) -> Iterator[Problem]:
    """No topic may feed itself, and a dead letter must not look like a result."""
    inputs, outputs = set(file.input.topics), {output.topic for output in file.outputs}
    for index, output in enumerate(file.outputs):
        if output.topic in inputs:
            where = f"outputs[{index}].topic"
            yield Problem(
                f"{where} '{output.topic}' is also an input, an endless loop; choose another topic",
                ("outputs", index, "topic"),
            )
    at = ("failures", "dead_letter", "topic")
    if file.dead_letter_topic in inputs | outputs:
        use = "an input" if file.dead_letter_topic in inputs else "an output"
        yield Problem(f"the dead letter topic '{file.dead_letter_topic}' is also {use}; choose another topic", at)
    for tier in file.retry_tiers:
        if tier.topic in inputs | outputs | {file.dead_letter_topic}:
            yield Problem(
                f"the retry topic '{tier.topic}' is also used otherwise; rename that one or the pipeline",
                ("failures", "retry", "delays"),
            )


def _outputs(file: PipelineFile) -> Iterator[Problem]:
    for index, output in enumerate(file.outputs[:-1]):
        if output.when is None:
            yield Problem(
                f"outputs[{index + 1}] is never reached: outputs[{index}] has no `when` and takes every event;"
                " put it last or give it a `when`",
                ("outputs", index + 1),
            )


def _schema(file: PipelineFile, environment: Environment) -> Iterator[Problem]:
    if file.input.schema_file is None and environment.registry is None:
        yield Problem(
            "input.schema is missing: an Avro schema file; it may be left out only with a schema registry"
            " (STREAM_SCHEMA_REGISTRY_URL)",
            ("input", "schema"),
        )


def _group(file: PipelineFile, environment: Environment) -> Iterator[Problem]:
    """KIP-848: the broker decides these, and librdkafka refuses to be made with them."""
    if file.group.protocol == "consumer":
        for name in CLASSIC_GROUP_ONLY:
            if name in environment.kafka:
                yield Problem(
                    f"{variable(name)} has no meaning with the group protocol 'consumer', where the broker decides it;"
                    " unset it",
                    place="environment",
                )


def _timeouts(file: PipelineFile, environment: Environment) -> Iterator[Problem]:
    """transaction timeout < session timeout < max poll interval (KIP-447: a zombie's transaction ends first)."""
    session = _milliseconds(environment, "session.timeout.ms", DEFAULT_SESSION_TIMEOUT_MS)
    poll = _milliseconds(environment, "max.poll.interval.ms", DEFAULT_MAX_POLL_INTERVAL_MS)
    if isinstance(session, Problem) or isinstance(poll, Problem):
        yield from (p for p in (session, poll) if isinstance(p, Problem))
        return
    above = "session.timeout.ms" if file.group.protocol == "classic" else "max.poll.interval.ms"
    bound = session if file.group.protocol == "classic" else poll
    timeout = format_duration(file.transaction.timeout_s)
    if file.transaction.timeout_s * 1000 >= bound:
        yield Problem(
            f"transaction.timeout ({timeout}) must be shorter than {above} ({format_duration(bound / 1000)});"
            f" lower it or raise {variable(above)}",
            ("transaction", "timeout"),
        )
    if file.group.protocol == "classic" and session >= poll:
        yield Problem(
            f"session.timeout.ms ({format_duration(session / 1000)}) must be shorter than max.poll.interval.ms"
            f" ({format_duration(poll / 1000)}); lower {variable('session.timeout.ms')} or raise"
            f" {variable('max.poll.interval.ms')}",
            place="environment",
        )


def _retries(file: PipelineFile) -> Iterator[Problem]:
    """Policies that hold together, and one for every stage at which an event may fail for a while."""
    default = file.failures.retry
    yield from _policy(default, ("failures", "retry"))
    for index, (entry, policy) in enumerate(zip(file.stages, file.retry_policies.values(), strict=True)):
        if getattr(entry.settings, "retry", None) is not None:
            yield from _policy(policy, ("stages", index, entry.kind, "retry"))
        if entry.kind in NEEDS_RETRY:
            yield from unsaid_retry(file, index)
    if len(file.retry_tiers) > MAX_TIERS:
        yield Problem(
            f"the stages have {len(file.retry_tiers)} different delays, each a topic; at most {MAX_TIERS}: share some",
            ("failures", "retry"),
        )


def unsaid_retry(file: PipelineFile, index: int) -> list[Problem]:
    """What is wrong when an event can fail for a while at this stage: none, or that nothing says what happens then."""
    entry, default = file.stages[index], file.failures.retry
    own: Retry | None = getattr(entry.settings, "retry", None)
    said = default.model_fields_set if own is None else default.model_fields_set | own.model_fields_set
    if "delays_s" in said:
        return []
    told = (
        f"stages[{index}].{entry.kind} can fail for a while, and nothing says what happens to an event then:"
        " add retry: {delays: [10s, 1m, 10m]} here, or for all stages under failures;"
        " retry: {delays: []} makes it a dead letter at once"
    )
    return [Problem(told, ("stages", index, entry.kind))]


def _policy(policy: Retry, at: tuple[str | int, ...]) -> Iterator[Problem]:
    if policy.on_exhausted == "hold" and not policy.delays_s:
        yield Problem("on_exhausted: hold needs delays, the last of which is waited again and again", at)
    elif policy.max_elapsed_s is not None and policy.delays_s and policy.max_elapsed_s < policy.delays_s[0]:
        first, longest = format_duration(policy.delays_s[0]), format_duration(policy.max_elapsed_s)
        yield Problem(f"max_elapsed ({longest}) is shorter than the first delay ({first}): nothing is tried again", at)


def _budgets(file: PipelineFile, environment: Environment) -> Iterator[Problem]:
    """Time for decoding, models and the commit is left, or the group would give the partitions to another."""
    poll = _milliseconds(environment, "max.poll.interval.ms", DEFAULT_MAX_POLL_INTERVAL_MS)
    budgets = {i: getattr(entry.settings, "budget_s", 0.0) for i, entry in enumerate(file.stages)}
    total = sum(budgets.values())
    if not isinstance(poll, Problem) and total > poll / 2000:
        index = max(budgets, key=lambda i: budgets[i])
        yield Problem(
            f"the budgets of the stages ({format_duration(total)}) must be at most half of max.poll.interval.ms"
            f" ({format_duration(poll / 1000)}); lower budget or raise {variable('max.poll.interval.ms')}",
            ("stages", index, file.stages[index].kind, "budget"),
        )


def _milliseconds(environment: Environment, name: str, default: int) -> int | Problem:
    given = environment.kafka.get(name)
    if given is None:
        return default
    return whole_number(environment, name) or Problem(
        f"{variable(name)} must be a whole number of milliseconds, not '{given}'", place="environment"
    )


def _sizes(environment: Environment) -> Iterator[Problem]:
    """librdkafka would say it too, but not before the pipeline is put together with it."""
    name = "message.max.bytes"
    if name in environment.kafka and whole_number(environment, name) is None:
        given = environment.kafka[name]
        yield Problem(f"{variable(name)} must be a whole number of bytes, not '{given}'", place="environment")


def whole_number(environment: Environment, name: str) -> int | None:
    """A property of librdkafka as a number from 1 on; None when it is not given, or is none."""
    given = str(environment.kafka.get(name, ""))
    return int(given) or None if given.isdecimal() and len(given) <= MAX_DIGITS else None
