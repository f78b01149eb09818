"""Columns out of a service's JSON answers. What is missing or of another type is that event's fault alone."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Final, NoReturn

import pyarrow as pa

from stream.errors import PoisonError

WHOLE: Final = "."
"""The path of the whole answer, or of the whole item of a group's answer."""
MAX_FLOAT32: Final = 3.4028234663852886e38
FIRST_MOMENT: Final = datetime.min.replace(tzinfo=UTC)
LAST_MOMENT: Final = datetime.max.replace(tzinfo=UTC)
"""Of a date and time in Python; a column of nanoseconds has the days of 64 bits of them only."""
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """One column of an answer. optional: what is missing or null there is null here."""

    column: str
    path: Path
    type: pa.DataType
    optional: bool = False

    def read(self, document: Any) -> Any:
        """Raises PoisonError: missing_field, wrong_type."""
        found = _at(document, self.path)
        if found is None:
            if self.optional:
                return None
            raise PoisonError("missing_field", f"the answer has nothing at {shown(self.path)} for '{self.column}'")
        try:
            return converted(found, self.type)
        except (ValueError, TypeError, OverflowError):
            text = f"the answer has something else than {self.type} at {shown(self.path)} for '{self.column}'"
            raise PoisonError("wrong_type", text) from None


def parse_path(text: str) -> Path:
    """("choices", "0", "text") of "choices.0.text", () of ".". Raises ValueError."""
    steps = () if text == WHOLE else tuple(text.split("."))
    if not all(steps) or not text:
        raise ValueError("must be names and list indexes with dots in between, such as choices.0.text, or '.'")
    return steps


def shown(path: Path) -> str:
    return ".".join(path) or "its top"


def document_of(body: bytes) -> Any:
    """The JSON of an answer. Raises PoisonError without a word of it."""
    try:
        return json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise PoisonError("not_json", f"the answer of {len(body)} bytes is not JSON") from None


def items_of(body: bytes, path: Path, count: int) -> Sequence[Any]:
    """The items of a group's answer, one for each event. Raises PoisonError: not_json, wrong_count."""
    items = _at(document_of(body), path)
    if not isinstance(items, list) or len(items) != count:
        found = f"{len(items)} items" if isinstance(items, list) else "no list"
        raise PoisonError("wrong_count", f"the answer has {found} at {shown(path)} for {count} events")
    return items


def converted(value: Any, type_: pa.DataType) -> Any:
    """A JSON value as a column of the type takes it. Raises ValueError, TypeError or OverflowError."""
    if pa.types.is_list(type_):
        return [converted(item, type_.value_type) for item in _instance(value, list)]
    return _CONVERTERS[type_](value)


def _at(document: Any, path: Path) -> Any:
    """None where there is nothing."""
    for step in path:
        if isinstance(document, dict):
            document = document.get(step)
        elif isinstance(document, list) and step.isdecimal() and int(step[:9]) < len(document):
            document = document[int(step[:9])]
        else:
            return None
    return document


def _refuse(_constant: str) -> NoReturn:
    """NaN and Infinity are no JSON, though Python takes them."""
    raise ValueError


def _instance(value: Any, *types: type) -> Any:
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise TypeError
    return value


def _integer(bits: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        number = _instance(value, int, float)
        if number != int(number) or not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
            raise ValueError
        return int(number)

    return convert


def _float(most: float) -> Callable[[Any], float]:
    def convert(value: Any) -> float:
        number = float(_instance(value, int, float))
        if not math.isfinite(number) or abs(number) > most:
            raise ValueError
        return number

    return convert


def _string(value: Any) -> str:
    text: str = _instance(value, str)
    text.encode()  # half of a surrogate pair, which JSON can write, is no text
    return text


def _moment(
    resolution_us: int, earliest: datetime = FIRST_MOMENT, latest: datetime = LAST_MOMENT
) -> Callable[[Any], datetime]:
    def convert(value: Any) -> datetime:
        moment = datetime.fromisoformat(_string(value))
        if moment.tzinfo is None or not earliest <= moment <= latest:
            raise ValueError
        return moment.replace(microsecond=moment.microsecond // resolution_us * resolution_us)

    return convert


def _time(resolution_us: int) -> Callable[[Any], time]:
    def convert(value: Any) -> time:
        found = time.fromisoformat(_string(value))
        if found.tzinfo is not None:
            raise ValueError
        return found.replace(microsecond=found.microsecond // resolution_us * resolution_us)

    return convert


_CONVERTERS: Final[Mapping[pa.DataType, Callable[[Any], Any]]] = {
    pa.bool_(): lambda value: _instance(value, bool),
    pa.int32(): _integer(32),
    pa.int64(): _integer(64),
    pa.float32(): _float(MAX_FLOAT32),
    pa.float64(): _float(math.inf),
    pa.string(): _string,
    pa.binary(): lambda value: base64.b64decode(_string(value), validate=True),
    pa.date32(): lambda value: date.fromisoformat(_string(value)),
    pa.time32("ms"): _time(1000),
    pa.time64("us"): _time(1),
    pa.timestamp("ms", "UTC"): _moment(1000),
    pa.timestamp("us", "UTC"): _moment(1),
    pa.timestamp("ns", "UTC"): _moment(1, datetime(1677, 9, 22, tzinfo=UTC), datetime(2262, 4, 11, tzinfo=UTC)),
}
"""By the types that `type` may name."""
