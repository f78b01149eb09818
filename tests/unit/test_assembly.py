"""All mistakes of a pipeline at once, and none that is only another's consequence."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stream.assembly import needed_columns, open_pipeline
from stream.avro import load_schema
from stream.avro.framing import fingerprint_prefix
from stream.batch import Messages
from stream.errors import ConfigurationError
from stream.pipeline import Output

ROOT = Path(__file__).parents[2]
STAGES = """
stages:
  - validate: {suite: suites/departed-flight.json}
  - transform: {gained: dep_delay - air_time / 60}
  - infer: {model: models/arrival-delay, outputs: {variable: predicted_delay, _model: model}}
  - transform: {twice: gained * 2}
outputs:
  - {topic: late, schema: schemas/prediction.avsc, when: twice > 15}
  - {topic: predictions, schema: schemas/prediction.avsc}
"""


COLUMNS = pa.schema(
    [("a", pa.int64()), ("b", pa.struct([("c", pa.string())])), ("d", pa.string()), ("e.f", pa.int32())]
)


@dataclass
class Reading:
    """A stage, writer or condition that looks at some columns."""

    reads: frozenset[str]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.reads)


def reading(*columns: str) -> Any:
    return Reading(frozenset(columns))


@pytest.mark.parametrize(
    ("stages", "outputs", "needed"),
    [
        ([], [Output("t", reading("a"))], {"a"}),
        ([reading("b.c", "_key"), reading("added")], [Output("t", reading("added", "_offset"))], {"b"}),
        ([reading("e.f")], [Output("t", reading("d"), reading("a"))], {"e.f", "d", "a"}),
        ([], [Output("t", reading("_offset"))], set()),
    ],
)
def test_only_what_somebody_reads_is_decoded(stages: list[Any], outputs: list[Output], needed: set[str]) -> None:
    assert needed_columns(COLUMNS, stages, outputs) == needed


def test_what_is_decoded_of_a_flight() -> None:
    _, pipeline = open_pipeline(ROOT / "pipelines" / "flights.yaml", {})
    reader: Any = pipeline.reader
    assert set(reader.schema.names) < set(reader.all_columns.names)
    read = frozenset[str]().union(*(stage.reads for stage in pipeline.stages))
    assert read & set(reader.all_columns.names) <= set(reader.schema.names)


def test_a_pipeline_that_reads_no_field_decodes_the_events_all_the_same(tmp_path: Path) -> None:
    record = '{"type": "record", "name": "R", "fields": [%s]}'
    (tmp_path / "in.avsc").write_text(record % '{"name": "a", "type": "string"}')
    (tmp_path / "out.avsc").write_text(record % '{"name": "o", "type": "long"}')
    (tmp_path / "p.yaml").write_text(
        "pipeline: p\ninput: {topic: in, schema: in.avsc}\nstages:\n  - transform: {o: _offset}\n"
        "outputs:\n  - {topic: out, schema: out.avsc}\n"
    )
    _, pipeline = open_pipeline(tmp_path / "p.yaml", {})
    prefix = fingerprint_prefix(load_schema(tmp_path / "in.avsc").fingerprint)
    outcome = pipeline.process(Messages.of([prefix + b"\x02x", prefix + b"\x02\xff", prefix + b"\x06x"]))
    assert [rows.rows.tolist() for rows in outcome.outputs] == [[0, 1]]  # what nobody reads is not judged
    assert [(f.row, f.reason) for f in outcome.failures] == [(2, "truncated")]


@pytest.fixture
def mistakes(tmp_path: Path):
    """mistakes(old, new, ...) -> the places and texts of what is wrong with the file so changed."""
    for folder in ("schemas", "suites", "models"):
        (tmp_path / folder).symlink_to(ROOT / folder)

    def found(*changes: str) -> list[str]:
        text = "pipeline: p\ninput: {topic: flights, schema: schemas/flight.avsc}" + STAGES
        for old, new in zip(changes[::2], changes[1::2], strict=True):
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "p.yaml").write_text(text)
        try:
            open_pipeline(tmp_path / "p.yaml", {})
        except ConfigurationError as error:
            return [f"{p.place.removeprefix(str(tmp_path) + '/')}: {p.message}" for p in error.problems]
        return []

    return found


def test_a_right_file_is_built(mistakes) -> None:
    assert mistakes() == []


def test_mistakes_of_every_part_are_told_together(mistakes) -> None:
    told = mistakes(
        "departed-flight",
        "nothing",
        "dep_delay -",
        "dep_delai -",
        "{variable:",
        "{variabel:",
        "when: twice",
        "when: hou",
    )
    assert [text.split(":")[:3] for text in told] == [
        ["p.yaml", "4", "23"],
        ["p.yaml", "5", "25"],
        ["p.yaml", "6", "62"],
        ["p.yaml", "9", "58"],
    ]


def test_what_a_wrong_stage_would_have_added_is_not_missed_later(mistakes) -> None:
    (told,) = mistakes("dep_delay -", "dep_delai -")
    assert "did you mean 'dep_delay'?" in told


def test_a_mistake_of_its_own_in_a_later_stage_is_told(mistakes) -> None:
    told = mistakes("dep_delay -", "dep_delai -", "gained * 2", "gainet * 2")
    assert [text.split(":")[1] for text in told] == ["5", "7"]


def test_after_a_stage_whose_columns_nobody_knows_nothing_is_judged(mistakes) -> None:
    told = mistakes(
        "arrival-delay, outputs: {variable: predicted_delay, _model: model}", "nothing", "gained * 2", "gainet"
    )
    (only,) = told
    assert "models/nothing" in only


def lines(told: list[str]) -> list[str]:
    """Lines of the pipeline file, where all of these mistakes are."""
    assert all(text.startswith("p.yaml:") for text in told)
    return [text.split(":")[1] for text in told]


def test_a_key_that_is_nearly_right_hides_no_other_mistake(mistakes) -> None:
    told = mistakes(
        "- validate:",
        "- validat:",
        "departed-flight",
        "nothing",
        "dep_delay -",
        "dep_delai -",
        "topic: late",
        "topc: late",
    )
    assert lines(told) == ["4", "9", "4", "5"]


def test_values_of_a_wrong_kind_hide_no_mistake_in_what_the_file_names(mistakes) -> None:
    told = mistakes(
        "pipeline: p",
        "pipeline: p\nbatch: {events: many, bytes: 1}",
        "departed-flight",
        "nothing",
        "gained * 2",
        "gainet * 2",
    )
    assert lines(told) == ["2", "2", "5", "8"]


def test_after_a_stage_that_cannot_be_read_only_what_needs_no_columns_is_judged(mistakes) -> None:
    told = mistakes("gained: dep_delay - air_time / 60", "gained: [7]", "twice > 15", "twise > 15", "twice:", "other:")
    assert lines(told) == ["5"]
    told = mistakes("departed-flight", "nothing", "gained: dep_delay - air_time / 60", "gained: [7]")
    assert lines(told) == ["5", "4"]


def test_an_output_that_cannot_be_read_leaves_the_others_judged(mistakes) -> None:
    told = mistakes(
        "topic: late, schema: schemas/prediction.avsc, when: twice > 15",
        "topic: late, schema: schemas/prediction.avsc, when: [1]",
        "topic: predictions, schema: schemas/prediction.avsc",
        "topic: predictions, schema: schemas/none.avsc",
    )
    assert lines(told) == ["9", "10"]


@pytest.mark.parametrize("text", ["7", "[]", "stages: 7", "a: {b: [1, {c: 2}]}", "stages: [7]\noutputs: [7]\ninput: 7"])
def test_a_file_of_which_nothing_is_left_is_told_as_it_is(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        open_pipeline(tmp_path / "p.yaml", {})
    assert raised.value.problems


HOOK = """
{imports}

