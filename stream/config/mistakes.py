"""pydantic's errors in the words of the pipeline file: what is wrong, and what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stream.config.document import Document
from stream.config.stage_entry import StageEntry
from stream.errors import Problem
from stream.stages import KINDS, kind
from stream.suggestion import did_you_mean

MAX_SHOWN: Final = 40
UNKNOWN_KEY: Final = "extra_forbidden"
KEY: Final = "[key]"
"""How pydantic ends the path of an error in a key of a mapping."""

_TYPES: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "model_type": "a mapping of keys to values",
    "dict_type": "a mapping of keys to values",
    "tuple_type": "a list",
    "list_type": "a list",
}
_EMPTY: Final = frozenset({"too_short", "string_too_short"})
_BOUNDS: Final[Mapping[str, Callable[[dict[str, Any]], str]]] = {
    "greater_than": lambda c: f"more than {_number(c['gt'])}",
    "greater_than_equal": lambda c: f"at least {_number(c['ge'])}",
    "less_than": lambda c: f"less than {_number(c['lt'])}",
    "less_than_equal": lambda c: f"at most {_number(c['le'])}",
}


def problems_of(error: ValidationError, model: type[BaseModel], document: Document) -> list[Problem]:
    """One problem for each error, with its path of keys in the file and its place there."""
    return [
        _problem(found, model, document)
        for found in error.errors(include_url=False)
        if not (found["type"] in _EMPTY and found["input"])  # a list all of whose items are wrong is not empty
    ]


def _problem(found: ErrorDetails, model: type[BaseModel], document: Document) -> Problem:
    at = tuple(part for part in found["loc"] if part != KEY)
    is_about_key = found["type"] == UNKNOWN_KEY or KEY in found["loc"]
    here = shown_path(document.trimmed(at)) or "the file"
    return Problem(_text(found, here, model), at, document.place(at, key=is_about_key))


def keys_of(model: Any, path: tuple[str | int, ...]) -> dict[str, str]:
    """What may be written under this path of a file of this model, with descriptions; empty if unknown."""
    for part in path:
        model = _under(model, part)
    model = _inner(model)
    if model is StageEntry:
        return dict(KINDS)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return {}
    return {field.alias or name: field.description or "" for name, field in model.model_fields.items()}


def _text(found: ErrorDetails, here: str, model: type[BaseModel]) -> str:
    loc, what, context = found["loc"], found["type"], found.get("ctx", {})
    if what == UNKNOWN_KEY:
        return _unknown_key(str(loc[-1]), shown_path(loc[:-1]), keys_of(model, loc[:-1]))
    if what == "missing":
        meaning = keys_of(model, loc[:-1]).get(str(loc[-1]), "")
        return f"{here} is missing" + (f": {_first_sentence(meaning)}" if meaning else "")
    if what == "value_error":
        return _sentence(here, str(context["error"]))
    if what in _EMPTY:
        return f"{here} must not be empty"
    if right := _right(what, context):
        return f"{here} must be {right}, not {_shown(found['input'])}{_hint(what, found['input'], context)}"
    return f"{here}: {found['msg']}"


def _right(what: str, context: dict[str, Any]) -> str:
    """What the value must be, or nothing for an error that says it itself."""
    if what in _BOUNDS:
        return _BOUNDS[what](context)
    if what == "literal_error":
        return str(context["expected"]).replace("'", "")
    return _TYPES.get(what, "")


def _number(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


def _hint(what: str, given: Any, context: dict[str, Any]) -> str:
    if what == "string_type" and isinstance(given, int | float):
        return "; put it in quotes"
    if what == "literal_error":
        return did_you_mean(str(given), re.findall(r"'(\w+)'", str(context["expected"])))
    return ""


def _unknown_key(key: str, where: str, allowed: Mapping[str, str]) -> str:
    place = f" in {where}" if where else ""
    if allowed.keys() == KINDS.keys():
        return f"unknown stage '{key}'{did_you_mean(key, KINDS)}; the kinds are {', '.join(KINDS)}"
    if not allowed:
        return f"unknown key '{key}'{place}"
    return f"unknown key '{key}'{place}{did_you_mean(key, allowed)}; known here: {', '.join(allowed)}"


def shown_path(loc: tuple[str | int, ...]) -> str:
    """("stages", 0, "infer", "model") as stages[0].infer.model."""
    text = ""
    for part in loc:
        if part != KEY:
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _sentence(here: str, text: str) -> str:
    """Our own validators say 'must be ...', after which the path reads well, or a sentence of their own."""
    return f"{here} {text}" if text.startswith(("must ", "needs ", "names ")) else f"{here}: {text}"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"the text '{value[:MAX_SHOWN]}'" if value else "an empty text"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list | tuple) else str(value)[:MAX_SHOWN]


def _first_sentence(description: str) -> str:
    text = description.split(". ", maxsplit=1)[0].rstrip(".")
    return text[0].lower() + text[1:] if text.startswith(("A ", "The ", "What ", "Where ")) else text


def _under(model: Any, part: str | int) -> Any:
    """The annotation one key further down."""
    model = _inner(model)
    if isinstance(part, int):
        return next((a for a in get_args(model) if a is not Ellipsis), None)
    if get_origin(model) is dict:
        return get_args(model)[1]
    if model is StageEntry:
        return kind(part).settings if part in KINDS else None
    fields = getattr(model, "model_fields", {})
    return next((f.annotation for n, f in fields.items() if part in (n, f.alias)), None)


def _inner(model: Any) -> Any:
    """The type within Annotated[...] and ... | None."""
    while (args := get_args(model)) and (hasattr(model, "__metadata__") or type(None) in args):
        model = next(a for a in args if a is not type(None))
    return model
