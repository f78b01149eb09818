"""Where the demonstration finds its pipeline: in the package when it is installed, beside it in the repository."""

from pathlib import Path

import pytest

from stream.demo.example import example
from stream.errors import ConfigurationError

ROOT = Path(__file__).parents[3]


def test_in_the_repository_it_is_the_one_that_everybody_sees() -> None:
    assert example() == ROOT / "pipelines" / "flights.yaml"


def test_an_installed_package_has_its_own_and_prefers_it(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "stream" / "demo" / "example"):
        (place / "pipelines").mkdir(parents=True)
        (place / "pipelines" / "flights.yaml").touch()
    found = example(tmp_path / "stream")
    assert found.relative_to(tmp_path).as_posix() == "stream/demo/example/pipelines/flights.yaml"


def test_where_there_is_none_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--pipeline"):
        example(tmp_path / "stream")
