"""Invented support tickets: the training data of this model, and the example's events.

    python models/ticket-triage/tickets.py > tests/data/tickets.jsonl

Deterministic, with the standard library only.
"""

from __future__ import annotations

import json
import random
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

CLASSES: Final = ("low", "normal", "urgent")
EMBEDDING: Final = 8
TIERS: Final = ("free", "team", "enterprise")
CHANNELS: Final = ("email", "chat", "phone")
SUBJECTS: Final = ("Cannot log in", "Invoice is wrong", "Export hangs", "Feature request", "Data looks lost")
FIRST: Final = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
EVENTS: Final = 200
FAULT_EVERY: Final = 40


def ticket(number: int, rng: random.Random) -> tuple[dict[str, Any], str]:
    """A sound ticket and how urgent it is. The first numbers of its embedding carry most of what it is about."""
    embedding = [round(rng.gauss(0, 1), 4) for _ in range(EMBEDDING)]
    tier = rng.choice(TIERS)
    amount, hours = round(rng.expovariate(1 / 400), 2), round(rng.expovariate(1 / 20), 1)
    heat = 1.2 * embedding[0] - 0.8 * embedding[1] + 0.5 * embedding[2] * embedding[3]
    heat += amount / 400 + hours / 30 + rng.gauss(0, 0.3)
    event = {
        "ticket_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "opened": (FIRST + timedelta(minutes=7 * number)).isoformat().replace("+00:00", "Z"),
        "customer": {"tier": tier, "age_days": rng.randrange(1, 3000), "country": rng.choice(["DE", "FR", "US", None])},
        "channel": rng.choice(CHANNELS),
        "subject": rng.choice(SUBJECTS),
        "embedding": embedding,
        "labels": {"product": rng.choice(["api", "web"]), "plan": tier},
        "hours_open": hours,
        "amount": f"{amount:.2f}",
    }
    return event, CLASSES[(heat > 0.8) + (heat > 2.6)]


def with_fault(event: dict[str, Any], number: int) -> dict[str, Any]:
    """Six of forty tickets have something: three for the suite, two for the model, one worth a warning only."""
    changes: dict[int, dict[str, Any]] = {
        3: {"channel": "fax"},
        9: {"subject": None},
        15: {"customer": {**event["customer"], "age_days": -1}},
        21: {"embedding": event["embedding"][:-1]},
        27: {"hours_open": None},
        33: {"subject": f"{'Again: ' * 20}{event['subject']}"},
    }
    return {**event, **changes.get(number % FAULT_EVERY, {})}


def events(count: int = EVENTS, seed: int = 7) -> Iterator[dict[str, Any]]:
    """The example's events, faults included."""
    rng = random.Random(seed)
    for number in range(count):
        yield with_fault(ticket(number, rng)[0], number)


def main() -> None:
    for event in events():
        sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
