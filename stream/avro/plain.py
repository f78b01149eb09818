"""Values as people write them in JSON and CSV files, turned into those of an Avro type.

    date, time, timestamp    ISO 8601 text, or the integer that Avro has; a timestamp without a zone is UTC
    decimal                  text or a number, with no more digits than the scale
    bytes, fixed             text of characters up to U+00FF, as in Avro's own JSON encoding
    union                    the value itself, or {"name of the branch": value} as in that encoding
    record                   an object; a missing field takes its default, or null where it may be null

A function of here takes one value and raises PoisonError("out_of_range"). What comes out is what
`reference.record_batch` takes.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from collections.abc import Callable
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, Final

from stream.avro.assignment import describe
from stream.avro.codec import OUT_OF_RANGE, Limits
from stream.avro.decoding import Compiler
from stream.avro.defaults import DAY, branch_of, mismatch
from stream.avro.types import MISSING, NULL, Array, Enum, Field, Fixed, Map, Primitive, Record, Type, Union, branch_name
from stream.errors import PoisonError

Plain = Callable[[Any], Any]
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?")
_TIME: Final = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?")
_A_SECOND: Final = {"millis": 10**3, "micros": 10**6, "nanos": 10**9}


def _bad(detail: str) -> PoisonError:
    """detail never holds a piece of the value."""
    return PoisonError(OUT_OF_RANGE, detail)


def plain(of: Type) -> Plain:  # noqa: PLR0911 (one return a kind)
    """A function from a JSON value, as json.loads gives it, to one of the type."""
    match of:
        case Union():
            return _union(of)
        case Array():
            return _array(plain(of.items))
        case Map():
            return _map(plain(of.values))
        case Record():
            fields = record(of)
            names = [f.name for f in of.fields]
            return lambda v: dict(zip(names, fields(v), strict=True))
        case Enum():
            return _checked(of, lambda v: v)
        case Primitive() | Fixed() if of.logical:
            return _logical(of)
        case Fixed() | Primitive("bytes"):
            return _checked(of, lambda v: v.encode("latin-1"))
        case Primitive("float") | Primitive("double"):
            return _checked(of, float)
        case Primitive("string"):
            return _text
    return _checked(of, lambda v: v)


def record(of: Record) -> Callable[[Any], list[Any]]:
    """A function from a JSON object to the list of its fields; it ignores names that the record lacks."""
    fields = [_field(f) for f in of.fields]

    def convert(v: Any) -> list[Any]:
        if not isinstance(v, dict):
            raise _bad(f"no object for {of.name}")
        return [field(v) for field in fields]

    return convert


def cell(of: Type) -> Plain:  # noqa: PLR0911 (one return a kind)
    """A function from the text of a CSV cell to a value; an empty one is null where null may be.

    Records, arrays, maps and general unions are written as JSON.
    """
    if isinstance(of, Union) and NULL in of.branches:
        inner = cell(of.optional) if of.optional else _nested(of)
        return lambda text: inner(text) if text else None
    match of:
        case Primitive("boolean"):
            return _boolean
        case Primitive("int" | "long") if of.logical is None:
            return _number(int, plain(of))
        case Primitive("float" | "double"):
            return _number(float, plain(of))
        case Primitive("int" | "long"):
            read = plain(of)
            return lambda text: read(int(text) if text.lstrip("-").isdecimal() else text)
        case Array() | Map() | Record() | Union() | Primitive("null"):
            return _nested(of)
    return plain(of)


def _field(field: Field) -> Plain:
    read, name = plain(field.type), field.name
    missing = Compiler(Limits().max_depth).default(field.type, field.default) if field.default is not MISSING else None
    required = field.default is MISSING and not (isinstance(field.type, Union) and NULL in field.type.branches)

    def convert(v: dict[str, Any]) -> Any:
        if name not in v and required:
            raise _bad(f"field {name}: missing")
        try:
            return read(v[name]) if name in v else missing
        except PoisonError as error:
            raise _bad(f"field {name}: {error.detail}") from None

    return convert


def _checked(of: Type, convert: Plain) -> Plain:
    said = f"no {describe(of)}"

    def check(v: Any) -> Any:
        if mismatch(of, v):
            raise _bad(said)
        return convert(v)

    return check


def _text(v: Any) -> str:
    if not isinstance(v, str):
        raise _bad("no string")
    try:
        v.encode()
    except UnicodeEncodeError:
        raise _bad("text that has no UTF-8") from None
    return v


def _array(item: Plain) -> Plain:
    def convert(v: Any) -> list[Any]:
        if not isinstance(v, list):
            raise _bad("no list")
        return [item(i) for i in v]

    return convert


def _map(value: Plain) -> Plain:
    def convert(v: Any) -> list[tuple[str, Any]]:
        if not isinstance(v, dict):
            raise _bad("no object")
        return [(_text(key), value(i)) for key, i in v.items()]

    return convert


def _union(of: Union) -> Plain:
    if of.optional is None:
        return lambda v: _general(of, v)
    inner, name = plain(of.optional), branch_name(of.optional)

    def convert(v: Any) -> Any:
        if v is None:
            return None
        try:
            return inner(v)
        except PoisonError:
            if isinstance(v, dict) and list(v) == [name]:
                return inner(v[name])
            raise

    return convert


def _general(of: Union, v: Any) -> str | None:
    """Avro's JSON encoding; whether what is under the name of the branch fits is for the encoder to say."""
    if v is None and NULL in of.branches:
        return None
    if isinstance(v, dict) and len(v) == 1 and next(iter(v)) in [branch_name(b) for b in of.branches]:
        return json.dumps(v)
    branch = branch_of(of, v)
    if branch is None:
        raise _bad(f"no {describe(of)}")
    return json.dumps({branch_name(branch): v})


