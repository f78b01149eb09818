"""The systems that are compared: how each is prepared and started, and how much of the job it is given."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.job import ROOT

WORK: Final = ROOT / "bench" / ".work"
"""Everything that is made for a comparison and does not belong into the repository."""
PEERS: Final = ROOT / "bench" / "peers"
JAVA: Final = WORK / "java"
QUIX: Final = WORK / "quix"
QUIX_REQUIREMENTS: Final = PEERS / "quix-requirements.txt"
PREPARATION_TIMEOUT_S: Final = 900.0

STREAM: Final = "stream"
NATIVE: Final = "stream-native"
JAR: Final = "java-jobs-1.jar"


class MissingError(Exception):
    """A system cannot be prepared on this machine; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class System:
    """One row. command: how it is started; its environment tells it where Kafka is and what to do.

    share: part of the events that it is given, less for one that would take minutes.
    copies: values are copied as they are, nothing is scored. ours: `stream run`, which has no command here.
    """

    name: str
    title: str
    command: tuple[str, ...] = ()
    prepare: Callable[[], None] = lambda: None
    share: float = 1.0
    copies: bool = False
    ours: bool = False
    environ: Mapping[str, str] = field(default_factory=dict)


def _python(program: str, *arguments: str, python: str = sys.executable) -> tuple[str, ...]:
    return (python, str(PEERS / program), *arguments)


def _prepare_quix() -> None:
    """A virtual environment of its own: it pins another version of the client."""
    done = QUIX / "installed.txt"
    wanted = QUIX_REQUIREMENTS.read_text("utf-8")
    if done.exists() and done.read_text("utf-8") == wanted:
        return
    _run([sys.executable, "-m", "venv", "--clear", str(QUIX)], "a virtual environment for Quix Streams")
    pip = [str(QUIX / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--requirement", str(QUIX_REQUIREMENTS)], "Quix Streams")
    done.write_text(wanted, "utf-8")


def _prepare_java() -> None:
    if shutil.which("java") is None or shutil.which("mvn") is None:
        raise MissingError("needs Java 17 or newer and Maven (java, mvn), which are not installed")
    project = PEERS / "java"
    sources = [project / "pom.xml", *project.rglob("*.java"), *(ROOT / "schemas").glob("*.avsc")]
    built = JAVA / "target" / JAR
    if built.exists() and built.stat().st_mtime > max(source.stat().st_mtime for source in sources):
        return
    maven = ["mvn", "--batch-mode", "--quiet", "--file", str(project / "pom.xml"), f"-Dwork={JAVA}", "clean", "package"]
    _run(maven, "the jobs in Java")


def _run(command: Sequence[str], what: str) -> None:
    print(f"preparing {what} ...", file=sys.stderr, flush=True)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PREPARATION_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise MissingError(f"preparing {what} took over {PREPARATION_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise MissingError(f"preparing {what} failed: {last}")


def _java_command(program: str) -> tuple[str, ...]:
    path = f"{JAVA / 'target' / JAR}:{JAVA / 'target' / 'lib' / '*'}"
    trusted = "-Dorg.apache.avro.SERIALIZABLE_PACKAGES=demo"  # the classes that Avro may make records of
    return ("java", "-Xmx1g", "-XX:+UseSerialGC", trusted, "-cp", path, f"bench.{program}")


SYSTEMS: Final = (
    System(STREAM, "stream", ours=True, environ={"STREAM_TRANSPORT": "python"}),
    System(NATIVE, "stream, native transport", ours=True, environ={"STREAM_TRANSPORT": "native"}),
    System("rawcopy", "raw copy, Python (decodes nothing)", _python("rawcopy.py"), copies=True),
    System("java", "plain Java clients 4.3.1, ONNX batches", _java_command("Loop"), _prepare_java),
    System("kafka-streams", "Kafka Streams 4.3.1, record by record", _java_command("Job"), _prepare_java),
    System("naive", "plain Python, fastavro, ONNX batches", _python("naive.py")),
    System("naive-gx", "the same with Great Expectations", _python("naive.py", "--gx"), share=0.5),
    System(
        "quix",
        "Quix Streams 3.28.1",
        _python("quix.py", python=str(QUIX / "bin" / "python")),
        _prepare_quix,
        share=0.2,
    ),
)
NAMES: Final = tuple(system.name for system in SYSTEMS)


def prepared(names: Sequence[str], say: Callable[[str], None]) -> list[System]:
    """Those of these names that can run here. For the others it is said what is missing."""
    ready = []
    for system in SYSTEMS:
        if system.name not in names:
            continue
        try:
            system.prepare()
        except MissingError as error:
            say(f"{system.title} is left out: {error}")
        else:
            ready.append(system)
    return ready


def pinned_versions() -> dict[str, str]:
    """Of the peers that do not run in this environment."""
    lines = QUIX_REQUIREMENTS.read_text("utf-8").split()
    quix = next(line.partition("==")[2] for line in lines if line.startswith("quixstreams=="))
    return {"quixstreams": quix, "kafka-streams": "4.3.1", "java": _java_version()}


def _java_version() -> str:
    if shutil.which("java") is None:
        return "not installed"
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr.splitlines()
    return told[0] if told else "unknown"


def scratch(name: str) -> Path:
    """An empty folder for one run."""
    folder = WORK / "run" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
