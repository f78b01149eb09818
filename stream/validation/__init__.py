"""Events against a Great Expectations suite.

    load_suite, Suite, Expectation, Severity     a suite file, checked
    compile_suite, Plan, Tier                    its checks on columns of a schema
    Verdict, Misses                              what a plan says of a batch
    verify_with_gx                               the file through Great Expectations as well, for `stream check`

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
