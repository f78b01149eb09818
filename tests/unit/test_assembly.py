"""All mistakes of a pipeline at once, and none that is only another's consequence."""

from pathlib import Path

import pytest

from stream.assembly import open_pipeline
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
