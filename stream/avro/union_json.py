"""JSON to Avro values: Avro's JSON encoding of general unions, and the defaults of schemas.

The two differ in unions: the encoding names the branch ({"long": 5}), a default does not (5). Values come out
as fastavro writes them, a union's as the pair (name of the branch, value).
"""

from __future__ import annotations

import io
import json
from typing import Any

from stream.avro.codec import OUT_OF_RANGE
from stream.avro.defaults import branch_of, mismatch
from stream.avro.types import NULL, Array, Field, Fixed, Map, Primitive, Record, Type, Union, branch_name, render
from stream.errors import PoisonError


def default_data(of: Type, default: Any) -> bytes:
    """The binary encoding of a default, which must fit (`defaults.mismatch`)."""
    from fastavro import parse_schema, schemaless_writer

    out = io.BytesIO()
    schemaless_writer(out, parse_schema(render(of, logical=False)), _value(of, default, tagged=False))
    return out.getvalue()


def union_value(union: Union, text: str) -> Any:
    """The value of a union that a text in Avro's JSON encoding describes, as fastavro writes it.

    Raises PoisonError("out_of_range") when it does not describe one.
    """
    try:
        return _value(union, json.loads(text), tagged=True)
    except (ValueError, RecursionError):
        raise PoisonError(OUT_OF_RANGE, "text that is not Avro's JSON encoding of its union") from None


def _value(of: Type, json: Any, tagged: bool) -> Any:  # noqa: PLR0911 (one return a kind)
    match of:
        case Union():
            return _branch(of, json, tagged)
        case Record() if isinstance(json, dict):
            return {f.name: _value(f.type, _member(f, json, tagged), tagged) for f in of.fields}
        case Array() if isinstance(json, list):
            return [_value(of.items, item, tagged) for item in json]
        case Map() if isinstance(json, dict):
            return {_text(key): _value(of.values, value, tagged) for key, value in json.items()}
    if mismatch(of, json):
        raise ValueError("another type")
    match of:
        case Fixed() | Primitive("bytes"):
            return json.encode("latin-1")
        case Primitive("float") | Primitive("double"):
            return float(json)
        case Primitive("string"):
            return _text(json)
    return json


def _member(field: Field, json: dict[str, Any], tagged: bool) -> Any:
    """Only the JSON of a default may leave out a field that has a default itself."""
    if field.name in json:
        return json[field.name]
    if tagged:
        raise ValueError("a missing field")
    return field.default


def _branch(union: Union, json: Any, tagged: bool) -> tuple[str, Any]:
    if tagged and json is None and NULL in union.branches:
        return "null", None
    if tagged:
        if not isinstance(json, dict):
            raise ValueError("not one branch")
        ((name, json),) = json.items()
        branch = next((b for b in union.branches if branch_name(b) == name), None)
    else:
        branch = branch_of(union, json)
    if branch is None:
        raise ValueError("no such branch")
    return branch_name(branch), _value(branch, json, tagged)


def _text(text: str) -> str:
    """JSON can escape half of a surrogate pair, which no UTF-8 has (UnicodeEncodeError is a ValueError)."""
    text.encode()
    return text
