"""How dead letters are shown: counts, one with all there is to it, files, what was done with them."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from stream.cli.show import Output, as_json, as_table, json_text
from stream.cli.sight import Sight, hex_lines
from stream.dlq.columns import COLUMNS, text_of
from stream.dlq.counts import AGES, Kind
from stream.errors import ConfigurationError

if TYPE_CHECKING:
    from stream.batch import Header, Messages, Origin
    from stream.cli.decoding import PlainReader
    from stream.dlq.columns import Letters
    from stream.dlq.counts import Counts, Group, Tally
    from stream.dlq.resolved import Book
    from stream.dlq.work import Order, Preview

MAX_ROWS: Final = 50
"""Kinds of failures that a table shows."""
VERBS: Final = {"replayed": ("would be sent again", "sent again"), "discarded": ("would be discarded", "discarded")}


def show_counts(topic: str, counts: Counts, book: Book, output: Output) -> None:
    """`stream dlq list`."""
    groups = counts.by_number()
    resolved = _resolved(book)
    if output is Output.JSON:
        as_json(_count_facts(topic, counts, resolved))
        return
    if groups:
        _show_groups(groups[:MAX_ROWS])
        typer.echo()
    if len(groups) > MAX_ROWS:
        typer.echo(f"and {len(groups) - MAX_ROWS} kinds more, with --output json")
    ages = ", ".join(f"{name} {counts.ages[name]:,}" for _, name in AGES if counts.ages[name])
    typer.echo(f"{counts.total:,} unresolved in {topic}" + (f": {ages}" if ages else ""))
    if counts.parked:
        typer.echo(f"{counts.parked:,} of them parked: replayed too often already")
    if resolved:
        typer.echo(", ".join(f"{number:,} {action}" for action, number in resolved.items()) + " before")


def _show_groups(groups: Sequence[tuple[Kind, Group]]) -> None:
    """Of the four names those that any of them has; several expectations stand under each other."""
    names = [name for name in Kind._fields if any(getattr(kind, name) for kind, _ in groups)]
    rows = [
        (*(getattr(kind, n).replace(",", ",\n") for n in names), g.number, _time(g.oldest_ms), _time(g.newest_ms))
        for kind, g in groups
    ]
    as_table((*names, "number", "oldest", "newest"), rows)


def _count_facts(topic: str, counts: Counts, resolved: dict[str, int]) -> dict[str, Any]:
    return {
        "topic": topic,
        "unresolved": counts.total,
        "parked": counts.parked,
        "groups": [
            {**kind._asdict(), "number": group.number, **_span(group.oldest_ms, group.newest_ms)}
            for kind, group in counts.by_number()
        ],
        "ages": {name: counts.ages[name] for _, name in AGES},
        "resolved": resolved,
    }


def _resolved(book: Book) -> dict[str, int]:
    found: Counter[str] = Counter()
    for key, number in book.moved.items():
        found[key.action] += number
    return dict(found)


def _span(oldest_ms: int, newest_ms: int) -> dict[str, str]:
    return {"oldest": _time(oldest_ms), "newest": _time(newest_ms)}


def show_preview(order: Order, preview: Preview, output: Output) -> None:
    """A dry run: by reason, and where the first ones come from."""
    tally = preview.tally
    if output is Output.JSON:
        as_json({**_tally_facts(order, tally), "dry_run": True, "resumes": preview.resumes, "sample": _sample(tally)})
        return
    would, _ = VERBS[order.action]
    _show_rows(tally, would)
    for place in _sample(tally):
        typer.echo(f"  {place['origin'] or 'unknown origin'}  (dead letter {place['dead_letter']})")
    if preview.resumes is not None:
        typer.echo(f"{order.name} was interrupted: {preview.resumes:,} were {order.action} then; it would go on")
    none = "all that are meant stay" if tally.stays else "no unresolved one is meant"
    todo = "add --yes to do it" if tally.total else none
    typer.echo(f"{_letters(tally.total)} {would}; nothing was done: {todo}")


def show_tally(order: Order, tally: Tally, output: Output) -> None:
    """What was done."""
    if output is Output.JSON:
        as_json({**_tally_facts(order, tally), "dry_run": False})
        return
    _, did = VERBS[order.action]
    _show_rows(tally, did)
    typer.echo(f"{_letters(tally.total)} {did}, under the name {order.name}")


def _letters(number: int) -> str:
    return "1 dead letter" if number == 1 else f"{number:,} dead letters"


def _show_rows(tally: Tally, verb: str) -> None:
    rows = [(reason, f"{verb} to {topic}" if topic else verb, n) for (reason, topic), n in tally.moved.most_common()]
    rows += [(reason, f"stays: {why}", n) for (reason, why), n in tally.stays.most_common()]
    if rows:
        as_table(("reason", "what", "number"), rows)
        typer.echo()


def _tally_facts(order: Order, tally: Tally) -> dict[str, Any]:
    return {
        "action": order.action.value,
        "name": order.name,
        "number": tally.total,
        "moved": [
            {"reason": reason, "topic": topic or None, "number": n} for (reason, topic), n in tally.moved.items()
        ],
        "stays": [{"reason": reason, "why": why, "number": n} for (reason, why), n in tally.stays.items()],
    }


def _sample(tally: Tally) -> list[dict[str, str | None]]:
    return [{"origin": _place(origin) if origin else None, "dead_letter": _place(at)} for origin, at in tally.sample]


def _place(origin: Origin) -> str:
    return f"{origin.topic}/{origin.partition}@{origin.offset}"


def show_history(book: Book, output: Output) -> None:
    """`stream dlq history`."""
    runs = sorted(book.runs.values(), key=lambda run: run.started)
    facts = [
        {
            "at": _time(run.started),
            "action": run.action.value,
            "number": book.moved[run.key],
            "by": run.by,
            "name": run.name,
            "where": run.where or None,
            "why": run.why or None,
            "done": run.done,
        }
        for run in runs
    ]
    if output is Output.JSON:
        as_json({"runs": facts})
    elif facts:
        rows = [
            (f["at"], _told(f), *(f[c] for c in ("number", "by", "name")), f["where"] or "all", f["why"]) for f in facts
        ]
        as_table(("at", "action", "number", "by", "name", "which", "why"), rows)
    else:
        typer.echo("nothing was replayed or discarded yet")


def _told(run: dict[str, Any]) -> str:
    """Whether it came to its end: one that did not goes on under the same name."""
    return str(run["action"]) if run["done"] else f"{run['action']}, not at its end"


def facts_of_one(
    letters: Letters, event: Messages, found: Sequence[Sight], *, resolved: bool, most: int
) -> dict[str, Any]:
    """All there is to say of one dead letter; event: what is decoded, which a pointer has elsewhere."""
    value = event.value(0)
    return {
        "dead_letter": _place(letters.messages.origin(0)),
        "resolved": resolved,
        **_columns(letters, 0),
        "headers": _headers(letters.messages.headers_of(0)),
        "bytes": None if value is None else len(value),
        "decoders": [{"decoder": s.decoder, "reason": s.reason or None, "value": s.value} for s in found],
        "hex": [] if value is None else list(hex_lines(value, most)),
    }


def show_one(facts: dict[str, Any]) -> None:
    """`stream dlq show`."""
    typer.echo(typer.style(facts["dead_letter"] + ("  resolved" if facts["resolved"] else ""), bold=True))
    for name in COLUMNS:
        if name not in ("dlq_partition", "dlq_offset") and facts.get(name) is not None and facts[name] is not False:
            typer.echo(f"  {name:<15} {facts[name]}")
    typer.echo(typer.style("headers", bold=True))
    for name, held in facts["headers"]:
        typer.echo(f"  {name}: {held}")
    typer.echo(typer.style("event" if facts["bytes"] is None else f"event, {facts['bytes']} bytes", bold=True))
    for sight in facts["decoders"]:
        typer.echo(f"  {sight['decoder']}: {sight['reason'] or 'read'}")
        if sight["value"] is not None and sight["value"] != {}:
            typer.echo(f"    {json_text(sight['value'])}")
    for line in facts["hex"]:
        typer.echo(f"  {line}")


def write_lines(
    file: Path, chunks: Iterable[Letters], plain: PlainReader, limit: int | None, tell: Callable[[int], None]
) -> int:
    """Dead letters to a file, at most limit of them; gives how many."""
    written = 0
    try:
        with file.open("w", encoding="utf-8") as out:
            for line in islice(_lines(chunks, plain), limit):
                out.write(line + "\n")
                written += 1
                tell(written)
    except OSError as error:
        raise ConfigurationError([f"--output {file}: cannot be written: {error.strerror}"]) from error
    return written


def _lines(chunks: Iterable[Letters], plain: PlainReader) -> Iterable[str]:
    for letters in chunks:
        events = plain.read(letters.messages) if len(letters) else []
        for row, event in enumerate(events):
            messages = letters.messages
            yield json_text(
                {
                    "dead_letter": _place(messages.origin(row)),
                    **_columns(letters, row),
                    "headers": _headers(messages.headers_of(row)),
                    "key_base64": _base64(messages.key(row)),
                    "value_base64": _base64(messages.value(row)),
                    "event": event if isinstance(event, dict) else None,
                    "not_decoded": None if isinstance(event, dict) else event.reason,
                }
            )


def _columns(letters: Letters, row: int) -> dict[str, Any]:
    """The columns of a filter, times in ISO 8601."""
    found = {name: make(letters, row, 0) for name, (_, make) in COLUMNS.items()}
    times = {name: _time(found[name]) for name in ("timestamp", "failed_at", "first_failed_at") if found[name]}
    del found["age_s"]
    return {**found, **times}


def _headers(headers: Sequence[Header]) -> list[tuple[str, str | None]]:
    return [(name, text_of(held)) for name, held in headers]


def _base64(held: bytes | None) -> str | None:
    return None if held is None else base64.b64encode(held).decode()


def _time(stamp_ms: int) -> str:
    return datetime.fromtimestamp(stamp_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
