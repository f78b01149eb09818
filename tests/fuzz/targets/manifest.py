"""manifest.json of model packages: the project's own with accidents."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from fuzz.mutations import as_json, changed, damaged, scribbled, tree_of
from fuzz.target import INPUTS, Judge, Target, check_told, demand

from stream.errors import ConfigurationError
from stream.inference.manifest import locate, parse_manifest

ROOT: Final = Path(__file__).resolve().parents[3]
PATH: Final = Path("manifest.json")
WORDS: Final = (
    *("format", "name", "version", "sha256", "inputs", "outputs", "golden", "tolerance", "rows", "created", "at", "by"),
    *(
        "onnxruntime",
        "producer",
        "metadata",
        "datatype",
        "shape",
        "columns",
        "missing",
        "refuse",
        "nan",
        "FP32",
        "FP64",
    ),
    *("INT64", "INT8", "BYTES", "BOOL", "UINT8", "dep_delay", "variable", "2026-01-31T06:00:00Z", "a.b", "\ud83d"),
)
PIECES: Final = (
    *(
        '"',
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\\",
        "null",
        "true",
        "NaN",
        "-Infinity",
        "1e999",
        "1" * 5000,
        "\\ud800",
        "\0",
    ),
    *(
        "\ufeff",
        "\x7f",
        "\ufffe",
        "\u2028",
        "\x85",
        "\t",
        "//",
        "'",
        "-1",
        "0",
        '"metadata": {},',
        '"version": 2,',
        "#",
        "&a",
    ),
)


def prepare() -> Judge:
    texts = [path.read_text() for path in sorted((ROOT / "models").rglob("manifest.json"))]
    trees = [tree_of(json.loads(text)) for text in texts]
    assert len(trees) >= 2

    def judge(random: Random, counts: Counter[str]) -> None:
        text = _text(random, texts, trees)
        counts[INPUTS] += 1
        try:
            manifest = parse_manifest(text, PATH)
        except ConfigurationError as error:
            counts["refused"] += 1
            check_told(error, str(PATH))
            return
        counts["taken"] += 1
        demand(len(manifest.columns()) == len(set(manifest.columns())), "a column is named once")
        demand(locate(text, PATH, ("sha256",)).startswith(f"{PATH}:"), "a key of what is taken has its place")
        widths = [tensor.width for tensor in (*manifest.inputs, *manifest.outputs)]
        demand(all(width > 0 for width in widths), "a tensor of what is taken has rows of some width")

    return judge


def _text(random: Random, texts: Sequence[str], trees: Sequence[Any]) -> str:
    roll = random.random()
    if roll < 0.04:
        return _bomb(random, texts)
    if roll < 0.12:
        data = damaged(random, random.choice(texts).encode(), random.choice(texts).encode())
        return data.decode("utf-8", "replace")
    if roll < 0.3:
        return scribbled(random, random.choice(texts), PIECES, texts)
    tree = changed(random, random.choice(trees), WORDS, random.choice((0, 1, 1, 1, 2, 4)))
    text = as_json(tree, ascii_only=random.random() < 0.5)
    return scribbled(random, text, PIECES, texts) if random.random() < 0.1 else text


def _bomb(random: Random, texts: Sequence[str]) -> str:
    n = random.choice((10, 500, 1000, 100_000))
    text = random.choice(texts)
    head = text[: text.rindex("}")]
    return random.choice(
        (
            "[" * n,
            head + ', "more": ' + "[" * n + "]" * n + "}",
            head + ', "metadata": {"a": ' + "[" * n + "]" * n + "}}",
            head + ', "metadata": {"a": ' + '{"b": ' * n + "1" + "}" * n + "}}",
            head + "".join(f', "k{i}": {i}' for i in range(n)) + "}",
            head + ', "' + "k" * n + '": 1}',
            head + ', "metadata": {"' + "k" * n + '": "' + "v" * n + '"}}',
            text.replace("-1", "[" + "-1, " * n + "-1]", 1),
            text.replace("-1", "1" * min(n, 4000), 1),
        )
    )


TARGET: Final = Target(
    "manifest",
    "manifests of model packages",
    prepare,
    cpu_s=10,
    mebibytes=128,
    long=100_000,
    short=250,
)
