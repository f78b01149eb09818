"""The page of commands has all of them with all that they take."""

import re

from stream.cli import COMMANDS
from stream.cli.reference import commands_section


def section(name: str) -> str:
    return commands_section().partition(f"### stream {name}\n")[2].partition("\n### ")[0]


def test_every_command_is_told() -> None:
    told = {found.split()[0] for found in re.findall(r"^### stream (.+)$", commands_section(), re.MULTILINE)}
    assert told == set(COMMANDS)


def test_commands_of_a_group_are_told_each() -> None:
    assert "`--yes`" in section("dlq replay")
    assert "### stream dlq\n" not in commands_section()


def test_arguments_options_and_defaults_are_told() -> None:
    assert "| `pipelines... <list[Path]>` | Pipeline files. [required] |" in section("run")
    assert "| `--workers <int>` | Worker processes of each pipeline. [default: 1; 1\\<=x\\<=256] |" in section("run")
    assert "`--output <table\\|json>`" in section("run")


def test_what_is_hidden_and_help_itself_are_not() -> None:
    assert "--slot" not in commands_section()
    assert "--help" not in commands_section()