def adjust(batch):
    {body}
    return batch.append_column("seen", pa.array([True] * batch.num_rows))
"""


@pytest.mark.parametrize(
    ("imports", "body", "failures", "refused"),
    [
        ("import pyarrow as pa\nfrom stream import TransientError", "", "", True),
        ("import stream, pyarrow as pa", "if not batch: raise stream.TransientError('busy')", "", True),
        ("import pyarrow as pa\nfrom stream import TransientError", "", "failures: {retry: {delays: [1s]}}\n", False),
        ("import pyarrow as pa\nfrom stream import TransientError", "", "failures: {retry: {delays: []}}\n", False),
        ("import pyarrow as pa\nfrom stream import PoisonError", "", "", False),
    ],
)
def test_a_function_that_can_fail_for_a_while_needs_a_policy(
    imports: str, body: str, failures: str, refused: bool, tmp_path: Path
) -> None:
    module = f"hook_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{module}.py").write_text(HOOK.format(imports=imports, body=body or "pass"))
    (tmp_path / "in.avsc").write_text('{"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]}')
    (tmp_path / "p.yaml").write_text(
        "pipeline: p\ninput: {topic: in, schema: in.avsc}\nstages:\n"
        f"  - call: {{function: '{module}:adjust', adds: {{seen: boolean}}}}\n"
        f"outputs: [{{topic: out, schema: in.avsc}}]\n{failures}"
    )
    if refused:
        with pytest.raises(ConfigurationError, match=r"p\.yaml:4:11: stages\[0\]\.call can fail for a while"):
            open_pipeline(tmp_path / "p.yaml", {})
    else:
        open_pipeline(tmp_path / "p.yaml", {})
