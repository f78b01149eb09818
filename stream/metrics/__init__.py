"""The product's metrics.

Metrics                   the numbers of one pipeline in this process, and its /metrics page
ModelName, PartitionLag   what it is told
METRICS, metrics_table    every metric, and its documentation as a Markdown table
"""

from stream.metrics.batches import ModelName
from stream.metrics.metric import Kind, Label, Metric
from stream.metrics.recorder import Metrics, PartitionLag
from stream.metrics.table import METRICS, metrics_table

__all__ = ["METRICS", "Kind", "Label", "Metric", "Metrics", "ModelName", "PartitionLag", "metrics_table"]
