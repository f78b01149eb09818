"""Imports all that a worker can come to import, so that its bytecode is in the image; one that is missing ends it."""

import importlib
import pkgutil

import great_expectations
import great_expectations.execution_engine.pandas_execution_engine
import great_expectations.expectations.registry
import great_expectations.validator.metric_configuration
import great_expectations.validator.metrics_calculator
import great_expectations.validator.validator
import onnxruntime
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
import scipy.stats

import stream

# lazy ones are imported by the first use of them
pl.SQLContext(t=pl.DataFrame({"a": [1]})).execute("select a + 1 as b from t", eager=True)
pd.Series(["a"]).str.len()
pc.sum(pa.array([1]))
scipy.stats.norm.cdf(0.0)
onnxruntime.get_available_providers()
great_expectations.get_context(mode="ephemeral")

for module in pkgutil.walk_packages(stream.__path__, "stream."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
