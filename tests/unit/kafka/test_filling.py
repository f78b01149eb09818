"""How a batch is filled: full under a backlog, with naps under a light load, and never longer than it must."""

from dataclasses import dataclass, field

from stream.batch import Messages
from stream.kafka.filling import NAP_S, Filler
from stream.kafka.settings import ClientSettings, Slot


@dataclass
class Intake:
    """Events that are queued at some time, each of 10 bytes; the first was read by the poll."""

    queued: list[tuple[float, int]]
    now: float = 100.0
    events: int = 1
    asked: list[tuple[int, float]] = field(default_factory=list)
    naps: list[float] = field(default_factory=list)

    @property
    def size(self) -> int:
        return 10 * self.events

    def fetch(self, most: int, wait_s: float) -> bool:
        self.asked.append((most, wait_s))
        came, until = 0, self.now + wait_s
        while came < most and self.queued and self.queued[0][0] <= until:
            at, n = self.queued.pop(0)
            self.now = max(self.now, at)
            taken = min(n, most - came)
            came += taken
            if taken < n:
                self.queued.insert(0, (at, n - taken))
        if came < most:
            self.now = until
        self.events += came
        return came > 0

    def nap(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds

    def take(self) -> Messages:
        messages = Messages.of([b"x" * 10] * self.events)
        self.events = 1
        return messages


def filler(intake: Intake, **limits: float) -> Filler:
    settings = ClientSettings(Slot("p", "one"), ("t",), batch_events=1000, batch_wait_s=0.02, **limits)  # type: ignore[arg-type]
    return Filler(settings, lambda: intake.now, intake.nap)


def test_the_first_event_after_a_pause_waits_for_nothing() -> None:
    intake = Intake([(101.0, 5)])
    filler(intake).fill(intake)
    assert (intake.events, intake.now, intake.naps) == (1, 100.0, [])


def test_what_is_queued_goes_along() -> None:
    intake = Intake([(99.0, 5)])
    filler(intake).fill(intake)
    assert (intake.events, intake.naps) == (6, [])


def test_a_steady_load_is_gathered_until_the_wait_is_over_with_one_nap() -> None:
    intake = Intake([(100.0 + i / 1000, 5) for i in range(200)])
    filling = filler(intake)
    filling.fill(intake)
    intake.take()
    filling.fill(intake)
    assert len(intake.naps) == 1
    assert 0.019 < intake.now - 100.0 < 0.021
    assert intake.events > 90


def test_a_long_wait_is_slept_in_short_naps() -> None:
    """Rebalances are served when the client is asked."""
    intake = Intake([])
    filling = filler(intake)
    filling.wait.wait_s = 1.0
    filling.wait.closed(intake.now, full=False)
    filling.fill(intake)
    assert intake.now == 101.0
    assert max(intake.naps) == NAP_S


def test_a_full_batch_waits_for_nobody() -> None:
    intake = Intake([(99.0, 5000)])
    filling = filler(intake)
    filling.wait.closed(intake.now, full=False)
    filling.fill(intake)
    assert (intake.events, intake.now, intake.naps) == (1000, 100.0, [])


def test_under_a_backlog_what_is_still_fetched_is_waited_for_awake() -> None:
    intake = Intake([(99.0, 1500), (100.005, 5000)])
    filling = filler(intake)
    filling.fill(intake)
    intake.take()
    filling.fill(intake)
    assert intake.events == 1000
    assert intake.naps == []
    assert intake.now == 100.005


def test_bytes_close_a_batch_too() -> None:
    intake = Intake([(99.0, 5000)])
    filling = filler(intake, batch_bytes=500)
    filling.fill(intake)
    assert intake.events <= 50


def test_a_batch_that_took_too_long_makes_the_next_smaller() -> None:
    intake = Intake([(99.0, 5000)])
    filling = filler(intake)
    filling.fill(intake)
    filling.handed_out(intake.take())
    intake.now += 3.0
    filling.asked_again()
    filling.fill(intake)
    assert intake.events == 500


def test_a_pause_is_no_time_of_a_batch() -> None:
    intake = Intake([(99.0, 5000)])
    filling = filler(intake)
    filling.handed_out(Messages.of([b"x"] * 1000))
    filling.interrupted()
    intake.now += 30.0
    filling.asked_again()
    filling.fill(intake)
    assert intake.events == 1000


def test_the_mean_size_of_the_last_batch_judges_the_next() -> None:
    intake = Intake([(99.0, 5000)])
    filling = filler(intake, batch_bytes=10_000)
    filling.handed_out(Messages.of([b"x" * 1000] * 10))
    filling.fill(intake)
    assert intake.events <= 11


def test_naps_and_the_wait_for_a_first_event_are_rest() -> None:
    intake = Intake([(100.5, 5), (100.6, 5)], events=0)
    filling = filler(intake)
    filling.wait_for_first(intake, 2.0)
    assert (intake.events, round(filling.waited_s, 6)) == (1, 0.5)
    filling.wait.closed(intake.now, full=False)
    filling.fill(intake)
    assert round(filling.waited_s, 6) == 0.52
