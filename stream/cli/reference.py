"""Every command with its arguments and options as Markdown: what `--help` says, for docs/configuration.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stream.cli import COMMANDS, load


def commands_section() -> str:
    """A heading for each command, and for each command of a group, with what it takes."""
    return "\n" + "\n".join(part for name in COMMANDS for part in _parts(name, load(name))) + "\n"


def _parts(name: str, command: Any) -> Iterator[str]:
    for below, inner in getattr(command, "commands", {}).items():
        yield from _parts(f"{name} {below}", inner)
    if hasattr(command, "commands"):
        return
    context = command.make_context(f"stream {name}", [], resilient_parsing=True)
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    rows = [_row(*record) for record in records if record and record[0] != "--help"]
    yield f"### stream {name}\n"
    yield f"{_told(command.help)}\n"
    if rows:
        yield "| Takes | Meaning |\n| --- | --- |\n" + "".join(rows)


def _row(takes: str, meaning: str) -> str:
    shown = takes.replace(" range>", ">").replace("|", "\\|")
    return f"| `{shown}` | {_escaped(meaning)} |\n"


def _told(text: str | None) -> str:
    """Help, one paragraph after another."""
    return "\n\n".join(_escaped(part) for part in (text or "").split("\n\n"))


def _escaped(text: str) -> str:
    """One line that Markdown does not read as anything but text, outside of `code`."""
    parts = " ".join(text.split()).split("`")
    return "`".join(part if index % 2 else _plain(part) for index, part in enumerate(parts))


def _plain(text: str) -> str:
    for special in "<|*_":
        text = text.replace(special, f"\\{special}")
    return text
