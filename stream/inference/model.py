"""A loaded model: columns in, result columns out, and a verdict for each row that got none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from stream.batch import Int64s
from stream.errors import ConfigurationError, PoisonError, Problem, SystemicError
from stream.inference.datatypes import Tensor
from stream.inference.features import Column, Feed, assemble
from stream.inference.golden import deviations, golden_tensors
from stream.inference.isolation import run_in_parts
from stream.inference.manifest import KeyPath, Manifest, OutputTensor
from stream.inference.package import MODEL_FILE, Package
from stream.inference.rejection import Rejected, Rejections
from stream.inference.results import finite_rows, rows_of, to_column
from stream.inference.session import Session
from stream.inference.signature import mismatches

ROWS_PER_CALL: Final = 4096
"""Rows of one ONNX Runtime call. From 1000 on the time per row is flat; the arena keeps what the largest took."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Result columns by output name, one value for each of `rows` (indexes in the batch); the rest is rejected."""

    columns: Mapping[str, pa.Array]
    rows: Int64s
    rejected: Sequence[Rejected]


class Model:
    """One version of a model, proven by its golden rows. Keeps no state of events."""

    __slots__ = ("_golden", "_rows_per_call", "_session", "label", "manifest", "outputs")

    def __init__(self, package: Package, rows_per_call: int = ROWS_PER_CALL) -> None:
        """Load, compare the signature, warm up, score the golden rows alone and together.

        Raises ConfigurationError with the place in the manifest of each mistake.
        """
        self.label = package.label
        self.manifest: Manifest = package.manifest
        self.outputs = {output.name: output for output in self.manifest.outputs}
        self._rows_per_call = 1 if any(t.shape[0] == 1 for t in self.manifest.inputs) else rows_per_call
        self._session = Session(package.model, str(package.folder / MODEL_FILE))
        _raise(package, list(mismatches(self.manifest, self._session.inputs, self._session.outputs)), ())
        rows = [row.inputs for row in self.manifest.golden.rows]
        self._golden, mistakes = golden_tensors(self.manifest.inputs, rows)
        _raise(package, mistakes, ("golden", "rows"))
        self._prove(package)

    def predict(
        self, feeds: Sequence[Feed], column: Column, n: int, outputs: Sequence[str] | None = None
    ) -> Prediction:
        """Score n rows whose columns `column` looks up; only the named outputs, all by default.

        A row that cannot be fed, that the model refuses, or whose result is not finite is rejected alone.
        Raises SystemicError when the model refuses its own golden row as well.
        """
        wanted = [self.outputs[name] for name in (outputs if outputs is not None else self.outputs)]
        features = assemble(feeds, column, n)
        rejections = Rejections(len(features.rows))
        results = self._score(features.tensors, len(features.rows), wanted, rejections)
        rows = features.rows[rejections.keep]
        late = [Rejected(int(features.rows[row]), reason, detail) for row, reason, detail in rejections.in_order()]
        columns = {output.name: to_column(output, results[output.name]) for output in wanted}
        return Prediction(columns, rows, sorted([*features.rejected, *late]))

    def _score(
        self, tensors: Mapping[str, Tensor], n: int, outputs: Sequence[OutputTensor], rejections: Rejections
    ) -> dict[str, Tensor]:
        """Results as [answered rows, width] by output name; the other rows are marked in rejections."""
        parts = run_in_parts(lambda a, b: self._run(tensors, a, b, outputs), n, self._rows_per_call, self._probe)
        for row, reason, detail in parts.refused:
            rejections.mark(np.array([row]), reason, detail)
        results = {
            output.name: _joined(output, [answer[i] for answer in parts.answers]) for i, output in enumerate(outputs)
        }
        rows = rejections.kept_rows()
        finite = finite_rows(outputs, results, rows, rejections)
        return results if finite.all() else {name: result[finite] for name, result in results.items()}

    def _run(
        self, tensors: Mapping[str, Tensor], start: int, stop: int, outputs: Sequence[OutputTensor]
    ) -> list[Tensor]:
        feeds = {name: tensor[start:stop] for name, tensor in tensors.items()}
        results = self._session.run([output.name for output in outputs], feeds)
        return [rows_of(output, result, stop - start) for output, result in zip(outputs, results, strict=True)]

    def _probe(self) -> None:
        """Tell refused rows from a broken session: the first golden row was answered at start."""
        try:
            self._run(self._golden, 0, 1, self.manifest.outputs)
        except PoisonError as error:
            raise SystemicError("model", f"{self.label} refuses its own golden row: {error.detail}") from error

    def _prove(self, package: Package) -> None:
        """Score the golden rows; this is the warm-up too. Alone first: a batch must not change a row's result."""
        n = len(self.manifest.golden.rows)
        mistakes = [mistake for row in range(n) for mistake in self._golden_mistakes(row, row + 1)]
        if not mistakes and self._rows_per_call > 1:
            mistakes = self._golden_mistakes(0, n)
        _raise(package, mistakes, ("golden", "rows"))

    def _golden_mistakes(self, start: int, stop: int) -> list[tuple[KeyPath, str]]:
        golden, outputs = self.manifest.golden, self.manifest.outputs
        try:
            answers = self._run(self._golden, start, stop, outputs)
        except PoisonError as error:
            return [((start,), f"golden row {start}: the model refuses it ({error.detail})")]
        results = {output.name: answer for output, answer in zip(outputs, answers, strict=True)}
        how = "alone" if stop - start == 1 else f"in a batch of {stop - start}"
        return [
            ((start + row, "outputs", name), f"golden row {start + row}, scored {how}: {message}")
            for row, name, message in deviations(outputs, golden.rows[start:stop], results, golden.tolerance)
        ]


def _joined(output: OutputTensor, answers: Sequence[Tensor]) -> Tensor:
    if len(answers) == 1:
        return answers[0]
    return np.concatenate(answers) if answers else np.empty((0, output.width), output.type.numpy)


def _raise(package: Package, mistakes: Sequence[tuple[KeyPath, str]], under: KeyPath) -> None:
    if mistakes:
        raise ConfigurationError([Problem(text, place=package.place((*under, *at))) for at, text in mistakes])
