"""What a metric is: its name, kind, labels, and what it means to an operator."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Label:
    """Its values are a closed set, or names from `source`."""

    name: str
    values: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """meaning is for the operator who sees the number; buckets are upper bounds in the unit of the name."""

    name: str
    kind: Kind
    labels: tuple[Label, ...]
    meaning: str
    buckets: tuple[float, ...] = ()

    @property
    def label_names(self) -> list[str]:
        return [label.name for label in self.labels]
