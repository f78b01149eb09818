"""The child's half of `pack`: read a graph's signature, settle the feature order, compute golden outputs."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from stream.errors import ConfigurationError, PoisonError, Problem
from stream.inference.datatypes import BY_ONNX_TYPE, Tensor
from stream.inference.golden import golden_tensors, values_of
from stream.inference.manifest import InputTensor, OutputTensor, input_mistakes
from stream.inference.package import read_model
from stream.inference.session import Session, TensorInfo
from stream.inference.signature import shape_text, unsupported

MAX_GOLDEN_ROWS: Final = 1000
FEATURE_NAMES: Final = "feature_names"
"""Key of ONNX metadata_props that holds the feature order, comma-separated; "feature_names.<input>" for several."""

GENERATED_ROWS: Final = 3


def draft(request: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs, outputs and golden rows of a manifest, as JSON.

    request: model (path), golden (path of a CSV file, or null), columns ({input: [column]}, the key "" stands
    for the only input), missing. Raises ConfigurationError with what has to be changed.
    """
    path, golden = Path(request["model"]), request["golden"]
    session = Session(read_model(path), str(path))
    problems = [text for info in (*session.inputs, *session.outputs) if (text := unsupported(info))]
    if problems:
        raise _problems(path, problems)
    header, table = _read_csv(Path(golden)) if golden else ([], [])
    columns = _feature_order(session, request["columns"], header, path)
    inputs = [_input(info, columns[info.name], request["missing"], path) for info in session.inputs]
    rows = [_typed(row, inputs, golden) for row in table] if golden else _generated(inputs)
    place = golden or str(path)
    outputs, answers = _answers(session, inputs, rows, place)
    return {
        "inputs": [tensor.model_dump(mode="json") for tensor in inputs],
        "outputs": [output.model_dump(mode="json") for output in outputs],
        "rows": [{"inputs": row, "outputs": answer} for row, answer in zip(rows, answers, strict=True)],
        "producer": session.producer,
    }


def _feature_order(
    session: Session, given: Mapping[str, Sequence[str]], header: Sequence[str], path: Path
) -> dict[str, Sequence[str]]:
    """What the user says, else what the model's metadata says, else the header of the golden rows."""
    names = [info.name for info in session.inputs]
    only = names[0] if len(names) == 1 else None
    given = {(only or key) if key == "" else key: value for key, value in given.items()}
    if unknown := [key for key in given if key not in names]:
        wrong = ", ".join(repr(key) for key in unknown)
        raise _problems(path, [f"no input {wrong}: the model has {', '.join(names)}; --columns INPUT=a,b,c for each"])
    outputs = {info.name for info in session.outputs}
    order: dict[str, Sequence[str]] = {}
    for name in names:
        kept = session.properties.get(f"{FEATURE_NAMES}.{name}") or session.properties.get(
            FEATURE_NAMES if only else ""
        )
        order[name] = given.get(name) or (kept or "").replace(" ", "").split(",") if (name in given or kept) else ()
        if not order[name] and only:
            order[name] = [column for column in header if column not in outputs]
    if lost := [name for name in names if not order[name]]:
        option = "--columns a,b,c" if only else " ".join(f"--columns {name}=a,b,c" for name in lost)
        raise _problems(path, [f"which columns feed {', '.join(lost)}? Give {option}, in feature order"])
    return order


def _input(info: TensorInfo, columns: Sequence[str], missing: str, path: Path) -> InputTensor:
    type_ = BY_ONNX_TYPE[info.onnx_type]
    if not info.shape:
        raise _problems(path, [f"input {info.name!r} has no batch axis: export it with a dynamic first axis"])
    batch = info.shape[0] if isinstance(info.shape[0], int) else -1
    if batch not in (-1, 1):
        text = f"input {info.name!r} has a fixed batch of {batch}: export it with a dynamic first axis, or with 1"
        raise _problems(path, [text])
    # A dynamic axis after the batch takes what the columns say.
    free = [axis for axis in info.shape[1:] if not isinstance(axis, int)]
    if len(free) > 1 or (free and len(info.shape) > 2) or (free and len(columns) == 1):
        text = f"input {info.name!r} is {shape_text(info.shape)}: only the first axis may be dynamic"
        raise _problems(path, [text])
    shape = (batch, *(axis if isinstance(axis, int) else len(columns) for axis in info.shape[1:]))
    try:
        tensor = InputTensor(
            name=info.name,
            datatype=type_.name,
            shape=shape,
            columns=tuple(columns),
            missing="nan" if missing == "nan" and type_.is_float else "refuse",
        )
    except ValidationError as error:
        raise _problems(path, [f"input {info.name!r}: {e['msg']}" for e in error.errors()]) from None
    if mistakes := [text for _, text in input_mistakes(tensor)]:
        raise _problems(path, mistakes)
    return tensor


