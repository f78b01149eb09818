"""Replay and discard against topics in memory whose transactions fail as Kafka's do."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from stream.batch import Messages, Record
from stream.dlq.columns import Filter, Letters
from stream.dlq.resolved import Action, Book, Owner, resolution_key
from stream.dlq.restoring import Input, Restorer
from stream.dlq.work import Order, Work, preview
from stream.errors import ConfigurationError, FatalError, TransactionError
from stream.kafka.snapshot import Span

RESOLVED = "p.dlq.resolved"
LOST, UNKNOWN, FENCED, KILLED = "lost", "unknown", "fenced", "killed"


class Killed(BaseException):
    """The process is no more."""


@dataclass
class Kafka:
    """One dead-letter topic of one partition, the input and the book. fates: of the next transactions."""

    dead: int = 20
    fates: list[str] = field(default_factory=list)
    input: list[Record] = field(default_factory=list)
    book_records: list[Record] = field(default_factory=list)
    transactions: list[int] = field(default_factory=list)
    epoch: int = 0
    now_s: float = 0.0
    id: str = "topic/id"
    resolved: str = RESOLVED

    def spans(self) -> dict[int, Span]:
        return {0: Span(0, self.dead)}

    def book(self) -> Book:
        book = Book(self.id)
        for record in self.book_records:
            book.note(Messages.of([record.value], [record.key]))
        return book

    def unresolved(self, spans: Mapping[int, Span], book: Book) -> Iterable[Letters]:
        offsets = [o for o in range(*spans[0]) if (0, o) not in book]
        for start in range(0, len(offsets), 7):
            for offset in offsets[start : start + 7]:
                yield letter(offset)


def letter(offset: int) -> Letters:
    origin = {"topic": b"in", "partition": b"0", "offset": b"%d" % offset}
    headers = [("__streams.errors." + name, held) for name, held in origin.items()]
    headers += [("stream.reason", b"even" if offset % 2 == 0 else b"odd"), ("stream.failed", b"1000")]
    messages = Messages.of([b"%d" % offset], topic="p.dlq", first_offset=offset)
    return Letters.of(replace(messages, headers=[headers]))


@dataclass
class Writer:
    """A producer of one transactional id."""

    kafka: Kafka
    epoch: int = -1
    broken: bool = False

    def open(self) -> None:
        self.kafka.epoch += 1
        self.epoch, self.broken = self.kafka.epoch, False

    def write(self, records: list[Record]) -> None:
        assert not self.broken, "never used again after trouble"
        fate = self.kafka.fates.pop(0) if self.kafka.fates else ""
        if self.epoch != self.kafka.epoch or fate == FENCED:
            self.broken = True
            raise TransactionError("fenced", "fenced")
        if fate in ("", UNKNOWN):
            self.kafka.input += [r for r in records if r.topic == "in"]
            self.kafka.book_records += [r for r in records if r.topic == RESOLVED]
            self.kafka.transactions.append(len(records))
        if fate == KILLED:
            raise Killed
        if fate:
            self.broken = True
            raise TransactionError(fate)

    def close(self) -> None:
        self.broken = True


def order(where: str | None = None, **settings: object) -> Order:
    restore = Restorer("p", {"in": Input(1, 1000)}).restore
    chosen = Filter.parse(where, everything=where is None)
    return Order(
        **{"action": Action.REPLAYED, "name": "n", "filter": chosen, "decide": restore, "by": "ann", **settings}
    )  # type: ignore[arg-type]


def work(kafka: Kafka, what: Order | None = None, me: str = "me", clock: object = None, sleep: object = None) -> Work:
    kafka.now_s += 1
    started = kafka.now_s
    times = {"clock": clock or (lambda: 1.0), "sleep": sleep or (lambda _s: None), "wall_clock": lambda: started}
    return Work(kafka, Writer(kafka), what or order(), Owner(me, f"{me}@host", 1), **times)  # type: ignore[arg-type]


def values(kafka: Kafka) -> list[int]:
    return [int(record.value or b"-1") for record in kafka.input]


def test_everything_is_sent_in_order_and_resolved() -> None:
    kafka = Kafka()
    tally = work(kafka).run()
    assert (tally.total, values(kafka)) == (20, list(range(20)))
    assert len(kafka.book()) == 20
    (run,) = kafka.book().runs.values()
    assert (run.done, run.by, kafka.book().moved[run.key]) == (True, "ann", 20)
    assert work(kafka).run().total == 0, "and not again"


def test_a_dry_run_counts_and_writes_nothing() -> None:
    kafka = Kafka()
    found = preview(kafka, order("reason = 'odd'"), 5000)
    assert (found.tally.total, found.resumes) == (10, None)
    assert found.tally.moved == Counter({("odd", "in"): 10})
    assert not kafka.transactions


def test_nothing_to_do_leaves_no_trace_but_the_claim() -> None:
    kafka = Kafka()
    assert work(kafka, order("reason = 'none'")).run().total == 0
    assert [r.key for r in kafka.book_records] == [b"owner"]


@pytest.mark.parametrize("fate", [LOST, UNKNOWN, FENCED])
@pytest.mark.parametrize("at", range(5))
def test_a_transaction_that_fails_is_made_again_unless_it_was_made_after_all(fate: str, at: int) -> None:
    kafka = Kafka(fates=[""] * at + [fate])
    work(kafka, order(rate=10.0)).run()  # batches of 5
    assert values(kafka) == list(range(20))


def test_transactions_that_keep_failing_end_the_run_and_it_is_told_how_far_it_came() -> None:
    kafka = Kafka(fates=["", "", *[LOST] * 5])
    with pytest.raises(FatalError, match=r"5 transactions in a row failed.*5 were resolved before; the same command"):
        work(kafka, order(rate=10.0)).run()
    assert values(kafka) == list(range(5))


def test_whoever_claims_later_goes_on_alone() -> None:
    kafka = Kafka()
    first = work(kafka, order(rate=10.0), me="first")
    calls = []

    def sleep(_seconds: float) -> None:
        calls.append(1)
        if len(calls) == 2:  # before the second batch of the first
            work(kafka, order(name="other"), me="second").run()

    first.sleep = sleep
    with pytest.raises(FatalError, match="begun by second@host; 5 were resolved before"):
        first.run()
    assert values(kafka) == list(range(20))
    assert kafka.epoch == 2, "whoever gives way does not fence the other first"


def test_one_that_claims_while_another_opens_anew_has_it_give_way() -> None:
    kafka = Kafka(fates=["", "", LOST])
    first = work(kafka, order(rate=10.0), me="first")
    opened, calls = first.writer.open, []

    def late() -> None:
        calls.append(1)
        if len(calls) == 2:  # after the first has asked who the owner is
            work(kafka, order(name="other"), me="second").run()
        opened()

    first.writer.open = late  # type: ignore[method-assign]
    with pytest.raises(FatalError, match="begun by second@host"):
        first.run()
    assert values(kafka) == list(range(20))


@pytest.mark.parametrize("seed", range(60))
def test_kills_and_lost_answers_at_any_moment_lose_and_double_nothing(seed: int) -> None:
    chance = random.Random(seed)
    kafka = Kafka(dead=chance.randint(1, 40))
    where = chance.choice([None, "reason = 'even'"])
    for _ in range(200):
        kafka.fates = [chance.choice(["", "", "", LOST, UNKNOWN, FENCED, KILLED]) for _ in range(4)]
        try:
            work(kafka, order(where, rate=chance.choice([2.0, 10.0, 0.0])), me=str(chance.random())).run()
        except (Killed, FatalError):
            continue
        break
    kafka.fates = []
    assert values(kafka) == [o for o in range(kafka.dead) if where is None or o % 2 == 0]
    assert not work(kafka, order(where)).run().total


def test_a_run_does_not_meet_what_it_has_caused_itself() -> None:
    kafka = Kafka(dead=10, fates=["", "", KILLED])
    with pytest.raises(Killed):
        work(kafka, order(rate=10.0)).run()
    kafka.dead = 15  # what was sent again has failed again
    assert work(kafka, order(rate=10.0)).run().total == 5
    assert values(kafka) == list(range(10))
    assert work(kafka).run().total == 5, "the next run takes them"


def test_a_limit_holds_over_an_interruption_and_a_finished_run_begins_anew() -> None:
    kafka = Kafka(fates=["", "", KILLED])
    with pytest.raises(Killed):
        work(kafka, order(rate=10.0, limit=8)).run()
    assert preview(kafka, order(limit=8), 9000).resumes == 5
    assert work(kafka, order(limit=8)).run().total == 3
    assert work(kafka, order(limit=8)).run().total == 8
    assert values(kafka) == list(range(16))


def test_the_name_of_an_unfinished_run_is_for_the_same_dead_letters() -> None:
    kafka = Kafka(fates=["", "", KILLED])
    with pytest.raises(Killed):
        work(kafka, order("reason = 'odd'", rate=4.0)).run()
    with pytest.raises(ConfigurationError, match="n is an unfinished run by ann with --where \"reason = 'odd'\""):
        work(kafka, order("reason = 'even'")).run()
    with pytest.raises(ConfigurationError, match="unfinished run"):
        preview(kafka, order(), 1)


def test_ages_are_those_at_the_start_of_the_run_also_when_it_goes_on_later() -> None:
    kafka = Kafka(fates=["", "", KILLED])
    young = order("age_s < 10", rate=10.0)
    with pytest.raises(Killed):
        work(kafka, young).run()
    late = work(kafka, young)
    late.wall_clock = lambda: 1e9
    assert late.run().total == 15


def test_what_stays_is_counted_with_its_reason_and_not_resolved() -> None:
    kafka = Kafka()
    restore = Restorer("p", {"other": Input(1, 1000)}).restore
    tally = work(kafka, order(decide=restore, limit=1)).run()
    assert tally.total == 0
    assert set(tally.stays) == {
        ("even", "it was read from a topic that is no input of this pipeline"),
        ("odd", "it was read from a topic that is no input of this pipeline"),
    }
    assert len(kafka.book()) == 0


def test_what_is_discarded_goes_nowhere_and_is_resolved() -> None:
    kafka = Kafka()
    what = order("reason = 'odd'", action=Action.DISCARDED, decide=lambda _l, _r: None, why="test data")
    assert work(kafka, what).run().moved == Counter({("odd", ""): 10})
    assert not kafka.input
    (run,) = kafka.book().runs.values()
    assert (run.action, run.why, run.where) == (Action.DISCARDED, "test data", "reason = 'odd'")
    assert work(kafka).run().total == 10


def test_a_rate_is_kept_outside_of_transactions() -> None:
    kafka, now, slept = Kafka(), [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    work(kafka, order(rate=4.0), clock=lambda: now[0], sleep=sleep).run()
    assert now[0] == pytest.approx(105.0)
    assert max(slept) == pytest.approx(0.5), "two events at a time"


def test_a_transaction_holds_a_bounded_number_of_events() -> None:
    kafka = Kafka(dead=1200)
    work(kafka).run()
    assert max(kafka.transactions) <= 2 * 500 + 1


class TestTheBook:
    def test_records_of_another_topic_id_count_for_nothing(self) -> None:
        book = Book("new")
        value = b'{"action":"replayed","by":"x","at":1,"name":"n","run":1}'
        keys = [resolution_key("old", 0, 1), resolution_key("new", 0, 2), b"new/0", b"new/a/b", b"", b"what/is/this"]
        book.note(Messages.of([value] * len(keys), keys))
        assert ((0, 1) in book, (0, 2) in book, len(book)) == (False, True, 1)

    @pytest.mark.parametrize("value", [None, b"", b"no json", b"[]", b"{}"])
    def test_what_is_no_record_of_ours_is_passed_over(self, value: bytes | None) -> None:
        book = Book("t")
        keys = [b"owner", b"run/replayed/n/5", b"run/x/n/5", b"run/replayed/n/soon", b"t/0/1"]
        book.note(Messages.of([value] * len(keys), keys))
        assert (book.owner, book.runs, len(book)) == (None, {}, 0)

    def test_a_later_record_of_the_same_dead_letter_does_not_count_twice(self) -> None:
        book = Book("t")
        value = b'{"action":"replayed","by":"x","at":7,"name":"n","run":1}'
        book.note(Messages.of([value, value], [resolution_key("t", 0, 1)] * 2))
        assert (len(book), sum(book.moved.values())) == (1, 1)
