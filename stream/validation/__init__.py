"""Events against a Great Expectations suite.

    load_suite, Suite, Expectation, Severity     a suite file, checked
    compile_suite, Plan, Tier                    its checks on columns of a schema
    Verdict, Misses                              what a plan says of a batch
    verify_with_gx                               the file through Great Expectations as well, for `stream check`

What an expectation does follows from its meaning and its severity:

    of rows, critical        the event is set aside, with the ids of all such expectations that it misses
    of rows, warning         the event passes and is marked with the id
    of rows, info            it is counted
    of the whole batch       never touches an event: counted and warned of, whatever its severity. These are
                             aggregates, uniqueness, order, outliers, and any expectation with `mostly` below 1:
                             a share is a statement about a batch, and batches are cut anew on every replay
    of columns and types     decided once, by the schema

A row expectation gives the verdict of Great Expectations for the row, whatever stands beside it in the batch.
Great Expectations and pandas are imported only when a suite has something that only they can decide.
"""

from stream.validation.compile import compile_suite
from stream.validation.gx import verify_with_gx
from stream.validation.load import load_suite
from stream.validation.plan import Plan, Tier
from stream.validation.suite import Expectation, Severity, Suite
from stream.validation.verdict import Misses, Verdict

__all__ = [
    "Expectation",
    "Misses",
    "Plan",
    "Severity",
    "Suite",
    "Tier",
    "Verdict",
    "compile_suite",
    "load_suite",
    "verify_with_gx",
]
