"""One item of `stages` in the pipeline file, checked by the settings of its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from stream.stages import KINDS, kind


@dataclass(frozen=True, slots=True)
class StageEntry:
    """One item of `stages`: `{kind: settings}`. settings is the Settings model of that kind."""

    kind: str
    settings: BaseModel

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        fields = {
            name: core_schema.typed_dict_field(handler.generate_schema(kind(name).settings), required=False)
            for name in KINDS
        }
        entry = core_schema.typed_dict_schema(fields, extra_behavior="forbid")
        checked = core_schema.no_info_before_validator_function(_single, entry)
        return core_schema.no_info_after_validator_function(
            lambda found: cls(*next(iter(found.items()))),
            checked,
            serialization=core_schema.plain_serializer_function_ser_schema(cls._written),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found = handler(schema)
        for name, meaning in KINDS.items():
            found["properties"][name]["description"] = meaning
        return {**found, "minProperties": 1, "maxProperties": 1}

    def _written(self) -> dict[str, Any]:
        return {self.kind: self.settings.model_dump(mode="json", by_alias=True)}


def _single(value: Any) -> Any:
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(f"must be one stage, written as 'kind: settings'; the kinds are {', '.join(KINDS)}")
    return value
