"""Pipeline files: the project's own with accidents, as YAML in several styles, and YAML that was written to harm."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from fuzz.mutations import EXTREMES, TEXTS, as_json, changed, damaged, scribbled, tree_of
from fuzz.target import INPUTS, MAX_PROBLEM_CHARACTERS, Judge, Target, check_told, demand
from fuzz.yaml_text import PIECES, bomb, styled

from stream.assembly import open_pipeline
from stream.config import examine, json_schema
from stream.config.document import parse
from stream.errors import ConfigurationError, UnreachableError

ROOT: Final = Path(__file__).resolve().parents[3]
NAME: Final = "pipeline.yaml"
OPENED: Final = 0.1
"""Share of the cases in which what the file names is opened too."""
NUMBERS: Final = tuple(
    f"STREAM_KAFKA_{name}" for name in ("SESSION_TIMEOUT_MS", "MAX_POLL_INTERVAL_MS", "MESSAGE_MAX_BYTES")
)


def prepare() -> Judge:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-pipeline-"))
    for name in ("schemas", "suites", "models"):
        (folder / name).symlink_to(ROOT / name)
    path = folder / "pipelines" / NAME
    path.parent.mkdir()
    valid = [file.read_text() for file in sorted((ROOT / "pipelines").glob("*.yaml"))]
    trees = [tree_of(parse(text, NAME).data) for text in valid]
    words = _words()
    for text in valid[:1]:  # so that the first case does not pay for it
        path.write_text(text)
        open_pipeline(path, {}, offline=True)

    def judge(random: Random, counts: Counter[str]) -> None:
        content = _content(random, valid, trees, words)
        path.write_bytes(content)
        counts[INPUTS] += 1
        environ = _environ(random) if random.random() < 0.3 else {}
        examined = examine(path, environ, host_name="host", terminal=False)
        if examined.problems or examined.config is None:
            counts["refused"] += 1
            check_told(ConfigurationError(examined.problems), str(path), "environment")
        if examined.config is not None:
            as_json(tree_of(examined.config.resolved()))
        if random.random() < OPENED:
            _open(path, environ, counts)

    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return judge


def _environ(random: Random) -> dict[str, str]:
    """A registry that nobody answers for, and numbers of librdkafka that the rules look at."""
    environ = {"STREAM_INSTANCE": "one"}
    if random.random() < 0.3:
        environ["STREAM_SCHEMA_REGISTRY_URL"] = "http://127.0.0.1:1"
    values = [text for text in TEXTS if text.isprintable()] + [str(number) for number in EXTREMES] + ["9" * 5000]
    return environ | {name: random.choice(values) for name in random.sample(NUMBERS, random.choice((0, 1, 3)))}


def _open(path: Path, environ: dict[str, str], counts: Counter[str]) -> None:
    """With the schemas, suites and models that the file names."""
    try:
        _, pipeline = open_pipeline(path, environ, offline=True)
    except ConfigurationError as error:
        counts["refused when opened"] += 1
        check_told(error)
    except UnreachableError as error:  # an input without a schema asks the registry, and there is none
        counts["registry not reached"] += 1
        demand(0 < len(str(error)) <= MAX_PROBLEM_CHARACTERS, "it is told in a text of bounded length", len(str(error)))
    else:
        counts["opened"] += 1
        pipeline.close()


def _content(random: Random, texts: Sequence[str], trees: Sequence[Any], words: Sequence[str]) -> bytes:
    roll = random.random()
    if roll < 0.03:
        return bomb(random).encode("utf-8", "surrogatepass")
    if roll < 0.1:
        return damaged(random, random.choice(texts).encode(), random.choice(texts).encode())
    if roll < 0.6:
        tree = changed(random, random.choice(trees), words, random.choice((1, 1, 2, 5)))
        text = styled(random, tree)
    else:
        text = random.choice(texts)
    if roll > 0.55:
        for _ in range(random.choice((1, 1, 2))):
            text = scribbled(random, text, PIECES, texts)
    return text.encode("utf-8", "surrogatepass" if random.random() < 0.1 else "replace")


def _words() -> list[str]:
    """Every key of a pipeline file, and values that some of them take."""
    found: set[str] = set()
    left: list[Any] = [json_schema()]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            found.update(node.get("properties", {}))
            found.update(value for value in node.get("enum", ()) if isinstance(value, str))
            left += node.values()
        elif isinstance(node, list):
            left += node
    return [
        *sorted(found),
        *(
            "schemas/flight.avsc",
            "suites/ticket.json",
            "models/arrival-delay",
            "schemas/none.avsc",
            "schemas",
            "flights",
        ),
        *("dep_delay - air_time / 60", "dep_delay > 15", "_key", "_timestamp", "dep_delay", "a.b:c", "os:system"),
        *("https://x/{carrier}", "${env:HOME}", "{carrier}", "10s", "1m", "16MiB", "100/s", "double", "array<string>"),
    ]


TARGET: Final = Target(
    "pipeline",
    "pipeline files; one in ten is opened with all that it names",
    prepare,
    cpu_s=10,
    mebibytes=96,
    long=100_000,
    short=150,
)
