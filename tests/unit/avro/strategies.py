"""Random schemas, data and evolved schemas for the tests of Avro; and fastavro as it is used there: the oracle."""

import copy
import io
import itertools
import json
import os
from typing import Any

import fastavro
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from stream.avro import Schema, parse_schema
from stream.batch import Int64s, pack

Json = Any
FEW = settings(max_examples=int(os.environ.get("AVRO_EXAMPLES", "40")), deadline=None)
"""Examples a test; more of them to look for what nobody thought of: AVRO_EXAMPLES=5000."""
PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
LOGICAL = [
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "timestamp-nanos"},
    {"type": "long", "logicalType": "local-timestamp-millis"},
    {"type": "long", "logicalType": "local-timestamp-micros"},
    {"type": "long", "logicalType": "local-timestamp-nanos"},
    {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    {"type": "bytes", "logicalType": "decimal", "precision": 60, "scale": 30},
    {"type": "string", "logicalType": "uuid"},
]
DAY = {"time-millis": 86_400_000, "time-micros": 86_400_000_000}


def schema(of: Json) -> Schema:
    return parse_schema(json.dumps(of))


def record(*fields: Json, name: str = "Event", **more: Json) -> Json:
    """The JSON of a record; a field is its JSON, or a pair of name and type."""
    made = [{"name": f[0], "type": f[1]} if isinstance(f, tuple) else f for f in fields]
    return {"type": "record", "name": name, "fields": made} | more


def bare(of: Json) -> Json:
    """The same schema without logical types: what is written is what stands in the datum."""
    if isinstance(of, list):
        return [bare(b) for b in of]
    if not isinstance(of, dict):
        return of
    kept = {k: v for k, v in of.items() if k not in ("logicalType", "precision", "scale")}
    return {k: bare(v) if k in ("type", "items", "values", "fields") else v for k, v in kept.items()}


def encode(of: Json, datum: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(bare(of)), datum)
    return out.getvalue()


def bounds(data: list[bytes]) -> tuple[bytes, Int64s, Int64s]:
    """The arguments of Decoder.decode."""
    values, offsets = pack(data)
    return values, offsets[:-1], offsets[1:]


def rows(n: int) -> Int64s:
    return np.arange(n, dtype=np.int64)


@st.composite
def schemas(draw: st.DrawFn, *, general_unions: bool = True, logical: bool = True) -> Json:
    """A record schema; every named type has a name of its own."""
    names = (f"N{i}" for i in itertools.count())
    return draw(_records(names, 2, general_unions, logical))


@st.composite
def _records(draw: st.DrawFn, names: Any, depth: int, general: bool, logical: bool) -> Json:
    name = next(names)
    types = draw(st.lists(_types(names, depth, general, logical), min_size=0 if depth < 2 else 1, max_size=4))
    return record(*((f"f{i}", t) for i, t in enumerate(types)), name=name)


@st.composite
def _types(draw: st.DrawFn, names: Any, depth: int, general: bool, logical: bool) -> Json:  # noqa: PLR0911
    leaves = ["primitive", "primitive", "enum", "fixed"] + ["logical"] * logical
    kind = draw(st.sampled_from(leaves + ["array", "map", "record", "optional", "union"] * (depth > 0)))
    below = _types(names, depth - 1, general, logical)
    match kind:
        case "primitive":
            return draw(st.sampled_from(PRIMITIVES))
        case "logical":
            return draw(st.sampled_from([*LOGICAL, _fixed_logical(next(names))]))
        case "enum":
            return {"type": "enum", "name": next(names), "symbols": ["A", "B", "C"]}
        case "fixed":
            return {"type": "fixed", "name": next(names), "size": draw(st.integers(0, 5))}
        case "array":
            return {"type": "array", "items": draw(below)}
        case "map":
            return {"type": "map", "values": draw(below)}
        case "record":
            return draw(_records(names, depth - 1, general, logical))
    branches = draw(st.lists(below.filter(lambda t: not isinstance(t, list)), max_size=3 if kind == "union" else 1))
    distinct = {branch_name(b): b for b in ["null", *branches]}
    if not general and len(distinct) < 2:
        distinct["int"] = "int"
    if not general:
        distinct = dict(list(distinct.items())[:2])
    return draw(st.permutations(list(distinct.values())))


