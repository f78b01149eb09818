"""One worker process, put together: configuration, line, Kafka session, health pages, watchdog, loop."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from stream.assembly import open_pipeline
from stream.backlog import Backlog
from stream.collection import QuietCollector
from stream.config import Config, PipelineFile
from stream.dlq.letters import DeadLetterTopic
from stream.dlq.oldest import OldestDeadLetter
from stream.failpoints import failpoint
from stream.failures.dead_letter import DeadLetters
from stream.failures.limit import DeadLetterLimit
from stream.failures.policy import Policies, Policy, Tier
from stream.failures.retry import FailureRouter
from stream.health import STALE_AFTER_S, Health, Server, State, pages
from stream.kafka.choice import choose_transport
from stream.kafka.connection import Connection
from stream.kafka.permissions import Permissions
from stream.kafka.refusal import Refusals
from stream.kafka.remaining import remaining
from stream.kafka.session import Session
from stream.kafka.settings import ClientSettings, Slot
from stream.logs import configure, logger
from stream.metrics import Metrics, ModelName
from stream.pipeline import Pipeline
from stream.quarantine.trial import ChildProcess, Trial
from stream.quarantine.watch import Quarantine
from stream.reporter import Reporter
from stream.stages.retry import Retry
from stream.summary import Summary
from stream.watchdog import Watchdog
from stream.worker import Worker


def client_settings(config: Config, slot: int) -> ClientSettings:
    """What the clients of this worker are made from."""
    file, where = config.file, config.environment
    return ClientSettings(
        slot=Slot(file.name, where.instance, slot),
        topics=file.input.topics,
        tiers=frozenset(tier.topic for tier in file.retry_tiers),
        user=where.kafka_properties(),
        group_protocol=file.group.protocol,
        transaction_timeout_s=file.transaction.timeout_s,
        start=file.input.start,
        batch_events=file.batch.events,
        batch_bytes=file.batch.bytes,
        batch_wait_s=file.batch.wait_s,
    )


def with_transport(settings: ClientSettings, name: str, metrics: Metrics) -> ClientSettings:
    """The same clients on the transport that is asked for; they tell the metrics of themselves."""
    return replace(settings, transport=choose_transport(name, metrics.statistics))


def retry_policies(file: PipelineFile) -> Policies:
    """What the pipeline file says of events that may pass later, by stage."""

    def policy(retry: Retry) -> Policy:
        tiers = [Tier(file.tier_topic(delay_s), delay_s) for delay_s in retry.delays_s]
        return Policy(tiers, retry.max_elapsed_s, hold=retry.on_exhausted == "hold")

    by_stage = {name: policy(retry) for name, retry in file.retry_policies.items()}
    return Policies(policy(file.failures.retry), by_stage)


def watch_calls(pipeline: Pipeline, metrics: Metrics) -> None:
    """Stages that call services tell the metrics of it."""
    for stage in pipeline.stages:
        if (watched := getattr(stage, "watched", None)) is not None:
            watched(metrics.http_calls(stage.name))


def longest_batch_s(pipeline: Pipeline) -> float:
    """What the stages that wait for others may take for one batch: as long as that the loop is not stuck."""
    return sum(getattr(stage, "budget_s", 0.0) for stage in pipeline.stages)


class Service:
    """A context: entering it loads and checks everything and opens the health pages, leaving it closes them.

    Entering raises ConfigurationError, or UnreachableError when Kafka does not answer.
    """

    def __init__(self, path: Path, environ: Mapping[str, str], slot: int = 0) -> None:
        self._path, self._environ, self._slot = path, environ, slot
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._health.set_state(State.FAILED, str(error))
            self._metrics.state(State.FAILED)
        self._open.close()

    def run(self, *, until_caught_up: bool = False) -> Summary:
        with QuietCollector() as collector:
            self._worker.between_batches = collector.between_batches
            return self._worker.run(until_caught_up=until_caught_up)

    def stop(self) -> None:
        self._worker.stop()

    def _start(self, stack: ExitStack) -> None:
        config, pipeline = open_pipeline(self._path, self._environ, first=self._announce)
        self._metrics = metrics = _metrics(config, pipeline)
        watch_calls(pipeline, metrics)
        settings = with_transport(client_settings(config, self._slot), config.environment.transport, metrics)
        self._health = Health(time.monotonic, STALE_AFTER_S + longest_batch_s(pipeline))
        stack.callback(pipeline.close)
        server = Server(config.environment.http_address, pages(self._health, metrics.exposition), time.monotonic)
        stack.callback(server.close)
        logger().info("started", health=f"http://{server.address}/", topics=list(settings.topics))
        # what is missing would otherwise be found out by the first transaction that needs it
        self._refusals = refusals = _refusals(config, self._path)
        refusals.permissions.require_topics(refusals.create)
        for output in pipeline.outputs:
            output.writer.register()
        self._worker = self._assemble(config, settings, pipeline, metrics, stack)
        backlog = _backlog(config, metrics)
        stack.callback(backlog.stop)
        backlog.start()

    def _announce(self, config: Config) -> None:
        """Log lines have their form before anything can be logged."""
        slot = Slot(config.file.name, config.environment.instance, self._slot)
        configure(config.environment.log_format, pipeline=config.file.name, worker=str(slot))
        config.environment.require_kafka()

    def _assemble(
        self, config: Config, settings: ClientSettings, pipeline: Pipeline, metrics: Metrics, stack: ExitStack
    ) -> Worker:
        fail = failpoint(config.environment.failpoint)
        session = Session(settings, failpoint=fail, client_error=metrics.kafka_error)
        watchdog = Watchdog(limit_s=settings.number("max.poll.interval.ms") / 1000)
        watchdog.start()
        stack.callback(watchdog.stop)
        file = config.file
        limit = file.failures.dead_letter.limit
        source = session.source
        return Worker(
            pipeline=pipeline,
            session=session,
            router=FailureRouter(
                DeadLetters(file.dead_letter_topic, file.name, pipeline.max_event_bytes),
                retry_policies(file),
                strict=file.failures.order == "strict",
            ),
            limit=DeadLetterLimit(limit.ratio, limit.window, limit.consecutive),
            observer=Reporter(
                metrics,
                self._health,
                watchdog,
                source.assignment,
                source.lag,
                due=lambda: source.waiting.until,
                tiers=settings.tiers,
            ),
            failpoint=fail,
            refusals=self._refusals,
            quarantine=self._quarantine(config, session, watchdog.limit_s),
        )

    def _quarantine(self, config: Config, session: Session, limit_s: float) -> Quarantine | None:
        crashes = config.file.failures.quarantine.crashes
        trial = Trial(ChildProcess.starter(self._path, self._environ), limit_s)
        return Quarantine(session, trial.hold, crashes, config.file.batch.events) if crashes else None


def _metrics(config: Config, pipeline: Pipeline) -> Metrics:
    models = {
        stage.name: ModelName(
            stage.model_name,
            str(stage.model_version),
            getattr(stage, "model_digest", ""),
            getattr(stage, "model_load_s", 0.0),
        )
        for stage in pipeline.stages
        if hasattr(stage, "model_name") and hasattr(stage, "model_version")
    }
    outputs = [output.topic for output in config.file.outputs]
    topics, most = config.file.input.topics, config.file.batch.bytes
    return Metrics(config.file.name, topics=topics, outputs=outputs, models=models, batch_bytes=most)


def _refusals(config: Config, path: Path) -> Refusals:
    permissions = Permissions(Connection(config.environment.kafka_properties()), config.file)
    return Refusals(permissions, f"stream topics {path} --apply")


def _backlog(config: Config, metrics: Metrics) -> Backlog:
    file, connection = config.file, Connection(config.environment.kafka_properties())
    tiers = [tier.topic for tier in file.retry_tiers]
    oldest = OldestDeadLetter(lambda: DeadLetterTopic.open(file, connection))
    return Backlog(metrics, file.dead_letter_topic, lambda: remaining(connection, file.name, tiers), oldest.failed_ms)
