"""The planted bugs: which rule each one breaks, where, how, and which harm an independent reader must then find.

This table is data: `launch.py` plants a bug in a worker process, `scenarios.py` says what the worker goes
through, `docs/generate.py` writes the table of docs/reliability.md.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


class Harm(enum.StrEnum):
    """What a reader of the topics, the offsets and the log can see of a broken rule."""

    LOST = "events lost"
    DOUBLED = "events doubled"
    LETTERS = "dead letters outside of their transaction"
    UNEXPECTED = "aborted input processed"
    STUCK = "no progress"
    ENDED = "the worker ends"
    FENCED = "workers fence each other"
    MISCOUNTED = "counts differ from what is there"
    KEYS = "keys lost"
    EARLY = "tried before it is due"
    OVER_LIMIT = "dead letters over the limit"
    SILENT = "a gap in the input passed over in silence"


@dataclass(frozen=True, slots=True)
class Bug:
    """One rule taken out.

    where: the definition that is replaced, as `path.py:Class.method` or `path.py:function`.
    client: the class of the client library that is replaced instead, where the rule is a call of it.
    harm: what the scenario must find; None: nothing, because of `second`, another rule that holds alone.
    quick: in the part of the planted bugs that `make test` runs.
    also: other tests, below tests/, that were seen to fail with it (everywhere.py); only plausible ones were tried.
    """

    name: str
    rule: str
    where: str
    what: str
    scenario: str
    harm: Harm | None
    second: str = ""
    client: str = ""
    quick: bool = False
    also: Sequence[str] = ()

    @property
    def target(self) -> tuple[str, str]:
        """(module, dotted name) of what is replaced."""
        if self.client:
            return "confluent_kafka", self.client
        path, _, name = self.where.partition(":")
        return path.removesuffix(".py").replace("/", "."), name


SESSION: Final = "stream/kafka/session.py:Session."
BUGS: Final[Sequence[Bug]] = (
    Bug(
        "guard-off",
        "R1",
        "stream/kafka/guard.py:LateRequestGuard.call",
        "a call that returned is believed, however long it took and whatever the client's log says",
        "late request",
        Harm.DOUBLED,
        also=("unit/kafka/test_guard.py::test_a_slow_call_may_have_been_sent_twice_although_it_returned",),
    ),
    Bug(
        "offset-without-plus-one",
        "the committed offset is the next one to read",
        "stream/kafka/gather.py:next_offsets",
        "the highest offset is committed, without + 1",
        "restart",
        Harm.DOUBLED,
        quick=True,
        also=(
            "acceptance/test_exactly_once.py::test_a_death_at_any_step_loses_nothing_and_doubles_nothing",
            "unit/kafka/test_assignment.py::test_the_next_offset_is_the_highest_of_each_partition_plus_one",
        ),
    ),
    Bug(
        "offset-plus-two",
        "the committed offset is the next one to read",
        "stream/kafka/gather.py:next_offsets",
        "the highest offset + 2 is committed",
        "fenced inside a transaction",
        Harm.LOST,
        also=("unit/kafka/test_assignment.py::test_the_next_offset_is_the_highest_of_each_partition_plus_one",),
    ),
    Bug(
        "full-queue-drops",
        "n events in are n accounted for",
        "stream/kafka/sink.py:Sink.produce_rows",
        "an event for which the client's queue has no room is passed over",
        "restart",
        Harm.LOST,
        client="Producer",
    ),
    Bug(
        "key-dropped",
        "an output has the key of its event",
        "stream/kafka/sink.py:Sink.produce_rows",
        "outputs are produced without key",
        "restart",
        Harm.KEYS,
        also=("unit/kafka/test_sink.py::test_events_without_headers_go_in_one_call",),
    ),
    Bug(
        "flush-skipped",
        "flush comes before the offsets are sent",
        "stream/kafka/sink.py:Sink.flush",
        "nothing waits until the outputs are acknowledged",
        "restart",
        None,
        second="the client's `commit_transaction` flushes by itself; our flush only keeps the guarded calls quick",
    ),
    Bug(
        "dead-letters-outside",
        "dead letters are in the transaction of their batch",
        "stream/kafka/sink.py:Sink.produce_records",
        "dead letters are produced by a producer of their own",
        "killed before the commit",
        Harm.LETTERS,
        quick=True,
        also=("acceptance/test_exactly_once.py::test_a_death_at_any_step_loses_nothing_and_doubles_nothing",),
    ),
    Bug(
        "random-transactional-id",
        "R9",
        "stream/kafka/settings.py:ClientSettings.producer",
        "each process has a transactional id of its own",
        "killed before the commit",
        Harm.STUCK,
        also=("acceptance/test_exactly_once.py::test_a_death_at_any_step_loses_nothing_and_doubles_nothing",),
    ),
    Bug(
        "auto-commit",
        "R11",
        "stream/kafka/settings.py:ClientSettings.consumer",
        "the consumer commits what it has delivered (`enable.auto.commit`)",
        "killed before the commit",
        Harm.LOST,
        also=("unit/test_lessons.py::test_dbos_733_the_client_neither_stores_nor_commits_offsets_by_itself",),
    ),
    Bug(
        "offsets-by-the-consumer",
        "offsets are committed in the transaction of the outputs",
        SESSION + "_transact",
        "the consumer commits them after the transaction",
        "killed after the commit",
        Harm.DOUBLED,
        also=("acceptance/test_exactly_once.py::test_a_death_at_any_step_loses_nothing_and_doubles_nothing",),
    ),
    Bug(
        "commit-before-flush",
        "offsets are committed in the transaction of the outputs",
        SESSION + "_transact",
        "they are committed before the outputs are written and flushed",
        "killed after the commit",
        Harm.LOST,
        quick=True,
        also=("acceptance/test_exactly_once.py::test_a_death_at_any_step_loses_nothing_and_doubles_nothing",),
    ),
    Bug(
        "offsets-of-the-batch-ahead",
        "offsets are taken with their batch",
        SESSION + "_transact",
        "the positions at the time of the commit are sent, when the next batch is in hand already",
        "killed after the commit",
        Harm.LOST,
        also=("acceptance/test_exactly_once.py::test_a_death_at_any_step_loses_nothing_and_doubles_nothing",),
    ),
    Bug(
        "no-seek-after-recovery",
        "R5",
        "stream/kafka/source.py:Source.rewind",
        "after a failed transaction it reads on from where it is",
        "fenced inside a transaction",
        Harm.LOST,
        quick=True,
        also=(
            "acceptance/test_exactly_once.py::test_a_commit_whose_answer_is_lost_is_settled_by_the_committed_offsets",
        ),
    ),
    Bug(
        "rewind-to-the-start",
        "R5",
        "stream/kafka/source.py:Source.rewind",
        "after a failed transaction it reads from the configured start",
        "fenced inside a transaction",
        Harm.DOUBLED,
        also=(
            "acceptance/test_exactly_once.py::test_a_commit_whose_answer_is_lost_is_settled_by_the_committed_offsets",
        ),
    ),
    Bug(
        "same-producer-after-trouble",
        "R1, R2",
        SESSION + "recover",
        "after a failed transaction it aborts and goes on with the same producer",
        "fenced inside a transaction",
        Harm.ENDED,
        also=("unit/kafka/test_session.py::test_offsets_of_a_transaction_that_was_not_made_are_told",),
    ),
    Bug(
        "fence-ends-the-process",
        "R4",
        SESSION + "_counting_fences",
        "the first fence ends the process, although a coordinator that timed the transaction out looks the same",
        "fenced inside a transaction",
        Harm.ENDED,
        also=("unit/kafka/test_session.py::test_fences_that_are_rare_are_all_survived",),
    ),
    Bug(
        "failed-commit-swallowed",
        "R2",
        "stream/kafka/guard.py:LateRequestGuard.call",
        "what a call of the producer raises is ignored",
        "fenced inside a transaction",
        Harm.MISCOUNTED,
        also=("unit/kafka/test_guard.py::test_a_call_that_raises_is_a_failed_attempt_with_its_cause",),
    ),
    Bug(
        "counted-before-commit",
        "only what was committed is counted",
        "stream/worker.py:Worker._send",
        "a batch is counted when its commit begins",
        "fenced inside a transaction",
        Harm.MISCOUNTED,
        also=("unit/test_worker.py::test_a_failed_transaction_is_made_again_from_the_committed_offsets",),
    ),
    Bug(
        "batch-sent-again",
        "R3",
        SESSION + "_transact",
        "a commit that was not answered is made again by a new producer, without asking",
        "answer lost",
        Harm.DOUBLED,
    ),
    Bug(
        "never-settled",
        "R3",
        "stream/worker.py:Worker._settle",
        "a commit that was not answered is taken for not made",
        "answer lost",
        Harm.MISCOUNTED,
        also=("unit/test_worker.py::test_a_commit_whose_answer_was_lost_is_counted_once_and_not_made_again",),
    ),
    Bug(
        "assigned-not-subscribed",
        "R6",
        "stream/kafka/source.py:Source",
        "`assign` to all partitions instead of `subscribe`",
        "two workers",
        Harm.DOUBLED,
        client="Consumer",
        also=("acceptance/test_groups.py::test_a_third_joins_one_leaves_and_one_is_killed",),
    ),
    Bug(
        "one-name-for-all",
        "R9",
        "stream/kafka/settings.py:Slot.__str__",
        "all workers have the same static member id and transactional id",
        "two workers",
        Harm.FENCED,
        also=(
            "acceptance/test_worker_process.py::test_a_stopped_worker_finishes_leaves_and_another_has_its_partitions_at_once",
        ),
    ),
    Bug(
        "no-group-metadata",
        "R6",
        "stream/kafka/source.py:Source.group_metadata",
        "offsets are sent with the name of the group alone",
        "zombie",
        Harm.DOUBLED,
        also=("chaos/test_zombies.py::test_zombies_commit_nothing_stale",),
    ),
    Bug(
        "refused-commit-repeated",
        "R2, R6",
        "stream/worker.py:Worker._recover",
        "a batch whose commit was refused is committed again with the member's new metadata",
        "zombie",
        Harm.DOUBLED,
        also=("unit/test_worker.py::test_a_failed_transaction_is_made_again_from_the_committed_offsets",),
    ),
    Bug(
        "revoked-events-kept",
        "a batch holds events of owned partitions only",
        "stream/kafka/assignment.py:Assignment.keep_owned",
        "what was read of a partition before it was revoked stays in the batch in hand",
        "rebalance while a batch fills",
        Harm.DOUBLED,
        also=("unit/kafka/test_assignment.py::test_what_was_revoked_while_a_batch_fills_is_dropped_from_it",),
    ),
    Bug(
        "quiet-revoke-missed",
        "a batch holds events of owned partitions only",
        "stream/kafka/intake.py:MessageIntake._keep",
        "they are dropped only when a call of the client brings more events, not by one that serves the revoke alone",
        "rebalance when a batch has its last event",
        Harm.DOUBLED,
        also=("unit/kafka/test_intake.py::test_nothing_is_left_of_a_batch_whose_only_partition_was_revoked[python]",),
    ),
    Bug(
        "rebalance-commits",
        "no rebalance callback commits",
        "stream/kafka/assignment.py:Assignment.on_revoke",
        "the positions of revoked partitions are committed by the callback",
        "rebalance while a batch fills",
        Harm.LOST,
        also=("unit/kafka/test_assignment.py::test_what_was_revoked_while_a_batch_fills_is_dropped_from_it",),
    ),
    Bug(
        "revoke-does-not-wait",
        "R7",
        "stream/kafka/assignment.py:Assignment.on_revoke",
        "partitions are given back while a transaction holds their offsets",
        "rebalance while a batch fills",
        None,
        second="the generation in the group metadata (R6): a late commit is refused, its work was for nothing",
    ),
    Bug(
        "start-not-committed",
        "the start position is committed before anything is read",
        SESSION + "poll",
        "it begins to read at the start position without committing it",
        "killed before its first event",
        Harm.LOST,
        also=("acceptance/test_exactly_once.py::test_the_start_position_is_committed_before_anything_is_read",),
    ),
    Bug(
        "timeouts-in-any-order",
        "R8",
        "stream/config/rules.py:_timeouts",
        "a transaction may stay open for longer than the group waits for its worker",
        "timeouts in the wrong order",
        Harm.STUCK,
        also=("unit/config/test_rules.py::test_a_transaction_ends_before_the_session_of_its_worker",),
    ),
    Bug(
        "watchdog-off",
        "R10",
        "stream/watchdog.py:Watchdog.look",
        "nobody outside of the loop ends the process",
        "a call that never returns",
        Harm.STUCK,
        also=("unit/test_watchdog.py::test_a_loop_that_stands_still_for_longer_is_ended",),
    ),
    Bug(
        "acks-of-the-leader-alone",
        "R11",
        "stream/kafka/settings.py:ClientSettings.producer",
        "`acks=1`: the leader's copy of an output is enough",
        "restart",
        Harm.ENDED,
        also=("unit/kafka/test_settings.py::test_an_output_is_acknowledged_by_all_replicas_in_sync",),
    ),
    Bug(
        "read-uncommitted",
        "R11",
        "stream/kafka/settings.py:ClientSettings.consumer",
        "`isolation.level=read_uncommitted`",
        "input with aborted transactions",
        Harm.UNEXPECTED,
        also=("unit/kafka/test_settings.py::test_only_what_is_committed_and_whole_is_read",),
    ),
    Bug(
        "reset-to-earliest",
        "R11",
        "stream/kafka/settings.py:ClientSettings.consumer",
        "`auto.offset.reset=earliest`",
        "input deleted before it is read",
        Harm.SILENT,
        also=(
            "acceptance/test_exactly_once.py::test_input_that_is_deleted_before_it_is_read_ends_the_worker_with_the_gap",
        ),
    ),
    Bug(
        "retried-early",
        "a retry is never made before it is due",
        "stream/kafka/waiting.py:Waiting.split",
        "events of retry tiers are processed as they are read",
        "retries",
        Harm.EARLY,
        also=("acceptance/test_retry.py::test_an_event_goes_through_the_tiers_never_early_and_ends_once",),
    ),
    Bug(
        "attempts-not-counted",
        "an event is tried as often as the policy says, then it is a dead letter",
        "stream/failures/headers.py:stage_attempts",
        "the header with the attempts is not increased",
        "retries",
        Harm.STUCK,
        also=("acceptance/test_retry.py::test_an_event_goes_through_the_tiers_never_early_and_ends_once",),
    ),
    Bug(
        "early-not-put-back",
        "what is read before it is due is read again",
        "stream/kafka/source.py:Source._stand_at",
        "the partition is paused, without going back to the event that is not due",
        "retries",
        Harm.STUCK,
    ),
    Bug(
        "held-offset-passed",
        "a held partition is committed up to the event that holds it",
        "stream/failures/strict.py:_next_offsets",
        "the offsets of the whole batch are committed",
        "killed while an event holds its partition",
        Harm.LOST,
        also=("unit/failures/test_strict.py::test_a_partition_whose_first_event_fails_commits_nothing",),
    ),
    Bug(
        "limit-not-judged",
        "the dead-letter limit is judged before the commit",
        "stream/failures/limit.py:DeadLetterLimit.check",
        "a batch over the limit is committed",
        "a flood of poison",
        Harm.OVER_LIMIT,
        also=("unit/failures/test_limit.py::test_the_ratio_is_judged_over_the_window_once_it_is_full",),
    ),
    Bug(
        "halves-overlap",
        "each event of a halved batch is in one half",
        "stream/pipeline.py:apply",
        "the second half begins one event too early and ends one too early",
        "a stage that raises",
        Harm.DOUBLED,
        quick=True,
        also=("unit/test_pipeline.py::test_a_stage_that_raises_for_an_event_is_halved_until_the_event_is_found",),
    ),
    Bug(
        "stage-drops-an-event",
        "n events in are n accounted for",
        "stream/stages/call.py:Call.apply",
        "a stage answers for one event less than it was given",
        "a stage that raises",
        Harm.ENDED,
        also=("unit/stages/test_call.py::test_the_declared_columns_are_added",),
    ),
    Bug(
        "filtered-without-offset",
        "a batch of which nothing is left is committed too",
        "stream/worker.py:Worker._send",
        "there is no transaction where there is nothing to write",
        "everything filtered",
        Harm.STUCK,
        also=("unit/test_worker.py::test_a_batch_of_which_nothing_is_left_is_committed_too",),
    ),
)
BY_NAME: Final = {bug.name: bug for bug in BUGS}


def planted_table() -> str:
    """The bugs as a table in Markdown."""
    lines = ["| Bug | Rule | Planted in | Scenario | Found as |", "|---|---|---|---|---|"]
    for bug in BUGS:
        found = str(bug.harm) if bug.harm else f"nothing: {bug.second}"
        lines.append(f"| {bug.what} (`{bug.name}`) | {bug.rule} | `{bug.where}` | {bug.scenario} | {found} |")
    return "\n".join(lines) + "\n"


def failing_table() -> str:
    """Tests of acceptance and chaos that fail under a bug, as a table in Markdown."""
    lines = ["| Bug | Fails in `tests/` |", "|---|---|"]
    lines += [f"| `{bug.name}` | {', '.join(f'`{test}`' for test in bug.also)} |" for bug in BUGS if bug.also]
    return "\n".join(lines) + "\n"
