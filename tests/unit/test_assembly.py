"""All mistakes of a pipeline at once, and none that is only another's consequence."""

from pathlib import Path

import pytest

from stream.assembly import build
from stream.config import load
from stream.errors import ConfigurationError

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
            build(load(tmp_path / "p.yaml", {}, host_name="h"))
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
        ["suites/nothing.json", "1", "1"],
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
