"""The one door to Great Expectations: importing it quietly, its registry, its judgement of arguments.

Importing it costs two seconds and 240 MB, so nobody does before something is asked that only it can answer.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from stream.errors import ConfigurationError, Problem
from stream.suggestion import did_you_mean
from stream.validation.suite import Suite

MAX_MESSAGE_CHARACTERS: Final = 300


def great_expectations() -> Any:
    """The library, imported with its effects on this process undone.

    Analytics are off (older releases sent some), warnings are captured by logging only if they were before,
    and its log lines, which may quote values of events, go nowhere.
    """
    if "great_expectations" not in sys.modules:
        os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    shown = warnings.showwarning
    with quietly():
        import great_expectations as library
        import great_expectations.execution_engine
        import great_expectations.expectations.registry
        import great_expectations.validator.metric_configuration
        import great_expectations.validator.metrics_calculator
        import great_expectations.validator.validator

        if warnings.showwarning is not shown:
            logging.captureWarnings(False)
    graph: Any = library.validator.validation_graph
    graph.tqdm.monitor_interval = 0  # no thread to watch progress bars that are off
    log = logging.getLogger("great_expectations")
    if log.propagate:
        log.propagate = False
        log.addHandler(logging.NullHandler())
    return library


@contextmanager
def quietly() -> Iterator[None]:
    """Without the warnings of GX and pandas: of deprecations, of groups in patterns, of empty columns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def known_types() -> Collection[str]:
    """The names of all expectations that GX knows, custom classes that were imported among them."""
    registry = great_expectations().expectations.registry
    names: list[str] = registry.list_registered_expectation_implementations()
    return names


def is_replaced(type_: str) -> bool:
    """Whether a custom class has taken the name of one of GX's own expectations."""
    if "great_expectations" not in sys.modules:
        return False
    implementation = great_expectations().expectations.registry.get_expectation_impl(type_)
    return not implementation.__module__.startswith("great_expectations.")


def construct(type_: str, arguments: Mapping[str, Any]) -> Any:
    """The expectation as an object of GX. Raises whatever GX raises for arguments it does not take."""
    great_expectations()
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    with quietly():
        return ExpectationConfiguration(type=type_, kwargs=dict(arguments)).to_domain_obj()


def argument_mistakes(type_: str, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(argument or "", message) for everything that GX finds wrong with the arguments of an expectation."""
    library = great_expectations()
    from great_expectations.compatibility.pydantic import ValidationError

    try:
        construct(type_, arguments)
    except ValidationError as error:
        known = library.expectations.registry.get_expectation_impl(type_).__fields__
        return _by_argument(error.errors(), known)
    except Exception as error:
        return [("", brief(error))]
    return []


def evaluate_parameter(expression: str, parameters: Mapping[str, Any]) -> Any:
    """An expression over suite parameters, such as `limit * 2`. Raises ValueError when GX cannot evaluate it."""
    great_expectations()
    from great_expectations.core.suite_parameters import parse_suite_parameter

    try:
        return parse_suite_parameter(expression, dict(parameters))
    except Exception as error:
        raise ValueError(f"the expression {expression!r} has no value: {brief(error)}") from None


def verify_with_gx(suite: Suite) -> None:
    """Load the whole file through GX as well, for `stream check`.

    Raises ConfigurationError when GX refuses it, or keeps other expectations than the file has.
    """
    library = great_expectations()
    place = suite.document.place()
    try:
        with quietly():
            loaded = library.ExpectationSuite(**suite.document.value)
    except Exception as error:
        message = f"Great Expectations does not load this suite: {brief(error)}"
        raise ConfigurationError([Problem(message, place=place)]) from None
    kept = [expectation.expectation_type for expectation in loaded.expectations]
    if kept != [expectation.type for expectation in suite.expectations]:
        message = f"Great Expectations keeps {len(kept)} of the {len(suite.expectations)} expectations of this suite"
        raise ConfigurationError([Problem(message, place=place)])


def brief(error: BaseException) -> str:
    """The first line of an error's text; only for errors that no event had a part in."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:MAX_MESSAGE_CHARACTERS]}" if lines else type(error).__name__


def _by_argument(errors: Sequence[Any], known: Collection[str]) -> list[tuple[str, str]]:
    """One line for an argument: pydantic reports each alternative of a union on its own."""
    messages: dict[str, list[str]] = {}
    for error in errors:
        argument = "" if error["loc"][0] == "__root__" else str(error["loc"][0])
        unknown = error["type"] == "value_error.extra"
        message = f"unknown argument '{argument}'{did_you_mean(argument, known)}" if unknown else str(error["msg"])
        if message not in messages.setdefault(argument, []):
            messages[argument].append(message)
    if len(messages) > 1:
        messages.pop("", None)  # what a whole lacks follows from an argument that was not taken
    return [(argument, _sentence(argument, " or ".join(found))) for argument, found in messages.items()]


def _sentence(argument: str, message: str) -> str:
    return f"argument '{argument}': {message}" if argument and f"'{argument}'" not in message else message
