"""Reading a suite file: every mistake at once, each with file:line:column.

Files as Great Expectations 1.x writes them: `json.dump(suite.to_json_dict(), file)`, or what a
FileDataContext keeps under gx/expectations/. GX itself drops what it does not know without a word; here that
is a mistake. GX is imported only for what cannot be judged without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from stream.errors import ConfigurationError, Problem
from stream.suggestion import did_you_mean
from stream.validation.arguments import is_well_formed
from stream.validation.patterns import pattern_problem
from stream.validation.positions import Document, Steps, read_document
from stream.validation.suite import ID_SEPARATOR, Expectation, Severity, Suite, distinct_ids, short_id

MAX_BYTES: Final = 10_000_000
MAX_ID_CHARACTERS: Final = 200
MAX_EXPECTATIONS: Final = 2_000

_SUITE_KEYS: Final = ("name", "id", "expectations", "meta", "notes", "suite_parameters")
_EXPECTATION_KEYS: Final = (
    "type",
    "kwargs",
    "severity",
    "id",
    "meta",
    "notes",
    "description",
    "rendered_content",
    "expectation_context",
    "success_on_last_run",
)
_OLD_FORM: Final = (
    "this suite was written by Great Expectations 0.18 or older. Rename expectation_suite_name to name,"
    " in each expectation expectation_type to type, and evaluation_parameters to suite_parameters; remove"
    " data_asset_type and ge_cloud_id"
)
_PARAMETER: Final = "$PARAMETER"
_PLAIN_NAME: Final = re.compile(r"(?!(?:e|pi)\Z)[a-z][a-z0-9_$]*", re.IGNORECASE)
"""A parameter's name; E and PI are constants in the expressions of GX."""
_NOW: Final = re.compile(r"\bnow\s*\(")


def load_suite(path: Path) -> Suite:
    """Read a suite file. Raises ConfigurationError with all mistakes, each at its file:line:column."""
    return parse_suite(str(path), _read(path))


def parse_suite(file: str, text: str) -> Suite:
    """The suite in the text of a file of this name. Raises ConfigurationError like load_suite."""
    document = read_document(file, text)
    problems = list(_shape_problems(document))
    if problems:
        raise ConfigurationError(problems)
    entries = [_read_entry(document, index) for index in range(len(document.value["expectations"]))]
    problems += [problem for _, found in entries for problem in found]
    problems += _id_problems(document)
    if problems:
        raise ConfigurationError(problems)
    ids = distinct_ids([_proposed_id(e) for e in document.value["expectations"]])
    expectations = [_expectation(document, i, id, entries[i][0]) for i, id in enumerate(ids)]
    return Suite(document.value["name"], tuple(expectations), document)


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
        if len(content) <= MAX_BYTES:
            return content.decode()
        message = f"the suite file is larger than {MAX_BYTES} bytes"
    except OSError as error:  # no place in it: who names the file is at fault
        raise ConfigurationError([Problem(f"{path}: cannot read the suite: {error.strerror}")]) from None
    except UnicodeDecodeError:
        message = "the suite file is not UTF-8 text"
    raise ConfigurationError([Problem(message, place=f"{path}:1:1")])


def _shape_problems(document: Document) -> Iterator[Problem]:
    """Whether it is a suite at all, with a name and a list of expectations of the right form."""
    suite = document.value
    if not isinstance(suite, dict):
        yield _problem(document, (), "a suite is a JSON object with name and expectations")
        return
    if _is_old(suite):
        yield _problem(document, ("expectation_suite_name",), _OLD_FORM)
        return
    for steps in document.repeated:
        yield Problem(f"'{steps[-1]}' is given twice; only the last would count", place=document.key_place(*steps))
    yield from _unknown_keys(document, (), suite, _SUITE_KEYS)
    if not isinstance(suite.get("name"), str) or not suite["name"]:
        yield _problem(document, ("name",), "name must be a text that is not empty")
    if not isinstance(suite.get("meta") or {}, dict):
        yield _problem(document, ("meta",), "meta must be an object")
    if not isinstance(suite.get("suite_parameters") or {}, dict):
        yield _problem(document, ("suite_parameters",), "suite_parameters must be an object")
    expectations = suite.get("expectations")
    if not isinstance(expectations, list) or not expectations:
        yield _problem(document, ("expectations",), "expectations must be a list with at least one expectation")
        return
    if len(expectations) > MAX_EXPECTATIONS:
        yield _problem(document, ("expectations",), f"more than {MAX_EXPECTATIONS} expectations; make several suites")
        return
    for index, expectation in enumerate(expectations):
        yield from _expectation_problems(document, ("expectations", index), expectation)


def _is_old(suite: Mapping[str, Any]) -> bool:
    expectations = suite.get("expectations")
    listed = expectations if isinstance(expectations, list) else []
    return "expectation_suite_name" in suite or any(isinstance(e, dict) and "expectation_type" in e for e in listed)


def _expectation_problems(document: Document, steps: Steps, expectation: Any) -> Iterator[Problem]:
    if not isinstance(expectation, dict):
        yield _problem(document, steps, "an expectation is an object with type and kwargs")
        return
    yield from _unknown_keys(document, steps, expectation, _EXPECTATION_KEYS)
    if not isinstance(expectation.get("type"), str):
        yield _problem(document, (*steps, "type"), "type must be the name of an expectation")
    if not isinstance(expectation.get("kwargs"), dict):
        yield _problem(document, (*steps, "kwargs"), "kwargs must be an object with the arguments")
    if not isinstance(expectation.get("meta") or {}, dict):
        yield _problem(document, (*steps, "meta"), "meta must be an object")
    severity = expectation.get("severity", Severity.CRITICAL)
    if severity not in list(Severity):
        hint = did_you_mean(str(severity), Severity)
        yield _problem(document, (*steps, "severity"), f"severity must be critical, warning or info{hint}")


