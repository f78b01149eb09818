"""What is looked at in an ONNX file before ONNX Runtime sees it, without the onnx package.

A walk over the protobuf wire format (onnx.proto3, field numbers below) that finds the operator domains
and any tensor stored outside the file. ONNX Runtime would accept Microsoft's contributed operators, and
opens a hard link to a file that lies elsewhere; a model package has neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml"})
"""Operators of the standard; "ai.onnx" is another spelling of ""."""

MAX_DEPTH: Final = 64
"""Nesting of messages: a subgraph inside a subgraph costs three."""

_CHILDREN: Final[dict[str, dict[int, str]]] = {
    "Model": {7: "Graph", 8: "OperatorSet", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Function": {7: "Node", 9: "OperatorSet", 11: "Attribute"},
}
_DOMAIN_FIELD: Final = {"OperatorSet": 1, "Node": 7}
_GRAPH_FIELD, _EXTERNAL_DATA_FIELD, _DATA_LOCATION_FIELD = 7, 13, 14

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_REPEATED_NUMBERS: Final = re.compile(rb"(?:\x3d.{4})+|(?:\x40[\x80-\xff]{0,9}[\x00-\x7f])+", re.DOTALL)
"""Runs of AttributeProto.floats and .ints, which proto2 does not pack: most of a tree model's bytes."""


class MalformedError(ValueError):
    """The bytes are not an ONNX ModelProto."""


def unsafe_parts(model: bytes) -> list[str]:
    """Why the model is not taken, one line each; empty when nothing stands against it.

    Raises MalformedError when the bytes are not a protobuf ModelProto with a graph.
    """
    domains: set[str] = set()
    external = _walk("Model", memoryview(model), domains, 0)
    if not any(number == _GRAPH_FIELD for number, _ in _fields("Model", memoryview(model))):
        raise MalformedError("no graph")
    found = [
        f"operators of domain {domain!r}: only the standard ones (ai.onnx, ai.onnx.ml) are taken; "
        "export for plain ONNX, functions inlined"
        for domain in sorted(domains - DOMAINS)
    ]
    if external:
        found.append("tensors stored outside the file (external data): save the model as one file")
    return found


def _walk(kind: str, data: memoryview, domains: set[str], depth: int) -> bool:
    """Collect the domains below a message; whether some tensor below it is external."""
    if depth > MAX_DEPTH:
        raise MalformedError(f"nested deeper than {MAX_DEPTH} messages")
    external, children = False, _CHILDREN.get(kind, {})
    for number, value in _fields(kind, data):
        if kind == "Tensor":
            external |= number == _EXTERNAL_DATA_FIELD or (number == _DATA_LOCATION_FIELD and value != 0)
        elif number == _DOMAIN_FIELD.get(kind) and isinstance(value, memoryview):
            domains.add(bytes(value).decode("utf-8", "backslashreplace"))
        elif number in children and isinstance(value, memoryview):
            external |= _walk(children[number], value, domains, depth + 1)
    return external


def _fields(kind: str, data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at, end = 0, len(data)
    while at < end:
        if kind == "Attribute" and (run := _REPEATED_NUMBERS.match(data, at)):
            at = run.end()
            continue
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise MalformedError(f"wire type {wire} in {kind}")
        if size > end - at:
            raise MalformedError(f"{kind} is cut off")
        if wire == _BYTES:
            yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise MalformedError("a number is cut off")
