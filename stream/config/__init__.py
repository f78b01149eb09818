"""The pipeline file says what, the environment says where: together one checked Config."""

from stream.config.environment import Environment, Registry
from stream.config.load import Config, Examined, examine, load
from stream.config.pipeline_file import Output, PipelineFile, RetryTier
from stream.config.secret import Secret
from stream.config.stage_entry import StageEntry
from stream.config.tables import configuration_table, environment_table, json_schema

__all__ = [
    "Config",
    "Environment",
    "Examined",
    "Output",
    "PipelineFile",
    "Registry",
    "RetryTier",
    "Secret",
    "StageEntry",
    "configuration_table",
    "environment_table",
    "examine",
    "json_schema",
    "load",
]
