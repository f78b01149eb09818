"""What is released, tried as a stranger gets it: built, looked into, installed where there is no repository.

make wheel-test       this Python; PYTHONS="/path/python3.12 ..." for others as well
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
SMOKE: Final = Path(__file__).with_name("smoke.py")
PYTHONS: Final = [sys.executable, *os.environ.get("PYTHONS", "").split()]
NATIVE: Final = {
    *(f"stream/avro/{module}" for module in ("native_decode", "native_encode")),
    *(f"stream/kafka/native/{module}" for module in ("library", "client", "columns", "consumer", "producer")),
}
TIMEOUT_S: Final = 600


def run(*command: str | Path, cwd: Path, **environ: str) -> str:
    """Both outputs of a command that must succeed; no variable of Python's or of ours reaches it."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("STREAM_", "PYTHON"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**plain, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From the tree as it is."""
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--sdist", "--outdir", folder, ROOT, cwd=folder)
    (found,) = folder.glob("*.tar.gz")
    return found


def wheel_of(python: str, sdist: Path, folder: Path, **environ: str) -> Path:
    """A wheel built from the source distribution alone, by pip of a fresh environment."""
    run(python, "-m", "venv", folder / "build", cwd=folder)
    pip = folder / "build" / "bin" / "pip"
    run(pip, "wheel", "--no-deps", "--no-cache-dir", "--wheel-dir", folder / "dist", sdist, cwd=folder, **environ)
    (found,) = (folder / "dist").glob("*.whl")
    return found


@pytest.fixture(scope="module", params=PYTHONS, ids=lambda python: Path(python).name)
def wheel(request: pytest.FixtureRequest, sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """(interpreter, wheel)."""
    return request.param, wheel_of(request.param, sdist, tmp_path_factory.mktemp("wheel"))


def held(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def tracked(*patterns: str) -> set[str]:
    return set(run("git", "ls-files", *patterns, cwd=ROOT).split())


def test_the_sdist_holds_what_is_built_and_tested_and_nothing_that_was_built(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "CHANGELOG.md", "Makefile", "setup.py", "stream/avro/native_decode.pyx"} <= names
    assert tracked("stream") <= names
    assert not [name for name in names if re.search(r"\.(so|c|pyc)$|(^|/)\.venv/|\.stream/|node_modules", name)]


def test_the_wheel_holds_the_package_its_data_and_its_native_parts_alone(wheel: tuple[str, Path]) -> None:
    names = held(wheel[1])
    package = {name for name in names if name.startswith("stream/")}
    native = {name.partition(".")[0] for name in package if name.endswith(".so")}
    assert native == NATIVE
    sources = {name for name in tracked("stream") if name.endswith((".pyx", ".pxd"))}
    assert tracked("stream") - sources <= package, "forgotten in [tool.setuptools.package-data]"
    assert not [name for name in package if name.endswith((".c", ".pyx", ".pxd", ".pyc"))]
    assert "stream/demo/example/models/arrival-delay/1/model.onnx" in package
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert {name.partition("/")[0] for name in names if not name.startswith("stream/")} == {
        f"{wheel[1].name.split('-cp')[0]}.dist-info"
    }


def test_it_does_its_work_in_an_empty_environment(wheel: tuple[str, Path], tmp_path: Path) -> None:
    python, file = wheel
    run(python, "-m", "venv", tmp_path / "empty", cwd=tmp_path)
    run(tmp_path / "empty" / "bin" / "pip", "install", f"{file}[demo]", cwd=tmp_path)
    told = run(tmp_path / "empty" / "bin" / "python", SMOKE, "--native", "--demo", cwd=tmp_path)
    print(told)
    assert told.endswith("ok\n")


def test_without_a_compiler_it_is_built_and_says_which_codec_it_has(sdist: Path, tmp_path: Path) -> None:
    file = wheel_of(sys.executable, sdist, tmp_path, CC="/bin/false")
    assert not [name for name in held(file) if name.endswith(".so")]
    site = tmp_path / "site"
    run(tmp_path / "build" / "bin" / "pip", "install", "--no-deps", "--target", site, file, cwd=tmp_path)
    checked = isolated(site, tmp_path, ["check", str(site / "stream/demo/example/pipelines/flights.yaml")])
    assert "reference: the native codec is not built" in " ".join(checked.split())
    assert str(site) in isolated(site, tmp_path, [], "import stream; print(stream.__file__)")


def isolated(site: Path, cwd: Path, arguments: Sequence[str], code: str = "from stream.cli import main; main()") -> str:
    """The package in `site`, with the libraries that are installed for the tests."""
    start = f"import sys; sys.path.insert(0, {str(site)!r}); {code}"
    return run(sys.executable, "-P", "-c", start, *arguments, cwd=cwd)
