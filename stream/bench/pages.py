"""A worker's metrics page, read for where its time goes."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterable
from typing import Final

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from stream.bench.statistics import Histogram, added
from stream.errors import FatalError
from stream.metrics import table

TIMEOUT_S: Final = 5.0
COMMIT: Final = "commit"
"""What the time of a transaction is called beside the stages."""


def scrape(address: str) -> str:
    """The text of the page at "http://host:port/"."""
    try:
        with urllib.request.urlopen(f"{address}metrics", timeout=TIMEOUT_S) as answer:
            return str(answer.read().decode("utf-8"))
    except OSError as error:
        raise FatalError(f"the worker's page {address}metrics does not answer: {error}") from error


def batch_times(text: str) -> dict[str, Histogram]:
    """Seconds of a batch in each stage, by name, and of its transaction under COMMIT."""
    families = {family.name: family for family in text_string_to_metric_families(text)}
    found = _histograms(families[table.STAGE_SECONDS.name], "stage")
    return {**found, **dict.fromkeys([COMMIT], _histograms(families[table.TRANSACTION_SECONDS.name], "")[""])}


def merged(pages: Iterable[dict[str, Histogram]]) -> dict[str, Histogram]:
    """Those of several workers together."""
    parts: dict[str, list[Histogram]] = {}
    for page in pages:
        for name, histogram in page.items():
            parts.setdefault(name, []).append(histogram)
    return {name: added(histograms) for name, histograms in parts.items()}


def _histograms(family: Metric, label: str) -> dict[str, Histogram]:
    """By the value of one label; "" for a family without it."""
    buckets: dict[str, dict[float, float]] = {}
    totals: dict[str, float] = {}
    for sample in family.samples:
        name = sample.labels.get(label, "")
        if sample.name.endswith("_bucket"):
            buckets.setdefault(name, {})[float(sample.labels["le"])] = sample.value
        elif sample.name.endswith("_sum"):
            totals[name] = sample.value
    found = {name: sorted(counts.items()) for name, counts in buckets.items()}
    return {
        name: Histogram(tuple(b for b, _ in counts), tuple(c for _, c in counts), totals[name])
        for name, counts in found.items()
    } or {"": Histogram((), (), 0.0)}