def _unknown_keys(document: Document, steps: Steps, found: dict[str, Any], known: tuple[str, ...]) -> Iterator[Problem]:
    for key in found:
        if key not in known:
            message = f"unknown key '{key}'{did_you_mean(key, known)}"
            yield Problem(message, place=document.key_place(*steps, key))


def _read_entry(document: Document, index: int) -> tuple[dict[str, Any], list[Problem]]:
    """The arguments of an expectation with parameters put in, and what is wrong with them."""
    steps: Steps = ("expectations", index)
    expectation = document.value["expectations"][index]
    arguments, problems = _bind(document, (*steps, "kwargs"), expectation["kwargs"])
    if problems:
        return arguments, problems
    if not is_well_formed(expectation["type"], arguments):
        problems += _ask_gx(document, steps, expectation["type"], arguments)
    return arguments, problems or list(_pattern_problems(document, (*steps, "kwargs"), arguments))


def _bind(document: Document, steps: Steps, kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """kwargs with {"$PARAMETER": ...} replaced as GX does it when it validates."""
    parameters = document.value.get("suite_parameters") or {}
    bound: dict[str, Any] = {}
    problems = []
    for name, value in kwargs.items():
        if not (isinstance(value, dict) and _PARAMETER in value):
            bound[name] = value
            continue
        try:
            bound[name] = _parameter(value, parameters)
        except ValueError as error:
            problems.append(_problem(document, (*steps, name), f"'{name}': {error}"))
    return bound, problems


def _parameter(value: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
    """Raises ValueError saying what is wrong when there is no value for it."""
    wanted = value[_PARAMETER]
    if not isinstance(wanted, str):
        raise ValueError("$PARAMETER must be the name of a suite parameter")  # noqa: TRY004 (all reported alike)
    if f"{_PARAMETER}.{wanted}" in value:
        return value[f"{_PARAMETER}.{wanted}"]
    if _PLAIN_NAME.fullmatch(wanted):
        if wanted not in parameters:
            raise ValueError(f"suite_parameters has no '{wanted}'{did_you_mean(wanted, parameters)}")
        return parameters[wanted]
    if _NOW.search(wanted):
        raise ValueError("now() would make the verdict depend on when an event is read; write the time itself")
    from stream.validation.gx import evaluate_parameter

    return evaluate_parameter(wanted, parameters)


def _ask_gx(document: Document, steps: Steps, type_: str, arguments: Mapping[str, Any]) -> list[Problem]:
    from stream.validation.gx import argument_mistakes, known_types

    known = known_types()
    if type_ not in known:
        message = f"Great Expectations has no '{type_}' and would leave it out{did_you_mean(type_, known)}"
        return [_problem(document, (*steps, "type"), message)]
    mistakes = argument_mistakes(type_, arguments)
    return [
        Problem(f"{type_}: {message}", place=document.key_place(*steps, "kwargs", *([name] if name else [])))
        for name, message in mistakes
    ]


def _pattern_problems(document: Document, steps: Steps, arguments: Mapping[str, Any]) -> Iterator[Problem]:
    patterns = arguments.get("regex_list") or []
    listed: list[tuple[Steps, Any]] = [(("regex_list", i), p) for i, p in enumerate(patterns)]
    for inner, pattern in [(("regex",), arguments.get("regex")), *listed]:
        message = pattern_problem(pattern) if isinstance(pattern, str) else None
        if message:
            yield _problem(document, (*steps, *inner), message)


def _id_problems(document: Document) -> Iterator[Problem]:
    chosen: dict[str, int] = {}
    for index, expectation in enumerate(document.value["expectations"]):
        id, is_chosen, _ = _proposed_id(expectation)
        steps: Steps = ("expectations", index, *(("id",) if expectation.get("id") else ("meta", "rule_id")))
        if not is_chosen:
            continue
        if not isinstance(id, str) or ID_SEPARATOR in id or not id.isprintable() or len(id) > MAX_ID_CHARACTERS:
            yield _problem(
                document, steps, f"an id must be printable text without commas, at most {MAX_ID_CHARACTERS} characters"
            )
        elif id in chosen:
            yield _problem(document, steps, f"the id '{id}' is also that of expectation {chosen[id] + 1}")
        else:
            chosen[id] = index


def _proposed_id(expectation: Mapping[str, Any]) -> tuple[Any, bool, object]:
    chosen = expectation.get("id") or (expectation.get("meta") or {}).get("rule_id")
    content = [expectation["type"], expectation["kwargs"], expectation.get("severity")]
    return chosen or short_id(expectation["type"], expectation["kwargs"]), bool(chosen), content


def _expectation(document: Document, index: int, id: str, arguments: Mapping[str, Any]) -> Expectation:
    steps: Steps = ("expectations", index)
    entry = document.value["expectations"][index]
    places = {name: document.key_place(*steps, "kwargs", name) for name in entry["kwargs"]}
    severity = Severity(entry.get("severity", Severity.CRITICAL))
    return Expectation(id, entry["type"], arguments, severity, document.place(*steps), places)


def _problem(document: Document, steps: Steps, message: str) -> Problem:
    return Problem(message, place=document.place(*steps))
