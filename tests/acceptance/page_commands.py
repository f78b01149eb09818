"""The commands of a documentation page, and how they are run: in their order, in one shell, in a scratch project.

In a ```console block the lines after "$ " are commands ("> " goes on with one); a ```sh block is commands alone. A
block of any other language behind the comment <!-- file: NAME --> is a file, written when its turn comes.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = ("pipelines", "schemas", "suites", "models", "examples", "tests/data")
"""What a page finds in its working directory, as in the repository: copies, which it may change."""
FENCE: Final = re.compile(r"^(?:<!-- file: (\S+) -->\n)?```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SHELLS: Final = ("console", "sh", "bash", "shell")
PAGE_S: Final = 240.0
"""Longest time of one page."""
SHIM: Final = '#!/bin/sh\nexec "{python}" {arguments} "$@"\n'
SHIMS: Final = {"stream": "-m stream", "python": "", "pytest": "-m pytest"}


@dataclass(frozen=True)
class Command:
    """One command of a page, and the line of the page where it begins."""

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def commands(page: str, text: str) -> list[Command]:
    """Every command of a page, in order; writing a file is one too."""
    found = []
    for block in FENCE.finditer(text):
        file, language, content = block.groups()
        first = text[: block.start(3)].count("\n") + 1
        if file:
            found.append(Command(page, first, _writing(file, content)))
        elif language == "console":
            found += _prompted(page, first, content)
        elif language in SHELLS:
            found.append(Command(page, first, content.strip()))
    return found


def _writing(file: str, content: str) -> str:
    """As a person saves a block of the page."""
    return f"mkdir -p {Path(file).parent} && cat > {file} <<'END OF THE BLOCK'\n{content}END OF THE BLOCK"


def _prompted(page: str, first: int, block: str) -> list[Command]:
    found: list[Command] = []
    for number, line in enumerate(block.splitlines(), first):
        if line.startswith("$ "):
            found.append(Command(page, number, line[2:]))
        elif line.startswith("> ") and found and found[-1].text.rstrip().endswith("\\"):
            last = found.pop()
            found.append(Command(page, last.line, f"{last.text}\n{line[2:]}"))
    return found


def scratch_project(folder: Path) -> None:
    """The repository's pipelines and what they name, in a folder of the page's own."""
    for name in PROJECT:
        shutil.copytree(ROOT / name, folder / name)


def run(steps: Sequence[Command], folder: Path, environ: Mapping[str, str]) -> None:
    """One shell for all of them, so that `export` and `cd` last; fails with the first that fails, and what it said."""
    bin_folder = folder.parent / f"{folder.name}-bin"
    _write_shims(bin_folder)
    log = folder.parent / f"{folder.name}.log"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("STREAM_")}
    path = f"{bin_folder}:{plain['PATH']}"
    with log.open("wb") as output:
        shell = subprocess.Popen(
            ["bash", "-c", _script(steps)],
            cwd=folder,
            env={**plain, "PYTHONPATH": str(ROOT), **environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            code = shell.wait(PAGE_S)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(shell)
    said = log.read_text(errors="replace")
    assert code == 0, f"{'still running' if code is None else f'ended with {code}'}:\n{said[-4000:]}"


def _script(steps: Sequence[Command]) -> str:
    """A command that is put in the background has said its first line before the next one begins."""
    lines = ["set -eo pipefail"]
    for step in steps:
        lines.append(f"printf '%s\\n' {_quoted(f'>>> {step}')}")
        if step.text.endswith("&"):
            lines += [f"exec {{said}}< <({step.text.removesuffix('&').rstrip()})", 'read -r -u "$said"']
        else:
            lines.append(step.text)
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _write_shims(folder: Path) -> None:
    """The commands as they are on the path of who installed the product."""
    folder.mkdir(exist_ok=True)
    for name, arguments in SHIMS.items():
        shim = folder / name
        shim.write_text(SHIM.format(python=sys.executable, arguments=arguments))
        shim.chmod(0o755)


def _end(shell: subprocess.Popen[bytes]) -> None:
    """Whatever a page left in the background ends with it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(shell.pid, signal.SIGKILL)
    shell.wait()
