import json
import subprocess
import sys
from importlib import import_module

import pytest
import typer
from typer.testing import CliRunner, Result

import stream
from stream import cli
from stream.cli import COMMANDS, PANELS, app, load
from stream.errors import ConfigurationError, ExitCode, FatalError, Problem, UnreachableError

HEAVY = (
    "confluent_kafka",
    "fastavro",
    "great_expectations",
    "numpy",
    "onnxruntime",
    "pandas",
    "polars",
    "pyarrow",
    "pydantic",
    "yaml",
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
from stream.cli import main
try:
    main({arguments!r})
finally:
    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.splitlines()[-1] == "[]"


def test_help_shows_every_command_examples_and_exit_codes() -> None:
    text = run("--help").stdout
    for name in COMMANDS:
        assert name in text
    for code in ExitCode:
        assert f" {code.value}  " in text
    assert "stream check pipelines/flights.yaml" in text
    assert {name for names in PANELS.values() for name in names} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_is_what_its_module_says(name: str) -> None:
    module = import_module(f"stream.cli.{name}")
    own = module.app.info.help if hasattr(module, "app") else (module.__doc__ or "").splitlines()[0]
    assert own == COMMANDS[name]
    assert load(name).name == name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_page_with_an_example(name: str) -> None:
    module = import_module(f"stream.cli.{name}")
    if hasattr(module, "app"):
        epilogs = [command.epilog or "" for command in module.app.registered_commands]
    else:
        epilogs = [module.EXAMPLES]
    assert all(f"stream {name}" in epilog for epilog in epilogs)
    assert run(name, "--help").exit_code == 0


def test_the_version_is_the_packages() -> None:
    assert run("--version").stdout == f"stream {stream.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["topisc"], "Did you mean 'topics'?"),
        (["--versoin"], "Did you mean --version?"),
        (["topics", "x.yaml", "--aply"], "Did you mean --apply?"),
        (["kafka", "strat"], "Did you mean 'start'"),
    ],
)
def test_what_is_mistyped_gets_a_suggestion_and_the_exit_code_of_usage(arguments: list[str], hint: str) -> None:
    result = run(*arguments)
    assert result.exit_code == ExitCode.CONFIGURATION
    assert hint in " ".join(result.stderr.replace("│", " ").split())


def failing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> Result:
    """The result of a command that raises error."""

    def command() -> None:
        raise error

    single = typer.Typer(add_completion=False)
    single.command("check")(command)
    monkeypatch.setattr(cli, "load", lambda name: typer.main.get_command(single))
    return run("check")


def test_every_mistake_in_the_configuration_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = [Problem("stage is not known", place="p.yaml:3:5"), Problem("no such topic")]
    result = failing(ConfigurationError(problems), monkeypatch)
    assert result.stderr == "p.yaml:3:5: stage is not known\nerror: no such topic\n"
    assert result.exit_code == ExitCode.CONFIGURATION


@pytest.mark.parametrize(
    ("error", "code"), [(UnreachableError("no answer"), ExitCode.UNREACHABLE), (FatalError("fenced"), ExitCode.FATAL)]
)
def test_an_error_that_ends_the_process_is_one_line_and_its_exit_code(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = failing(error, monkeypatch)
    assert (result.stderr, result.exit_code) == (f"error: {error}\n", code)


def test_a_defect_shows_its_traceback_and_is_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    result = failing(RuntimeError("a defect"), monkeypatch)
    assert result.exit_code == ExitCode.FATAL
    assert result.stderr.startswith("Traceback")
    assert result.stderr.endswith("RuntimeError: a defect\n")


def test_ctrl_c_is_130_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    result = failing(KeyboardInterrupt(), monkeypatch)
    assert (result.stderr, result.exit_code) == ("", 130)


def test_python_dash_m_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stream", "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == f"stream {stream.__version__}\n"


def test_a_report_in_json_is_one_line_that_json_can_read() -> None:
    from datetime import UTC, datetime
    from decimal import Decimal

    from stream.cli.show import json_value

    value = {"t": datetime(2026, 1, 2, 3, 4, 5, 678000, UTC), "d": Decimal("1.20"), "b": b"\x00\xff", "n": float("nan")}
    assert json.loads(json.dumps(json_value([value, (1, None, True)]), allow_nan=False)) == [
        {"t": "2026-01-02T03:04:05.678000+00:00", "d": "1.20", "b": "AP8=", "n": "nan"},
        [1, None, True],
    ]
