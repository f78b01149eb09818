"""What a worker's clients are made from, where it follows from the pipeline file."""

from typing import Any

import pytest

from stream.kafka.settings import FEWEST_QUEUED, LEAST_QUEUED_KB, ClientSettings, Slot


def consumer(**given: Any) -> dict[str, Any]:
    return ClientSettings(Slot("p", "i"), ("t",), **given).consumer()


@pytest.mark.parametrize(
    ("limits", "events", "kilobytes"),
    [
        ({"batch_events": 10_000, "batch_bytes": 16 << 20}, 20_000, 32 << 10),
        ({"batch_events": 10, "batch_bytes": 1000}, FEWEST_QUEUED, LEAST_QUEUED_KB),
    ],
)
def test_the_client_fetches_two_batches_ahead(limits: dict[str, int], events: int, kilobytes: int) -> None:
    made = consumer(**limits)
    assert (made["queued.min.messages"], made["queued.max.messages.kbytes"]) == (events, kilobytes)


def test_a_user_may_say_how_much_is_fetched_ahead() -> None:
    assert consumer(user={"queued.min.messages": "7"})["queued.min.messages"] == "7"
