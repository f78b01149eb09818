"""Finding the rows a model refuses, in a bounded number of calls. Knows neither tensors nor ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stream.errors import PoisonError
from stream.inference.rejection import Rejected


@dataclass(slots=True)
class Parts:
    """What came of n rows: the answers of calls that went through, in row order, and the rows refused."""

    answers: list[Any] = field(default_factory=list)
    refused: list[Rejected] = field(default_factory=list)


def run_in_parts(run: Callable[[int, int], Any], n: int, rows_per_call: int, probe: Callable[[], None]) -> Parts:
    """Call run(start, stop) over n rows, at most rows_per_call at once, halving what raises PoisonError.

    g bad rows cost about 2 g log2(rows_per_call / g) calls more. However many are bad, the calls stay below
    1.25 n + (n / rows_per_call + 1)(log2(rows_per_call) + 1): after n / 4 halvings the rows still in doubt are
    tried one by one. `probe` is called once, before the first halving, and raises when the fault is not in the rows.
    """
    parts = Parts()
    halvings_left = n // 4
    pending = [(start, min(start + rows_per_call, n)) for start in range(0, n, rows_per_call)][::-1]
    probed = False
    while pending:
        start, stop = pending.pop()
        try:
            answer = run(start, stop)
        except PoisonError as refusal:
            if not probed:
                probe()
                probed = True
            if stop - start == 1:
                parts.refused.append(Rejected(start, refusal.reason, refusal.detail))
            elif halvings_left > 0:
                halvings_left -= 1
                middle = (start + stop) // 2
                pending += [(middle, stop), (start, middle)]
            else:
                pending += [(row, row + 1) for row in range(stop - 1, start - 1, -1)]
            continue
        parts.answers.append(answer)
    return parts
