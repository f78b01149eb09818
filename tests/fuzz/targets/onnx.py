"""Model files, as the walk over their protobuf sees them before ONNX Runtime does."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Final

from fuzz.mutations import damaged
from fuzz.target import INPUTS, Judge, Target, demand

from stream.inference.onnxfile import DOMAINS, MAX_DEPTH, MalformedError, unsafe_parts

ROOT: Final = Path(__file__).resolve().parents[3]


def prepare() -> Judge:
    models = [path.read_bytes() for path in sorted((ROOT / "models").rglob("model.onnx"))]
    small = min(models, key=len)[:40_000]
    assert all(unsafe_parts(model) == [] for model in models)

    def judge(random: Random, counts: Counter[str]) -> None:
        data, foreign = _file(random, small)
        counts[INPUTS] += 1
        try:
            found = unsafe_parts(data)
        except MalformedError as error:
            counts["malformed"] += 1
            demand(0 < len(str(error)) < 200, "what is wrong is told in a short text")
            return
        counts["unsafe" if found else "taken"] += 1
        demand(not foreign or bool(found), "an operator of another domain is found")

    return judge


def _file(random: Random, model: bytes) -> tuple[bytes, bool]:
    """(bytes, whether they hold an operator that must be refused)."""
    roll = random.random()
    if roll < 0.5:
        data = model
        for _ in range(random.choice((1, 1, 2, 5))):
            data = damaged(random, data, model)
        return data, False
    if roll < 0.6:
        return random.randbytes(random.choice((0, 1, 10, 300))), False
    graph, foreign = _graph(random, random.choice((0, 1, 3, 10, 22, 40, 2000)))
    return field(7, graph) + random.choice((b"", field(8, field(1, b"ai.onnx")), b"\x08\x09")), foreign


def _graph(random: Random, depth: int) -> tuple[bytes, bool]:
    """A graph of subgraphs in attributes of nodes; an operator of another domain may be in the innermost."""
    foreign = random.random() < 0.5 and depth < MAX_DEPTH // 3 - 2
    domain = b"com.evil" if foreign else random.choice((b"", b"ai.onnx.ml"))
    assert foreign or domain.decode() in DOMAINS
    graph = field(1, field(7, domain))
    for _ in range(depth):
        graph = field(1, field(5, field(6, graph)))
    if random.random() < 0.2:
        return damaged(random, graph, b"\xff" * 9), False
    return graph, foreign


def field(number: int, data: bytes, size: int | None = None) -> bytes:
    """A field of bytes of protobuf."""
    return _varint(number << 3 | 2) + _varint(len(data) if size is None else size) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


TARGET: Final = Target(
    "onnx",
    "model files, looked at before ONNX Runtime loads them",
    prepare,
    cpu_s=5,
    mebibytes=64,
    long=100_000,
    short=200,
)
