"""A group goes when its last member's session is over; what may not be deleted stays without a word."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from stream.kafka.removal import TRIES, TRY_AGAIN_S, remove


def answer(code: int | None) -> Future[None]:
    future: Future[None] = Future()
    if code is None:
        future.set_result(None)
    else:
        future.set_exception(KafkaException(KafkaError(code)))
    return future


class Admin:
    """Answers the n-th deletion of the group with the n-th code, and then with the last one."""

    def __init__(self, *codes: int | None) -> None:
        self.codes, self.asked, self.topics = codes, 0, list[str]()

    def admin(self) -> Any:
        return self

    def delete_topics(self, topics: list[str], **_times: float) -> dict[str, Future[None]]:
        self.topics += topics
        return {topic: answer(KafkaError.UNKNOWN_TOPIC_OR_PART) for topic in topics}

    def delete_consumer_groups(self, groups: list[str], **_times: float) -> dict[str, Future[None]]:
        code = self.codes[min(self.asked, len(self.codes) - 1)]
        self.asked += 1
        return {group: answer(code) for group in groups}


@pytest.mark.parametrize(
    ("codes", "asked"),
    [
        ((None,), 1),
        ((KafkaError.NON_EMPTY_GROUP, KafkaError.NON_EMPTY_GROUP, None), 3),
        ((KafkaError.GROUP_ID_NOT_FOUND,), 1),
        ((KafkaError.GROUP_AUTHORIZATION_FAILED,), 1),
        ((KafkaError.NON_EMPTY_GROUP,), TRIES),
    ],
    ids=["at once", "when its members are gone", "not there", "not allowed", "never"],
)
def test_a_group_is_removed_when_it_has_no_member_left(codes: tuple[int | None, ...], asked: int) -> None:
    admin, slept = Admin(*codes), list[float]()
    remove(admin, ["a", "b"], "g", slept.append)  # type: ignore[arg-type]
    assert (admin.topics, admin.asked) == (["a", "b"], asked)
    assert set(slept) <= {TRY_AGAIN_S}


def test_it_waits_for_longer_than_a_session() -> None:
    assert TRIES * TRY_AGAIN_S > 15
