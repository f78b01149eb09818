"""Trees as YAML text in several styles, and YAML that is small to write and large or odd to read."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Final

from fuzz.mutations import Pairs, as_json

PIECES: Final = (
    *(
        ":",
        ": ",
        "- ",
        "-",
        "?",
        "? ",
        ",",
        "[",
        "]",
        "{",
        "}",
        "#",
        " #",
        "&a ",
        "*a",
        "*a ",
        "&a",
        "!",
        "!!",
        "!!str ",
    ),
    *(
        "!!python/object/apply:os.system ",
        "!!binary ",
        "!!int ",
        "!<tag:x> ",
        "|",
        "|-\n",
        ">+1\n",
        "'",
        '"',
        "%",
        "@",
        "`",
    ),
    *(
        "\n---\n",
        "\n...\n",
        "%YAML 1.2\n---\n",
        "%YAML 9999999999.1\n---\n",
        "%TAG ! tag:x\n---\n",
        "<<: *a\n",
        "\t",
        "\r",
    ),
    *("\0", "\x07", "\x1b[31m", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe", "\ud800", "\N{GRINNING FACE}", "é"),
    *(r'"\x41"', r'"\ud800"', r'"\U00110000"', r'"\UFFFFFFFF"', r'"\0"', r'"\q"', "~", "null", "true", "0x1", "0o7"),
    *(
        "1e999",
        "1" * 30,
        "1" * 5000,
        ".nan",
        ".inf",
        "1_000",
        "10:30",
        "2026-01-01",
        "''",
        '""',
        "\n",
        "\n  ",
        "\n\n\n",
    ),
)
DEEPEST: Final = 60
"""Levels of block style; deeper ones are written as JSON."""


def styled(random: Random, tree: Any) -> str:
    """The tree as block YAML with or without quotes, or as JSON, which is YAML too."""
    if random.random() < 0.25:
        return as_json(tree, ascii_only=random.random() < 0.5)
    quoting = random.choice((0.0, 0.1, 1.0))
    return "\n".join(_block(random, tree, 0, quoting)) + "\n"


def _block(random: Random, node: Any, depth: int, quoting: float) -> list[str]:
    indent = "  " * depth
    if not isinstance(node, list) or not node or depth > DEEPEST:
        return [indent + _inline(random, node, quoting)]
    lines = []
    for item in node:
        head = f"{_word(random, item[0], quoting)}:" if isinstance(node, Pairs) else "-"
        held = item[1] if isinstance(node, Pairs) else item
        if isinstance(held, list) and held and depth < DEEPEST:
            lines.append(indent + head)
            lines += _block(random, held, depth + 1, quoting)
        else:
            lines.append(f"{indent}{head} {_inline(random, held, quoting)}")
    return lines


def _inline(random: Random, node: Any, quoting: float) -> str:
    if isinstance(node, list):
        return as_json(node)
    return _word(random, node, quoting) if isinstance(node, str) else json.dumps(node)


def _word(random: Random, word: Any, quoting: float) -> str:
    text = str(word)
    return json.dumps(text, ensure_ascii=random.random() < 0.5) if random.random() < quoting else text


def bomb(random: Random) -> str:
    """Text whose size or depth is not that of what it stands for."""
    n = random.choice((10, 51, 200, 3000, 30_000))
    made = random.choice(
        (
            lambda: "[" * n,
            lambda: "[" * n + "]" * n,
            lambda: "{a: " * n + "1" + "}" * n,
            lambda: "".join("  " * i + "a:\n" for i in range(min(n, 1000))),
            lambda: "- " * n + "a",
            lambda: "? " * n + "a",
            lambda: (
                "a: &a ["
                + "x, " * 9
                + "]\n"
                + "".join(f"b{i}: &b{i} [{f'*{_last(i)}, ' * 9}]\n" for i in range(min(n, 60)))
            ),
            lambda: "a: &a {b: *a}\n",
            lambda: "a: &a [*a, *a]\n",
            lambda: "[" + "0, " * (10 * n) + "]",
            lambda: "a: b\n" * n,
            lambda: "".join(f"k{i}: {i}\n" for i in range(n)),
            lambda: "pipeline: " + "x" * (33 * n),
            lambda: "x" * (33 * n) + ": 1",
            lambda: "a: |\n" + " x\n" * n,
            lambda: '"' + "\\n" * n + '"',
            lambda: "# " + "x" * (33 * n) + "\na: 1",
            lambda: "!" * n + " a",
            lambda: "&a " * n + "a",
            lambda: "input: {topic: [" + "a, " * n + "]}",
            lambda: "stages: [" + "{validate: {suite: a}}, " * n + "]",
            lambda: "outputs: [" + "{topic: a, schema: b}, " * n + "]",
            lambda: "failures: {retry: {delays: [" + "1s, " * n + "]}}",
            lambda: "stages: [{transform: {" + ", ".join(f"c{i}: 1" for i in range(n)) + "}}]",
            lambda: "stages: [{transform: {a: '" + "(" * n + "1" + ")" * n + "'}}]",
        )
    )
    return str(made())


def _last(i: int) -> str:
    return f"b{i - 1}" if i else "a"
