"""Runs the cases of a target in child processes: one that dies or hangs names its case, the next goes on behind it."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fuzz.child import WARMING
from fuzz.target import INPUTS, Target

ROOT: Final = Path(__file__).resolve().parents[2]
LOOK_EVERY_S: Final = 0.05
WARMING_S: Final = 300.0
"""How long a target may be prepared, on a machine that others use too."""
WALL_TIMES: Final = 20.0
"""A case may take so many times its seconds of computing before it counts as hung: other processes want the cores."""
CPU_TIMES: Final = 5.0
"""And may compute so many times what it may before it is ended; in between the child says so itself."""
TRACE_S: Final = 5.0
ENDS: Final = 20
"""Children that may die of cases before a run is given up."""
TAIL_BYTES: Final = 6000


@dataclass(slots=True)
class Found:
    """One kind of finding: all cases that end alike."""

    kind: str
    what: str
    case: int
    detail: str
    times: int = 1


@dataclass(slots=True)
class Report:
    """What a run did: cases first to last - 1, as far as it came (next)."""

    target: str
    seed: int
    first: int
    next: int
    cases: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    cpu_s: float = 0.0
    most_cpu_s: float = 0.0
    most_bytes: int = 0
    deaths: int = 0
    found: dict[tuple[str, str], Found] = field(default_factory=dict)

    @property
    def inputs(self) -> int:
        return self.counts[INPUTS]

    def note(self, kind: str, what: str, case: int, detail: str) -> None:
        known = self.found.get((kind, what))
        if known is not None:
            known.times += 1
        else:
            self.found[kind, what] = Found(kind, what, case, detail)

    def take(self, line: dict[str, Any]) -> None:
        if "kind" in line:
            self.note(line["kind"], line["what"], line["case"], line["detail"])
            return
        self.cases += line["cases"]
        self.counts.update(line["counts"])
        self.cpu_s += line["cpu_s"]
        self.most_cpu_s = max(self.most_cpu_s, line["most_cpu_s"])
        self.most_bytes = max(self.most_bytes, line["most_bytes"])

    def again(self, found: Found) -> str:
        """The command that makes the case again."""
        return f"PYTHONPATH=tests python -m fuzz {self.target} --seed {self.seed} --first {found.case} --cases 1"

    def line(self) -> dict[str, Any]:
        """For the file of results."""
        return {
            "target": self.target,
            "seed": self.seed,
            "first": self.first,
            "next": self.next,
            "cases": self.cases,
            "counts": dict(sorted(self.counts.items())),
            "cpu_s": round(self.cpu_s, 1),
            "most_cpu_s": round(self.most_cpu_s, 2),
            "most_mib": round(self.most_bytes / (1 << 20), 1),
            "deaths": self.deaths,
            "found": [f"{f.kind}: {f.what} ({f.times})" for f in self.found.values()],
        }


def run(target: Target, seed: int, first: int, cases: int, *, until: float | None = None) -> Report:
    """Run the cases, or as many as are done before until (of time.monotonic)."""
    report = Report(target.name, seed, first, first)
    while report.next < first + cases and report.deaths < ENDS:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            _run_child(target, report, first + cases, Path(folder), until)
        if until is not None and time.monotonic() >= until:
            break
    return report


def _run_child(target: Target, report: Report, last: int, folder: Path, until: float | None) -> None:
    (folder / "case").write_bytes(struct.pack("<q", WARMING))
    (folder / "told").touch()
    with (folder / "errors").open("wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "fuzz.child", target.name, str(report.seed), str(report.next), str(last), folder],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}", "PYTHONHASHSEED": "0"},
            stdout=errors,
            stderr=errors,
        )
    why = _watch(child, target, folder, until)
    for line in _lines(folder / "told"):
        report.take(line)
    case = _case(folder)
    if child.returncode == 0:
        report.next = last
    elif why == "time is up":
        report.next = max(case, report.next)
    else:
        _note_death(report, child.returncode, why, case, folder)


def _note_death(report: Report, code: int, why: str, case: int, folder: Path) -> None:
    tail = (folder / "errors").read_bytes()[-TAIL_BYTES:].decode(errors="replace")
    if case == WARMING:
        raise RuntimeError(f"the target {report.target} could not be prepared (exit {code}, {why}):\n{tail}")
    report.deaths += 1
    ended = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    report.note("hang" if why else "death", why or f"the process died: {ended}", case, tail)
    report.next = case + 1


def _watch(child: subprocess.Popen[bytes], target: Target, folder: Path, until: float | None) -> str:
    """Wait for the child's end, or end it and say why."""
    case, since, used = WARMING - 1, time.monotonic(), 0.0
    while True:
        try:
            child.wait(LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            pass
        else:
            return ""
        now, at = time.monotonic(), _case(folder)
        if at != case:
            case, since, used = at, now, _cpu_s(child.pid)
        why = _too_long(target, case, now - since, _cpu_s(child.pid) - used)
        if not why and until is not None and now >= until and case != WARMING:
            why = "time is up"
        if why:
            _end(child)
            return why


def _end(child: subprocess.Popen[bytes]) -> None:
    """By SIGABRT, at which it writes where it is; SIGKILL if that does not end it."""
    child.send_signal(signal.SIGABRT)
    try:
        child.wait(TRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _too_long(target: Target, case: int, wall_s: float, cpu_s: float) -> str:
    if case == WARMING:
        return f"not prepared in {WARMING_S:g} s" if wall_s > WARMING_S else ""
    if cpu_s > CPU_TIMES * target.cpu_s:
        return f"a case computed for more than {CPU_TIMES * target.cpu_s:g} s and was ended"
    if wall_s > WALL_TIMES * target.cpu_s:
        return f"a case did not end in {WALL_TIMES * target.cpu_s:g} s"
    return ""


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _case(folder: Path) -> int:
    (case,) = struct.unpack("<q", (folder / "case").read_bytes())
    return int(case)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # the last one of a process that was ended in it
            continue
