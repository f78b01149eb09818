"""The rules by Great Expectations as its documentation shows it: a data frame a batch, one validation of the suite."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import great_expectations as gx
import pandas as pd
from given import SUITE
from great_expectations.data_context.types.base import ProgressBarsConfig


def with_great_expectations() -> Callable[[list[dict[str, Any]]], list[str | None]]:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("flights").add_dataframe_asset("batch")
    definition = asset.add_batch_definition_whole_dataframe("whole")
    suite = gx.ExpectationSuite(**json.loads(SUITE.read_text("utf-8")))
    form = {"result_format": "COMPLETE", "return_unexpected_index_query": False}

    def rules(flights: list[dict[str, Any]]) -> list[str | None]:
        if not flights:
            return []
        reasons: list[str | None] = [None] * len(flights)
        batch = definition.get_batch({"dataframe": pd.DataFrame(flights)})
        for outcome in batch.validate(suite, result_format=form).results:
            if not outcome.success and "unexpected_index_list" not in outcome.result:
                raise RuntimeError(f"{outcome.expectation_config.type} could not be evaluated")
            for row in outcome.result.get("unexpected_index_list") or ():
                reasons[row] = reasons[row] or outcome.expectation_config.type
        return reasons

    return rules