def _fixed_logical(name: str) -> Json:
    return {"type": "fixed", "name": name, "size": 8, "logicalType": "decimal", "precision": 18, "scale": 4}


def branch_name(of: Json) -> str:
    if isinstance(of, str):
        return of
    return of["name"] if of["type"] in ("record", "enum", "fixed") else of["type"]


def data(of: Json) -> st.SearchStrategy[Any]:  # noqa: PLR0911, PLR0912 (one return a kind)
    """Data as fastavro writes them under the bare schema; a union's with the name of the branch."""
    if isinstance(of, list):
        return st.one_of([data(b).map(lambda v, b=b: (branch_name(b), v)) for b in of])
    logical = of.get("logicalType") if isinstance(of, dict) else None
    if logical == "decimal":
        bound = 10 ** of["precision"] - 1
        return st.integers(-bound, bound).map(lambda v: _twos_complement(v, of.get("size")))
    if logical in DAY:
        return st.integers(0, DAY[logical] - 1)
    match of["type"] if isinstance(of, dict) else of:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "int":
            return st.integers(-(2**31), 2**31 - 1)
        case "long":
            return st.integers(-(2**63), 2**63 - 1)
        case "float":
            return st.floats(width=32, allow_nan=False)
        case "double":
            return st.floats(allow_nan=False)
        case "bytes":
            return st.binary(max_size=6)
        case "string":
            return st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
        case "fixed":
            return st.binary(min_size=of["size"], max_size=of["size"])
        case "enum":
            return st.sampled_from(of["symbols"])
        case "array":
            return st.lists(data(of["items"]), max_size=4)
        case "map":
            return st.dictionaries(
                st.text(st.characters(exclude_categories=["Cs"]), max_size=3), data(of["values"]), max_size=3
            )
    return st.fixed_dictionaries({f["name"]: data(f["type"]) for f in of["fields"]})


def _twos_complement(value: int, size: int | None) -> bytes:
    bits = (value if value >= 0 else ~value).bit_length()
    return value.to_bytes(size or bits // 8 + 1, "big", signed=True)


@st.composite
def schemas_with_data(draw: st.DrawFn, **options: bool) -> tuple[Json, list[Any]]:
    of = draw(schemas(**options))
    return of, draw(st.lists(data(of), min_size=1, max_size=4))


@st.composite
def evolved(draw: st.DrawFn, of: Json) -> Json:
    """A reader's schema for a writer's: fields removed, added with defaults, renamed, reordered, promoted."""
    reader = copy.deepcopy(of)
    _evolve(draw, reader, itertools.count())
    return reader


def _evolve(draw: st.DrawFn, of: Json, fresh: Any) -> None:
    if isinstance(of, list):
        for branch in of:
            _evolve(draw, branch, fresh)
    if not isinstance(of, dict):
        return
    for part in ("items", "values"):
        if part in of:
            of[part] = _promoted(draw, of[part])
            _evolve(draw, of[part], fresh)
    match of["type"]:
        case "enum":
            of["symbols"] = [*draw(st.permutations(of["symbols"]))][: draw(st.integers(1, 3))]
            of["default"] = of["symbols"][0]
        case "record":
            if draw(st.booleans()):
                of["aliases"], of["name"] = [of["name"]], f"R{next(fresh)}"
            fields = [f for f in draw(st.permutations(of["fields"])) if draw(st.integers(0, 4))]
            for field in fields:
                field["type"] = _promoted(draw, field["type"])
                _evolve(draw, field["type"], fresh)
                if draw(st.booleans()):
                    field["aliases"], field["name"] = [field["name"]], f"renamed{next(fresh)}"
            added = {"name": f"added{next(fresh)}", "type": ["null", "int"], "default": None}
            of["fields"] = [*fields, *([added] if draw(st.booleans()) else [])]


def _promoted(draw: st.DrawFn, of: Json) -> Json:
    wider = {"int": ["long", "double"], "long": ["double"], "float": ["double"]}
    return draw(st.sampled_from([of, *wider[of]])) if isinstance(of, str) and of in wider else of
