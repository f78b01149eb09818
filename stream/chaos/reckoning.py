"""The end of a run: everybody stops, everything is read once more, and what was found is put together."""

from __future__ import annotations

from collections import Counter
from typing import Final

from stream.chaos import check
from stream.chaos.events import Place
from stream.chaos.following import read_topic, still_there
from stream.chaos.injector import Injector
from stream.chaos.plan import Plan
from stream.chaos.project import INPUT
from stream.chaos.records import joined
from stream.chaos.rhythm import EVENTS
from stream.chaos.scene import DEAD, ENDS, HIGH, LOW, PASSING, WAITING
from stream.chaos.verdict import Counters, Progress, Seen
from stream.kafka.committed import committed_offsets

GROUP: Final = "chaos"


def reckon(plan: Plan, injector: Injector, progress: Progress, missed: int, seconds: float) -> Seen:
    """missed: faults that were not done; seconds: how long it took. Raises ProcessError when a topic cannot be read."""
    crew, follower = injector.crew, injector.follower
    last = [crew.leave(slot) for slot in list(crew.slots)]
    codes = [crew.left(worker) for worker in last]
    follower.stop()
    connection = follower.connection
    source = read_topic(connection, INPUT)
    fresh = {topic: read_topic(connection, topic, scored=topic in (HIGH, LOW)) for topic in ENDS}
    tiers = {topic: read_topic(connection, topic) for topic in PASSING}
    left = [
        still_there(records, committed_offsets(connection, GROUP, topic))
        for topic, records in (*tiers.items(), (WAITING, fresh[WAITING]))
    ]
    found = {place: fresh[topic] for topic, place in ENDS.items()} | {Place.WAITING: joined(left)}
    told: Counter[str] = Counter()
    for worker in crew.everybody():
        told.update(worker.told)
    return Seen(
        findings=check.check(source, found),
        readers_agree=all(check.same(fresh[topic], follower.records(topic)) for topic in ENDS),
        acknowledged=injector.load.sent - injector.load.failed,
        failed_to_send=injector.load.failed,
        progress=progress,
        planned=len(plan.schedule),
        missed=missed,
        done=dict(injector.done),
        failpoints=dict(injector.failpoints),
        wounds=tuple(follower.pulse.wounds),
        longest_silence_s=follower.pulse.longest_silence_s,
        longest_healthy_silence_s=follower.pulse.longest_healthy_silence_s,
        counters=Counters(
            told_outputs=told["output"],
            found_outputs=len(fresh[HIGH]) + len(fresh[LOW]),
            told_failed=told["failed"],
            found_failed=len(fresh[DEAD]) + len(fresh[WAITING]) + sum(map(len, tiers.values())),
            interrupted=sum(w.recoveries for w in crew.everybody()) + crew.starts - len(last),
            pages=sum(w.metrics.get("output", 0) for w in last),
            logs=sum(w.told["output"] for w in last),
            batch_events=EVENTS[plan.load],
        ),
        ended=tuple(crew.ended),
        exit_codes=tuple(codes),
        wrong=tuple(injector.wrong),
        refusals=injector.refusals,
        new_consumers=sum(w.new_consumers for w in crew.everybody()),
        died_of_full_disk=injector.brokers.died_of_full_disk,
        held=injector.network.held if injector.network else 0,
        starts=crew.starts,
        recoveries=sum(w.recoveries for w in crew.everybody()),
        memories=tuple(w.memory() for w in crew.everybody()),
        seconds=seconds,
    )
