"""What a person writes under `http`."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema

from stream.http.answers import WHOLE, parse_path
from stream.stages.retry import Retry
from stream.stages.text import ColumnName
from stream.stages.type_names import TYPES
from stream.units import Duration, Rate, Size

DEFAULT_SIZE: Final = 100
MAX_CONCURRENCY: Final = 256


def _path(value: str) -> str:
    parse_path(value)
    return value


def _field(value: Any) -> Any:
    """`score: double` is short for `score: {type: double}`."""
    return {"type": value} if isinstance(value, str) else value


def _body(value: Any) -> Any:
    if isinstance(value, dict) and value:
        return value
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return value
    raise ValueError("must be a list of columns, such as [id, amount], or a mapping such as {amount: '{amount}'}")


class _OrType:
    """For an editor: a type may stand for the mapping."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(schema)]}


AnswerPath = Annotated[str, AfterValidator(_path)]


class ResponseField(BaseModel):
    """Where a new column comes from in the answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    field: AnswerPath | None = Field(
        default=None,
        description="Path in the JSON answer, list indexes from 0: `choices.0.text`; `.` is all of it. By default the"
        " column's name.",
        examples=["result.label"],
    )
    type: str = Field(
        description=f"The type of the column: {', '.join(TYPES)}, array<...>. Times and dates are read as ISO 8601,"
        " bytes as base64."
    )
    optional: bool = Field(
        default=False,
        strict=True,
        description="Null where the answer has nothing. Otherwise the event is a dead letter then.",
    )


Response = Annotated[ResponseField, BeforeValidator(_field), _OrType()]
Body = Annotated[
    Any,
    BeforeValidator(_body),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
                {"type": "object", "minProperties": 1},
            ]
        }
    ),
]


class Settings(BaseModel):
    """What stands under `http` in the pipeline file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(
        min_length=1,
        description="http or https address of the service. `{column}` behind the host is filled for each event,"
        " escaped; `${env:NAME}` and `${file:PATH}` at start.",
        examples=["https://scorer.example.com/customers/{customer_id}/score"],
    )
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = Field(default="POST", description="The HTTP method.")
    headers: dict[str, str] = Field(
        default_factory=dict,
        description="Headers of every call. Secrets only as `${env:NAME}` or `${file:PATH}`, resolved at start.",
        examples=[{"Authorization": "Bearer ${env:SCORER_TOKEN}"}],
    )
    body: Body | None = Field(
        default=None,
        description="JSON to send for an event: a list of columns, or a mapping with `{column}` in its texts, where a"
        " text that is one column and nothing else keeps its type. By default nothing is sent.",
        examples=[["amount", "country"], {"model": "small", "prompt": "Sort this ticket: {subject}"}],
    )
    per: Literal["event", "batch"] = Field(
        default="event",
        description="`event`: a call for each event. `batch`: one for up to `size` events, with a list of their bodies,"
        " answered by a list as long.",
    )
    size: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        le=10_000,
        description=f"With `per: batch`: events of one call at most; {DEFAULT_SIZE} by default.",
    )
    envelope: dict[str, Any] | None = Field(
        default=None,
        min_length=1,
        description='With `per: batch`: JSON around the list of bodies, which stands at `"{events}"`.',
        examples=[{"instances": "{events}"}],
    )
    items: AnswerPath = Field(
        default=WHOLE,
        description="With `per: batch`: path of the list in the answer; `.` when the answer is the list.",
        examples=["predictions"],
    )
    response: dict[ColumnName, Response] = Field(
        default_factory=dict,
        description="New column: its type, or where in the answer it is and its type. Without any, the answer's body is"
        " ignored.",
        examples=[{"score": "double", "label": {"field": "result.label", "type": "string"}}],
    )
    timeout_s: Annotated[float, Duration("10ms", "10m")] = Field(
        default=10.0, alias="timeout", description="Longest time of one call, connecting included.", examples=["10s"]
    )
    budget_s: Annotated[float, Duration("10ms", "30m")] = Field(
        default=60.0,
        alias="budget",
        description="Longest time for one batch. Events whose turn does not come are left for the next one; it counts"
        " as no attempt.",
        examples=["60s"],
    )
    concurrency: int = Field(
        default=8, strict=True, ge=1, le=MAX_CONCURRENCY, description="Calls of one worker at the same time at most."
    )
    rate: Annotated[float, Rate("1000000/s")] | None = Field(
        default=None, description="Calls of one worker at most: 50/s, 1000/m.", examples=["50/s"]
    )
    retry_after_s: Annotated[float, Duration("0s", "10m")] = Field(
        default=30.0,
        alias="retry_after",
        description="Longest Retry-After of a 429 or 503 that all calls wait for.",
        examples=["30s"],
    )
    breaker: int = Field(
        default=20,
        strict=True,
        ge=1,
        le=1_000_000,
        description="Failed calls in a row after which the service counts as down: nothing is committed, the pipeline"
        " pauses and tries a single event now and then.",
    )
    max_answer: Annotated[int, Size("1kB", "256MiB")] = Field(
        default=1024 * 1024, description="Largest answer to a call.", examples=["1MiB"]
    )
    ca: str | None = Field(
        default=None,
        min_length=1,
        description="PEM file of the authorities to trust, for a service whose certificate the system does not know.",
        examples=["certificates/internal-ca.pem"],
    )
    retry: Retry | None = Field(
        default=None, description="For events whose call failed; what is left out is taken from `failures.retry`."
    )

    @property
    def group_size(self) -> int:
        """Events of one call at most; 0 for a call for each event, whose body is not in a list."""
        return (self.size or DEFAULT_SIZE) if self.per == "batch" else 0
