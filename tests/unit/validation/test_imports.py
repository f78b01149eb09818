"""What importing costs: a suite of compiled checks never pays for Great Expectations and pandas."""

import json
import subprocess
import sys
from pathlib import Path

from unit.validation.builders import expectation, suite_text

COMPILED = [
    expectation("column_values_to_not_be_null", column="a"),
    expectation("column_values_to_be_between", "warning", column="a", min_value=0, max_value=5),
    expectation("column_values_to_be_in_set", column="s", value_set=["x", "y"]),
    expectation("column_values_to_match_regex", column="s", regex=r"^\w$"),
    expectation("column_value_lengths_to_equal", "info", column="s", value=1),
    expectation("column_pair_values_to_be_equal", column_A="a", column_B="a"),
    expectation("column_values_to_be_json_parseable", column="s"),
    expectation("column_values_to_be_dateutil_parseable", column="s"),
    expectation("column_values_to_match_strftime_format", column="s", strftime_format="%d"),
    expectation("column_values_to_match_json_schema", column="s", json_schema={"type": "integer"}),
    expectation("column_values_to_be_of_type", column="a", type_="int64"),
    expectation("column_to_exist", column="s"),
]

SCRIPT = """
import json, logging, sys, warnings
from pathlib import Path
import numpy as np, pyarrow as pa
from stream.batch import Batch, Messages
from stream.validation import load_suite, compile_suite
from stream.arrow import of_texts
valid, ints = pa.py_buffer(bytes([0b101])), pa.py_buffer(np.array([1, 0, 9]))
arrays = [pa.Array.from_buffers(pa.int64(), 3, [valid, ints]), of_texts(["x", "3", "q"])]
columns = pa.RecordBatch.from_arrays(arrays, schema=pa.schema([("a", pa.int64()), ("s", pa.string())]))
logging.basicConfig()
shown = warnings.showwarning
plan = compile_suite(load_suite(Path(sys.argv[1])), columns.schema)
verdict = plan.evaluate(Batch(Messages.of([b""] * 3), np.arange(3), columns))
logging.getLogger("great_expectations.anything").error("secret")
import os, threading
print(json.dumps({
    "loaded": [name for name in ("great_expectations", "pandas", "scipy") if name in sys.modules],
    "missed": np.flatnonzero(verdict.critical.any()).tolist(),
    "warnings as before": warnings.showwarning is shown,
    "threads": threading.active_count(),
    "analytics": os.environ.get("GX_ANALYTICS_ENABLED"),
}))
logging.captureWarnings(True)
warnings.warn("still seen")
"""


def run(folder: Path, *entries: object) -> tuple[dict[str, object], str]:
    path = folder / "suite.json"
    path.write_text(suite_text(*entries))
    command = [sys.executable, "-c", SCRIPT, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout), done.stderr


def test_a_suite_of_compiled_checks_imports_neither_gx_nor_pandas(tmp_path: Path) -> None:
    found, _ = run(tmp_path, *COMPILED)
    assert found["loaded"] == []
    assert found["missed"] == [0, 1, 2]


def test_importing_gx_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    """No captured warnings, no analytics, no monitor thread, nothing in the log."""
    mean = expectation("column_mean_to_be_between", column="a", min_value=0)
    found, errors = run(tmp_path, *COMPILED, mean)
    assert found == {
        "loaded": ["great_expectations", "pandas", "scipy"],
        "missed": [0, 1, 2],
        "warnings as before": True,
        "threads": 1,
        "analytics": "false",
    }
    assert errors.strip() == "WARNING:py.warnings:<string>:25: UserWarning: still seen"
