import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from stream.cli import app
from stream.errors import ExitCode

EVENT = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "id", "type": "int"},
        {"name": "name", "type": ["null", "string"], "default": None},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "raw", "type": "bytes"},
    ],
}
BIG = {
    "type": "record",
    "name": "Big",
    "fields": [
        {"name": "id", "type": "int"},
        {"name": "double", "type": "int"},
        {"name": "name", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "raw", "type": "bytes"},
        {"name": "_offset", "type": "long"},
        {"name": "_key", "type": ["null", "bytes"]},
    ],
}
PIPELINE = """
pipeline: p
input: {topic: in, schema: event.avsc}
stages:
  - transform: {double: id * 2}
outputs:
  - {topic: p.big, schema: out/big.avsc, when: id >= 3}
batch: {events: 4}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipeline in a folder; its output schema is outside of schemas/ on purpose."""
    (tmp_path / "out").mkdir()
    (tmp_path / "event.avsc").write_text(json.dumps(EVENT))
    (tmp_path / "out" / "big.avsc").write_text(json.dumps(BIG))
    (tmp_path / "p.yaml").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def event(number: int, **other: Any) -> dict[str, Any]:
    return {"id": number, "name": f"n{number}", "at": "2026-01-31T06:00:00.5Z", "raw": "\u0001\u00ff", **other}


def write(path: Path, *rows: Any) -> str:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return str(path)


def process(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["process", "p.yaml", "--output", "results", *arguments])


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path("results") / name).read_text().splitlines()]


def test_every_row_of_a_file_ends_in_one_place_and_is_counted(project: Path) -> None:
    rows = [event(0), event(1), "no json", event(3), event(4, name=None), {"id": 5}, event(6), event(7), event(8)]
    result = process("--input", write(project / "rows.jsonl", *rows), "--report", "json")
    assert result.exit_code == 0, result.stderr
    facts = json.loads(result.stdout)
    assert facts["events"] == 9
    assert facts["outputs"] == {"p.big": 4}
    assert facts["dead_letters"] == {"not_avro": 1, "null_field": 1, "out_of_range": 1}
    assert facts["filtered"] == 2
    assert [line["id"] for line in lines("p.big.jsonl")] == [3, 6, 7, 8]


def test_outputs_are_decoded_with_times_in_iso_and_bytes_in_base64(project: Path) -> None:
    process("--input", write(project / "rows.jsonl", event(3)))
    assert lines("p.big.jsonl") == [
        {
            "id": 3,
            "double": 6,
            "name": "n3",
            "at": "2026-01-31T06:00:00.500000+00:00",
            "raw": "Af8=",
            "_offset": 0,
            "_key": None,
        }
    ]


def test_dead_letters_say_row_stage_reason_and_hold_the_event_in_the_order_of_the_file(project: Path) -> None:
    rows = [event(0), event(3, name=None), "no json", event(4), event(5), event(6), event(7, name=None)]
    process("--input", write(project / "rows.jsonl", *rows))
    first, second, third = lines("p.dlq.jsonl")
    assert (first["row"], first["stage"], first["class"], first["reason"]) == (1, "encode", "poison", "null_field")
    assert first["event"]["id"] == 3
    assert (second["row"], second["stage"], second["reason"], second["event"]) == (2, "input", "not_avro", None)
    assert (third["row"], third["event"]["id"]) == (6, 7), "rows count on over batches"


def test_offsets_are_rows_also_behind_refused_ones(project: Path) -> None:
    process("--input", write(project / "rows.jsonl", "no json", event(3), "no json", event(4), event(5)))
    assert [(line["id"], line["_offset"]) for line in lines("p.big.jsonl")] == [(3, 1), (4, 3), (5, 4)]


def test_a_field_can_be_the_key(project: Path) -> None:
    process("--input", write(project / "rows.jsonl", event(3), event(4)), "--key", "id")
    assert [line["_key"] for line in lines("p.big.jsonl")] == ["Mw==", "NA=="]


def test_an_unknown_key_is_refused_with_the_nearest_field(project: Path) -> None:
    result = process("--input", write(project / "rows.jsonl", event(3)), "--key", "nmae")
    assert (result.exit_code, result.stderr) == (
        ExitCode.CONFIGURATION,
        "error: --key nmae: Event has no field of that name; did you mean 'name'?\n",
    )


def test_results_of_before_are_replaced_and_outputs_without_events_are_empty_files(project: Path) -> None:
    process("--input", write(project / "rows.jsonl", event(3), "no json"))
    process("--input", write(project / "rows.jsonl", event(0)))
    assert lines("p.big.jsonl") == lines("p.dlq.jsonl") == []


def test_the_input_is_never_overwritten(project: Path) -> None:
    (project / "results").mkdir()
    source = write(project / "results" / "p.big.jsonl", event(3))
    result = process("--input", source)
    assert result.exit_code == ExitCode.CONFIGURATION
    assert "would be overwritten" in result.stderr
    assert len(lines("p.big.jsonl")) == 1


def test_a_wrong_pipeline_is_told_with_every_mistake_before_anything_is_written(project: Path) -> None:
    (project / "p.yaml").write_text(PIPELINE.replace("id * 2", "idd * 2").replace("event.avsc", "evnt.avsc"))
    result = process("--input", write(project / "rows.jsonl", event(3)))
    assert result.exit_code == ExitCode.CONFIGURATION
    assert "p.yaml:3" in result.stderr
    assert not (project / "results").exists()


def test_a_missing_file_is_one_line_and_leaves_the_results_of_before(project: Path) -> None:
    process("--input", write(project / "rows.jsonl", event(3)))
    result = process("--input", "nothing.jsonl")
    assert (result.exit_code, result.stderr) == (
        ExitCode.CONFIGURATION,
        "error: --input nothing.jsonl does not exist\n",
    )
    assert len(lines("p.big.jsonl")) == 1


def test_the_summary_is_a_table_for_people(project: Path) -> None:
    result = process("--input", write(project / "rows.jsonl", event(3), "no json", event(1)))
    numbers = {" ".join(row.split()[:-1]): row.split()[-1] for row in result.stdout.splitlines() if row.strip()}
    expected = {"events": "3", "to p.big": "1", "dead letters, not_avro": "1", "filtered": "1"}
    assert numbers.items() >= expected.items()
    assert "results/p.big.jsonl, results/p.dlq.jsonl" in result.stdout