def _logical(of: Primitive | Fixed) -> Plain:
    assert of.logical is not None, "asked for logical types only"
    name, whole = of.logical.name, _checked(of, lambda v: v)
    match name:
        case "decimal" if of.logical.precision <= 76:
            return _decimal(of.logical.precision, of.logical.scale)
        case "uuid":
            return lambda v: str(_said("no UUID", uuid.UUID, v))
        case "date":
            return lambda v: whole(_said("no date", _days, v) if isinstance(v, str) else v)
        case "time-millis" | "time-micros":
            return lambda v: whole(_said("no time", _time, v, DAY[name] // 86_400) if isinstance(v, str) else v)
        case "decimal" | "duration":
            return _checked(of, lambda v: v.encode("latin-1"))
    units = _A_SECOND[name.rsplit("-", 1)[1]]
    zoned = not name.startswith("local-")
    return lambda v: whole(_instant(v, units, zoned) if isinstance(v, str) else v)


def _said(message: str, convert: Callable[..., Any], *arguments: Any) -> Any:
    """The same function with an error that does not show the value."""
    try:
        return convert(*arguments)
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise _bad(message) from None


def _days(text: str) -> int:
    return (dt.date.fromisoformat(text) - _EPOCH.date()).days


def _time(text: str, a_second: int) -> int:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError
    hour, minute, second = (int(match[i] or 0) for i in (1, 2, 3))
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError
    return (hour * 3600 + minute * 60 + second) * a_second + _fraction(match[4], a_second)


def _fraction(digits: str | None, a_second: int) -> int:
    """Digits behind the point in units; ValueError when there are more than the unit has."""
    value, rest = divmod(int((digits or "0").ljust(9, "0")) * a_second, 10**9)
    if rest:
        raise ValueError
    return value


def _instant(text: str, a_second: int, zoned: bool) -> int:
    """Units since the epoch. A text with a zone is no local time; one without is in UTC."""
    said = "no timestamp such as 2026-01-31T06:00:00Z" if zoned else "no local timestamp such as 2026-01-31T06:00:00"
    match = _INSTANT.fullmatch(text)
    if match is None or (match[3] and not zoned):
        raise _bad(said)
    moment = _said(said, dt.datetime.fromisoformat, match[1] + (match[3] or "Z"))
    whole = (moment - _EPOCH) // dt.timedelta(seconds=1)
    return int(whole) * a_second + int(_said(f"{said}, with fewer digits", _fraction, match[2], a_second))


def _decimal(precision: int, scale: int) -> Plain:
    exact = Context(prec=precision, traps=[Inexact, InvalidOperation])
    said = f"no decimal({precision}, {scale})"

    def convert(v: Any) -> Decimal:
        if isinstance(v, bool) or not isinstance(v, str | int | float):
            raise _bad(said)
        try:
            number = Decimal(repr(v) if isinstance(v, float) else v).quantize(Decimal(1).scaleb(-scale), context=exact)
        except (InvalidOperation, Inexact):
            raise _bad(said) from None
        if not number.is_finite():
            raise _bad(said)
        return number

    return convert


def _boolean(text: str) -> bool:
    value = {"true": True, "1": True, "false": False, "0": False}.get(text.strip().lower())
    if value is None:
        raise _bad("no boolean: true, false, 1 or 0")
    return value


def _number(parse: Callable[[str], Any], check: Plain) -> Plain:
    """Python would also take 1_000."""
    return lambda text: check(_said("no number", parse, text) if "_" not in text else text)


def _nested(of: Type) -> Plain:
    read = plain(of)

    def convert(text: str) -> Any:
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            raise _bad(f"no {describe(of)} written as JSON") from None
        return read(parsed)

    return convert
