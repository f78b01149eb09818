"""manifest.json of a model package: what the model takes and gives, and rows that prove it.

    {"format": 1, "name": "arrival-delay", "version": 1, "sha256": "<of model.onnx>",
     "inputs":  [{"name": "input", "datatype": "FP32", "shape": [-1, 6], "columns": ["dep_delay", ...]}],
     "outputs": [{"name": "variable", "datatype": "FP32", "shape": [-1, 1]}],
     "golden":  {"tolerance": 1e-5, "rows": [{"inputs": {"dep_delay": 2.0, ...}, "outputs": {"variable": 3.1}}]},
     "created": {"at": "...", "by": "...", "onnxruntime": "...", "producer": "..."},
     "metadata": {}}

Tensors are described as in the Open Inference Protocol (V2): datatype FP32, INT64, BYTES and so on, and a
shape whose first axis is the batch, -1.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StrictInt, ValidationError

from stream.avro import positions
from stream.errors import ConfigurationError, Problem
from stream.inference.datatypes import DATATYPES, Datatype, DatatypeName

NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
DEFAULT_TOLERANCE: Final = 1e-5
MAX_NESTING: Final = 100
"""Lists and objects inside each other."""
MAX_KEYS: Final = 10_000
"""Of one object: more than a model has columns."""
MAX_TOLD: Final = 40
"""Mistakes that are told of one manifest."""

KeyPath = tuple[str | int, ...]
Text = Annotated[str, Field(min_length=1, max_length=512)]


_STRICT: Final = ConfigDict(extra="forbid", frozen=True)


class InputTensor(BaseModel):
    """One input of the model and the columns that feed it."""

    model_config = _STRICT

    name: Text = Field(description="Name of the input in the graph.")
    datatype: DatatypeName
    shape: tuple[StrictInt, ...] = Field(
        min_length=1,
        max_length=8,
        description="Axis 0 is the batch: -1, or 1 for a graph with a fixed batch of one, which runs row by row.",
    )
    columns: tuple[Text, ...] = Field(
        min_length=1,
        description="Feature order. As many columns as a row of the tensor has elements, or a single list column "
        "whose every value has that many. A field of a record by dotted path: customer.age_days.",
    )
    missing: Literal["refuse", "nan"] = Field(
        default="refuse",
        description="What a null, or a NaN, in a column means. refuse: the event fails (null_feature, "
        "feature_not_finite). nan: NaN is fed, for models that know missing values, as trees do; floats only. "
        "An infinite value always fails the event.",
    )

    @property
    def type(self) -> Datatype:
        return DATATYPES[self.datatype]

    @property
    def width(self) -> int:
        """Elements of one row."""
        return math.prod(self.shape[1:])

    @property
    def takes_list(self) -> bool:
        """Whether the manifest's one column must be a list."""
        return len(self.columns) == 1 and self.width > 1


class OutputTensor(BaseModel):
    """One output of the model. A row of several elements becomes a list column, row-major."""

    model_config = _STRICT

    name: Text
    datatype: DatatypeName
    shape: tuple[StrictInt, ...] = Field(min_length=1, max_length=8, description="Axis 0 is the batch, -1.")

    @property
    def type(self) -> Datatype:
        return DATATYPES[self.datatype]

    @property
    def width(self) -> int:
        return math.prod(self.shape[1:])


class GoldenRow(BaseModel):
    """One row of known outcome: column -> value, output -> value; a list where a column or output is one."""

    model_config = _STRICT

    inputs: dict[str, JsonValue]
    outputs: dict[str, JsonValue]


class Golden(BaseModel):
    """Rows that are scored each time the model is loaded: the session works and is the model that was packed."""

    model_config = _STRICT

    tolerance: float = Field(
        default=DEFAULT_TOLERANCE,
        gt=0,
        le=1,
        description="Allowed difference of a float output: absolute up to 1, relative above.",
    )
    rows: tuple[GoldenRow, ...] = Field(min_length=1, max_length=1000)


class Created(BaseModel):
    """Where the package comes from."""

    model_config = _STRICT

    at: AwareDatetime
    by: Text
    onnxruntime: Text
    producer: str = ""


class Manifest(BaseModel):
    """The whole file. Unknown keys are refused; what else one wants to keep goes under metadata."""

    model_config = _STRICT

    format: Literal[1]
    name: str = Field(pattern=NAME_PATTERN)
    version: StrictInt = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    inputs: tuple[InputTensor, ...] = Field(min_length=1)
    outputs: tuple[OutputTensor, ...] = Field(min_length=1)
    golden: Golden
    created: Created
    metadata: dict[str, JsonValue] = Field(default_factory=dict)

    def columns(self) -> list[str]:
        """Every column that some input names, once, in order."""
        return list(dict.fromkeys(c for tensor in self.inputs for c in tensor.columns))