def _answers(
    session: Session, inputs: Sequence[InputTensor], rows: Sequence[Mapping[str, Any]], place: str
) -> tuple[list[OutputTensor], list[dict[str, Any]]]:
    """Output shapes and golden outputs from scoring each row alone, whatever the graph declares."""
    tensors, mistakes = golden_tensors(inputs, rows)
    if mistakes:
        raise _problems(place, [f"row {at[0]}: {text}" for at, text in mistakes])
    names = [info.name for info in session.outputs]
    answers: list[dict[str, Any]] = []
    outputs: list[OutputTensor] = []
    for row in range(len(rows)):
        try:
            results = session.run(names, {name: tensor[row : row + 1] for name, tensor in tensors.items()})
        except PoisonError as error:
            hint = "" if place.endswith(".csv") else "; give rows it takes with --golden rows.csv"
            raise _problems(place, [f"the model refuses golden row {row} ({error.detail}){hint}"]) from None
        outputs = outputs or [
            _output(info, result, place) for info, result in zip(session.outputs, results, strict=True)
        ]
        answers.append({o.name: values_of(o, r.reshape(1, -1))[0] for o, r in zip(outputs, results, strict=True)})
    return outputs, answers


def _output(info: TensorInfo, result: Tensor, place: str) -> OutputTensor:
    if not result.shape or result.shape[0] != 1 or result.size == 0:
        text = f"output {info.name!r} has shape {list(result.shape)} for one row: its first axis must be the batch"
        raise _problems(place, [text])
    return OutputTensor(name=info.name, datatype=BY_ONNX_TYPE[info.onnx_type].name, shape=(-1, *result.shape[1:]))


def _read_csv(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            lines = [(reader.line_num, line) for line, _ in zip(reader, range(MAX_GOLDEN_ROWS + 1), strict=False)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _problems(path, [f"golden rows cannot be read: {error}"]) from None
    if not lines or len(lines) > MAX_GOLDEN_ROWS:
        raise _problems(path, [f"give 1 to {MAX_GOLDEN_ROWS} golden rows under a header of column names"])
    if ragged := [number for number, line in lines if len(line) != len(header)]:
        raise _problems(
            f"{path}:{ragged[0]}:1", [f"a row with another number of cells than the header ({len(header)})"]
        )
    return header, [dict(zip(header, line, strict=True)) for _, line in lines]


def _typed(row: Mapping[str, str], inputs: Sequence[InputTensor], path: str) -> dict[str, Any]:
    """The cells of the feature columns as JSON values: empty is null, a list is written as JSON."""
    values: dict[str, Any] = {}
    for tensor in inputs:
        for column in tensor.columns:
            if column not in row:
                raise _problems(path, [f"no column {column!r}, which feeds input {tensor.name!r}"])
            try:
                values[column] = _cell(row[column], tensor)
            except ValueError:
                raise _problems(path, [f"column {column!r} holds a cell that is not {tensor.datatype}"]) from None
    return values


def _cell(text: str, tensor: InputTensor) -> object:
    if tensor.takes_list:
        return json.loads(text)
    if tensor.datatype == "BYTES":
        return text
    if text == "":
        return None
    if tensor.datatype == "BOOL":
        return {"true": True, "false": False, "1": True, "0": False}.get(text.lower(), text)
    return float(text) if tensor.type.is_float else int(text)


def _generated(inputs: Sequence[InputTensor]) -> list[dict[str, Any]]:
    """Rows of zeros, ones and twos for a model packed without golden rows: they prove the file, not the use."""
    return [
        {column: _plain_value(tensor, row) for tensor in inputs for column in tensor.columns}
        for row in range(GENERATED_ROWS)
    ]


def _plain_value(tensor: InputTensor, row: int) -> object:
    value: object = str(row) if tensor.datatype == "BYTES" else row
    if tensor.datatype == "BOOL":
        value = row % 2 == 1
    return [value] * tensor.width if tensor.takes_list else value


def _problems(place: Path | str, messages: Sequence[str]) -> ConfigurationError:
    return ConfigurationError([Problem(message, place=str(place)) for message in messages])
