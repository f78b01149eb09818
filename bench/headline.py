"""The sentence of README.md that says how fast: from the committed results, as the bars are."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from textwrap import wrap
from typing import Final

from bench.bars import bars
from bench.committed import Facts

INDENT: Final = "  "
"""The sentence ends a point of a list."""
WIDTH: Final = 120


def headline(results: Mapping[str, Facts]) -> str:
    """Markdown; empty when what it tells was not measured. Medians of the rounds."""
    found = {bar.key: median(values) for bar in bars() if (values := bar.measure(results))}
    told = ("wall_kafka-streams_mlp_stream", "wall_naive_mlp_stream", "wall_java_mlp_stream", "cpu_java_stream")
    if not results.get("reference") or not set(told) <= set(found):
        return ""
    streams, python, java, cpu = (found[key] for key in told)
    text = (
        f"One process made {streams:.1f} times the events per second of Kafka Streams, {python:.1f} times those of "
        f"plain Python with fastavro, and {java:.1f} times those of a plain Java loop, with {cpu:.2f} of its CPU "
        f"(medians, {results['reference']['date']}). The goals, met and missed, stand there too."
    )
    return "\n".join([*wrap(text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT), INDENT])
