"""What an installed package must do, far from its repository: run by the Python of the environment it is installed in.

    python tests/wheel/smoke.py             commands that need no Kafka
    python tests/wheel/smoke.py --native    and its native parts are there
    python tests/wheel/smoke.py --demo      and the demonstration, on a real Kafka (extra `demo`)

Imports nothing of the repository; works in an empty folder of its own, with no variable of ours set.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Final

STREAM: Final = str(Path(sysconfig.get_path("scripts"), "stream"))
NATIVE: Final = ("stream.avro.native_decode", "stream.avro.native_encode", "stream.kafka.native.producer")
TIMEOUT_S: Final = 280


def run(folder: Path, *command: str, expected: int = 0) -> str:
    """Standard output of a command that ends as expected; anything else ends this program, saying what it said."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("STREAM_", "PYTHON"))}
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode != expected:
        sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def installed(folder: Path) -> None:
    """The package is imported from where it is installed, and says the version of its distribution."""
    print(run(folder, STREAM, "--version").strip(), "on Python", sys.version.split()[0])
    assert run(folder, STREAM, "--version").strip() == f"stream {version('stream-inference')}"
    where = run(folder, sys.executable, "-c", "import stream; print(stream.__file__)").strip()
    assert Path(where).is_relative_to(sysconfig.get_path("platlib")), where


def new_project(folder: Path) -> None:
    """`stream init` and what it tells to do next."""
    run(folder, STREAM, "init", "machines")
    project = folder / "machines"
    run(project, STREAM, "check", "pipelines/machines.yaml")
    run(project, STREAM, "model", "check", "models/remaining-life")
    told = run(
        project, STREAM, "process", "pipelines/machines.yaml", "--input", "events/readings.jsonl", "--output", "out",
        "--report", "json",
    )  # fmt: skip
    report = json.loads(told)
    assert sum(report["outputs"].values()) + sum(report["dead_letters"].values()) == report["events"] > 0


def package_data(folder: Path) -> None:
    """What commands read from the package."""
    from stream.chaos.project import Project
    from stream.demo.example import example

    run(folder, STREAM, "schema")
    run(folder, STREAM, "check", str(Project.copied(folder / "chaos", "classic").pipeline))
    run(folder, STREAM, "check", str(example()))


def native() -> None:
    for name in NATIVE:
        print(importlib.import_module(name).__file__)


def demo(folder: Path) -> None:
    """A small one: a real Kafka, a killed worker, every event in one place."""
    report = json.loads(run(folder, STREAM, "demo", "--limit", "3000", "--output", "json"))
    assert report["exactly_once"] is True
    assert report["worker_kills"] == 1
    print("the demonstration: every event in exactly one place, over a killed worker")


def main() -> None:
    if "--native" in sys.argv:
        native()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        installed(folder)
        package_data(folder)
        new_project(folder)
        if "--demo" in sys.argv:
            demo(folder)
    print("ok")


if __name__ == "__main__":
    main()