def parse_manifest(text: str, path: Path) -> Manifest:
    """The checked manifest. Raises ConfigurationError with every mistake at its file:line:column."""
    try:
        raw = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ConfigurationError([Problem(error.msg, place=f"{path}:{error.lineno}:{error.colno}")]) from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError([Problem(str(error) or "nested too deep", place=f"{path}:1:1")]) from None
    if _is_deep(raw):
        raise ConfigurationError([Problem("nested too deep", place=f"{path}:1:1")])
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        found = [(e["loc"], _message(e["type"], e["loc"], e["msg"])) for e in error.errors(include_url=False)]
        raise _problems(text, path, found) from None
    if contradictions := list(_contradictions(manifest)):
        raise _problems(text, path, contradictions)
    assert isinstance(raw, dict), "validated"
    return manifest


def locate(text: str, path: Path, at: Sequence[str | int]) -> str:
    """file:line:column of a key path in JSON text; the nearest enclosing value where the path ends early."""
    line, column = positions.line_and_column(text, positions.index_of(text, at))
    return f"{path}:{line}:{column}"


def _problems(text: str, path: Path, found: Sequence[tuple[KeyPath, str]]) -> ConfigurationError:
    problems = [Problem(message, place=locate(text, path, at)) for at, message in found[:MAX_TOLD]]
    if len(found) > MAX_TOLD:
        problems.append(Problem(f"and {len(found) - MAX_TOLD} more mistakes", place=f"{path}:1:1"))
    return ConfigurationError(problems)


def _is_deep(value: object) -> bool:
    """Whether lists and objects stand inside each other more than MAX_NESTING times."""
    level = [value]
    for _ in range(MAX_NESTING):
        level = [inner for held in level for inner in _inside(held)]
        if not level:
            return False
    return True


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _message(kind: str, at: KeyPath, message: str) -> str:
    key = ".".join(map(str, at)) or "manifest"
    if kind == "extra_forbidden":
        return f"{key}: unknown key; free text goes under metadata"
    return f"{key}: {message[:1].lower()}{message[1:]}"


def _contradictions(manifest: Manifest) -> Iterator[tuple[KeyPath, str]]:
    yield from _twice(manifest.inputs, "inputs")
    yield from _twice(manifest.outputs, "outputs")
    for i, tensor in enumerate(manifest.inputs):
        yield from (((("inputs", i, *at)), message) for at, message in input_mistakes(tensor))
    for i, output in enumerate(manifest.outputs):
        if output.shape[0] != -1 or any(axis < 1 for axis in output.shape[1:]):
            yield ("outputs", i, "shape"), f"output {output.name}: the shape is [-1, ...] with fixed further axes"
    columns, outputs = set(manifest.columns()), {output.name for output in manifest.outputs}
    for i, row in enumerate(manifest.golden.rows):
        if set(row.inputs) != columns:
            yield ("golden", "rows", i, "inputs"), f"golden row {i}: needs exactly the columns {sorted(columns)}"
        if set(row.outputs) != outputs:
            yield ("golden", "rows", i, "outputs"), f"golden row {i}: needs exactly the outputs {sorted(outputs)}"


def input_mistakes(tensor: InputTensor) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with an input's description in itself."""
    if tensor.shape[0] not in (-1, 1) or any(axis < 1 for axis in tensor.shape[1:]):
        yield ("shape",), f"input {tensor.name}: the shape is [-1, ...] or [1, ...] with fixed further axes"
    elif len(tensor.columns) not in (1, tensor.width):
        message = f"{len(tensor.columns)} columns for rows of {tensor.width}; give {tensor.width} in feature order"
        yield ("columns",), f"input {tensor.name}: {message}, or one list column"
    if len(set(tensor.columns)) < len(tensor.columns):
        yield ("columns",), f"input {tensor.name}: a column is named twice"
    if tensor.missing == "nan" and not tensor.type.is_float:
        yield ("missing",), f"input {tensor.name}: {tensor.datatype} has no NaN; use FP32 or FP64, or refuse"


def _twice(tensors: Sequence[InputTensor | OutputTensor], key: str) -> Iterator[tuple[KeyPath, str]]:
    counts = Counter(tensor.name for tensor in tensors)
    for i, tensor in enumerate(tensors):
        if counts[tensor.name] > 1:
            yield (key, i, "name"), f"{tensor.name} is described {counts[tensor.name]} times"


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_KEYS:
        raise ValueError(f"more than {MAX_KEYS} keys in one object")
    for key, count in Counter(key for key, _ in pairs).items():
        if count > 1:
            raise ValueError(f"key {key!r} stands {count} times in one object")
    return dict(pairs)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON; a missing value is null")
