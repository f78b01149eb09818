"""One datum read as far as it goes: for people who look at a message that no decoder takes."""

from __future__ import annotations

from typing import Any, NamedTuple

from stream.avro.codec import TRAILING_BYTES, TRUNCATED, Limits
from stream.avro.decoding import Compiler
from stream.avro.reference import record_batch
from stream.avro.resolution import Fields, resolve
from stream.avro.schema import Schema
from stream.avro.wire import Cursor
from stream.errors import PoisonError


class Partial(NamedTuple):
    """The top-level fields that could be read, and why it ended there; reason is "" for a whole datum.

    at: the byte, counted from the start of the datum, where the field begins that could not be read.
    """

    fields: dict[str, Any]
    stopped_in: str
    at: int
    reason: str
    detail: str


def read_partly(schema: Schema, data: bytes, limits: Limits = Limits()) -> Partial:  # noqa: B008 (it is frozen)
    """Read the fields of a record one after another, with the checks of the reference codec."""
    plan = resolve(schema.root, schema.root)
    assert isinstance(plan, Fields), "the schema of an event is a record"
    cursor, values = Cursor(data, limits), []
    for (_, step), field in zip(plan.steps, schema.root.fields, strict=True):
        at = cursor.pos
        try:
            values.append(Compiler(limits.max_depth).compile(step, depth=2)(cursor))
        except IndexError:
            return Partial(_plain(schema, values), field.name, at, TRUNCATED, "the data ends inside a value")
        except PoisonError as error:
            return Partial(_plain(schema, values), field.name, at, error.reason, error.detail)
    left = len(data) - cursor.pos
    if left:
        return Partial(_plain(schema, values), "", cursor.pos, TRAILING_BYTES, f"{left} bytes behind the datum")
    return Partial(_plain(schema, values), "", cursor.pos, "", "")


def _plain(schema: Schema, values: list[Any]) -> dict[str, Any]:
    read = schema.pruned([field.name for field in schema.root.fields[: len(values)]])
    (event,) = record_batch([values], read.arrow).to_pylist(maps_as_pydicts="lossy")
    return dict(event)
