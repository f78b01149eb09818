"""What a release holds: read from the files that say so. `make wheel-test` builds it and tries it."""

import fnmatch
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import stream

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def data_files() -> list[str]:
    """What git knows below the package and Python does not import, relative to the package."""
    listed = subprocess.run(["git", "ls-files", "stream"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:  # a source distribution
        names = [p.relative_to(ROOT).as_posix() for p in (ROOT / "stream").rglob("*") if p.is_file()]
    else:
        names = listed.stdout.split()
    built = (".py", ".pyx", ".pxd", ".c", ".so", ".pyc")
    return [name.removeprefix("stream/") for name in names if not name.endswith(built)]


@pytest.mark.parametrize("name", data_files())
def test_a_file_that_a_command_reads_is_in_the_wheel(name: str) -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["stream"]
    plain = [re.escape(p).replace(r"\*\*/", "(.+/)?").replace(r"\*", "[^/]*") for p in patterns]
    assert any(re.fullmatch(p, name) for p in plain), "add it to [tool.setuptools.package-data]"


def test_the_version_is_that_of_the_installed_distribution() -> None:
    assert stream.__version__ == importlib.metadata.version("stream-inference")
    assert "version" in PROJECT["project"]["dynamic"], "it comes from the tags"


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        stream.nothing  # noqa: B018


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_every_supported_python_is_built_and_tried(python: str) -> None:
    builds = PROJECT["tool"]["cibuildwheel"]["build"]
    assert any(fnmatch.fnmatch(f"cp{python.replace('.', '')}-manylinux_x86_64", pattern) for pattern in builds)
    release = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8"))
    assert python in release["jobs"]["try"]["strategy"]["matrix"]["python"]


def test_only_what_was_tried_is_published() -> None:
    release = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8"))
    assert set(release["jobs"]["publish"]["needs"]) == {"sdist", "try"}
    assert release["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    platforms = release["jobs"]["wheels"]["strategy"]["matrix"]["os"]
    assert release["jobs"]["try"]["strategy"]["matrix"]["os"] == platforms


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_one(workflow: Path) -> None:
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("check-jsonschema")),
            "--builtin-schema",
            "vendor.github-workflows",
            str(workflow),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
