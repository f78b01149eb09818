"""Suites of Great Expectations as JSON: the project's own with accidents; what is taken judges events."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import pyarrow as pa
from fuzz.mutations import as_json, changed, damaged, scribbled, tree_of
from fuzz.target import INPUTS, MARK, Judge, Target, check_told, demand

from stream.batch import Batch, Messages
from stream.errors import ConfigurationError, ProcessError
from stream.validation import compile_suite
from stream.validation.gx import known_types
from stream.validation.load import parse_suite

ROOT: Final = Path(__file__).resolve().parents[3]
NAME: Final = "suite.json"
COLUMNS: Final = ("number", "whole", "text", "flag")
SCHEMA: Final = pa.schema(
    [
        pa.field("number", pa.float64()),
        pa.field("whole", pa.int64(), False),
        pa.field("text", pa.string()),
        pa.field("flag", pa.bool_()),
    ]
)
WORDS: Final = (
    *COLUMNS,
    *(
        "name",
        "expectations",
        "type",
        "kwargs",
        "severity",
        "critical",
        "warning",
        "info",
        "meta",
        "rule_id",
        "id",
        "notes",
    ),
    *(
        "column",
        "column_A",
        "column_B",
        "column_list",
        "value_set",
        "min_value",
        "max_value",
        "strict_min",
        "strict_max",
    ),
    *("mostly", "regex", "regex_list", "match_on", "any", "all", "ignore_row_if", "or_equal", "value", "row_condition"),
    *(
        "condition_parser",
        "suite_parameters",
        "$PARAMETER",
        "limit",
        "limit * 2",
        "now()",
        "2 ** 99999999",
        "limit['a']",
    ),
    *("expect_column_values_to_be_between", "expect_column_values_to_be_in_set", "expect_column_values_to_not_be_null"),
    *("expect_column_values_to_match_regex", "expect_column_value_lengths_to_be_between", "expect_column_to_exist"),
    *("^[A-Z]+$", "(a+)+$", "(?i)x", "a{1,2000}", "(" * 50, "[", "\\d+", "(?<=a)b", "\\Z", "é|ü", "a" * 2000),
)
ARGUMENTS: Final[Mapping[str, Sequence[Any]]] = {
    "min_value": (0, 0.5, -1, None, {"$PARAMETER": "limit"}, "2026-01-01"),
    "max_value": (1, 10**12, 1.5, {"$PARAMETER": "limit * 2"}),
    "value_set": ([1, 2], ["a", ""], [0.5, -1], [True]),
    "regex": tuple(WORDS[-12:]),
    "regex_list": (["a", "^b"], ["\\d+"], []),
    "mostly": (1, 0.5, 0.99, 0, 2),
    "strict_min": (True, False),
    "value": (1, 4),
    "type_": ("int64", "float64"),
    "column_A": ("number", "whole"),
    "column_B": ("whole", "text"),
}
FITTING_ARGUMENTS: Final[Mapping[str, Sequence[str]]] = {
    "expect_column_values_to_be_between": ("min_value", "max_value", "mostly"),
    "expect_column_values_to_be_in_set": ("value_set",),
    "expect_column_values_to_not_be_in_set": ("value_set", "mostly"),
    "expect_column_values_to_not_be_null": (),
    "expect_column_values_to_be_null": ("mostly",),
    "expect_column_values_to_match_regex": ("regex",),
    "expect_column_values_to_not_match_regex": ("regex",),
    "expect_column_values_to_match_regex_list": ("regex_list",),
    "expect_column_value_lengths_to_be_between": ("min_value", "max_value"),
    "expect_column_value_lengths_to_equal": ("value",),
    "expect_column_values_to_be_unique": (),
    "expect_column_to_exist": (),
}
FITTING: Final = tuple(FITTING_ARGUMENTS)
PIECES: Final = (
    *('"', "{", "}", "[", "]", ",", ":", "\\", "null", "true", "NaN", "Infinity", "1e999", "1" * 5000, "\\ud800", "\0"),
    *("\ufeff", '"kwargs": {}', '{"$PARAMETER": "limit"}', '"mostly": 0.5,', '"severity": "warning",', "\t", "//", "é"),
)


def prepare() -> Judge:
    texts = [path.read_text() for path in sorted((ROOT / "suites").glob("*.json"))]
    trees = [tree_of(json.loads(text)) for text in texts]
    types = sorted(known_types())
    batch = _batch()

    def judge(random: Random, counts: Counter[str]) -> None:
        text = _text(random, texts, trees, types)
        counts[INPUTS] += 1
        try:
            suite = parse_suite(NAME, text)
            plan = compile_suite(suite, SCHEMA)
        except ConfigurationError as error:
            counts["refused"] += 1
            check_told(error, NAME)
            return
        counts["taken"] += 1
        try:
            verdict = plan.evaluate(batch)
        except ProcessError as error:
            counts["ended by Great Expectations"] += 1
            demand(MARK not in str(error), "an error holds a piece of a payload", ascii(str(error)[:300]))
            return
        missed = verdict.critical.any()
        demand(missed is None or len(missed) == len(batch), "each event has a verdict")

    return judge


def _batch() -> Batch:
    rows = [
        (0.5, 1, "a", True),
        (None, 2, None, None),
        (float("nan"), 3, f"{MARK} é\n", False),
        (1e300, -(2**63), "", True),
    ]
    arrays = [pa.array(list(column), field.type) for column, field in zip(zip(*rows, strict=True), SCHEMA, strict=True)]
    return Batch(
        Messages.of([b""] * len(rows)), np.arange(len(rows)), pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
    )


def _text(random: Random, texts: Sequence[str], trees: Sequence[Any], types: Sequence[str]) -> str:
    roll = random.random()
    if roll < 0.04:
        return _bomb(random)
    if roll < 0.1:
        data = damaged(random, random.choice(texts).encode(), random.choice(texts).encode())
        return data.decode("utf-8", "replace")
    if roll < 0.2:
        return scribbled(random, random.choice(texts), PIECES, texts)
    tree = random.choice(trees) if roll < 0.4 else _suite(random, types)
    text = as_json(
        changed(random, tree, (*WORDS, *types), random.choice((0, 1, 1, 2, 4))), ascii_only=random.random() < 0.5
    )
    return scribbled(random, text, PIECES, texts) if random.random() < 0.1 else text


def _suite(random: Random, types: Sequence[str]) -> Any:
    """A suite of expectations with arguments that fit, mostly."""
    expectations = []
    for _ in range(random.choice((1, 1, 2, 3))):
        type_ = random.choice((random.choice(types), random.choice(FITTING), random.choice(FITTING)))
        kwargs = {"column": random.choice(COLUMNS)}
        fitting = ARGUMENTS if type_ not in FITTING else {n: ARGUMENTS[n] for n in FITTING_ARGUMENTS[type_]}
        names = sorted(fitting) if type_ in FITTING else random.sample(sorted(fitting), random.choice((0, 1, 2)))
        kwargs |= {name: random.choice(fitting[name]) for name in names}
        severity = random.choice(("critical", "warning", "info"))
        expectations.append({"type": type_, "kwargs": kwargs, "severity": severity})
    return tree_of({"name": "s", "expectations": expectations, "suite_parameters": {"limit": 5}})


def _bomb(random: Random) -> str:
    n = random.choice((10, 500, 1000, 20_000))
    expectation = {"type": "expect_column_to_exist", "kwargs": {"column": "number"}}
    parameter = random.choice(
        ("2 ** 9 ** 9 ** 9", "9" * n, "(" * n + "1" + ")" * n, "1" + " + 1" * n, "limit" * n, "sin(1", "-" * n)
    )
    return random.choice(
        (
            "[" * n,
            '{"name": "s", "expectations": ' + "[" * n + "]" * n + "}",
            json.dumps({"name": "s", "expectations": [expectation] * n}),
            json.dumps({"name": "s" * n, "expectations": [expectation]}),
            json.dumps({"name": "s", "expectations": [{**expectation, "kwargs": {"column": "c" * n}}]}),
            json.dumps({"name": "s", "expectations": [{**expectation, "type": "expect_" + "x" * n}]}),
            json.dumps({"name": "s", "expectations": [expectation], **{f"key{i}": i for i in range(n)}}),
            json.dumps(
                {"name": "s", "expectations": [_between({"$PARAMETER": parameter})], "suite_parameters": {"limit": 2}}
            ),
            json.dumps({"name": "s", "expectations": [_between(10**400)]}),
            json.dumps({"name": "s", "expectations": [_matches("(" * n + ")" * n)]}),
            json.dumps({"name": "s", "expectations": [_matches("a{1,1000}" * min(n, 500))]}),
            json.dumps({"name": "s", "expectations": [_matches("(a*)*" * min(n, 20) + "$")]}),
        )
    )


def _between(value: Any) -> dict[str, Any]:
    return {"type": "expect_column_values_to_be_between", "kwargs": {"column": "number", "min_value": value}}


def _matches(regex: str) -> dict[str, Any]:
    return {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "text", "regex": regex}}


TARGET: Final = Target(
    "suite",
    "suites; what is taken judges four events",
    prepare,
    cpu_s=20,
    mebibytes=192,
    long=100_000,
    short=60,
)
