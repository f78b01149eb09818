"""Fuzzing from the command line: `make fuzz`, or a part of it, or one case again.

PYTHONPATH=tests python -m fuzz                                        every target, its long run
PYTHONPATH=tests python -m fuzz decoder --seed 2 --first 5000 --minutes 14
PYTHONPATH=tests python -m fuzz pipeline --seed 1 --first 4711 --cases 1
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from fuzz.registry import NAMES, target_of
from fuzz.runner import Report, run


def main() -> int:
    options = _options()
    until = time.monotonic() + options.minutes * 60 if options.minutes else None
    broken = False
    for name in options.targets or NAMES:
        target = target_of(name)
        cases = options.cases or max(0, round(target.long * options.share) - options.first)
        report = run(target, options.seed, options.first, cases, until=until)
        tell(report)
        if options.results and report.cases:
            with options.results.open("a") as file:
                label = {"target": options.label} if options.label else {}
                file.write(json.dumps({**report.line(), **label}) + "\n")
        broken = broken or bool(report.found)
    return 1 if broken else 0


def tell(report: Report) -> None:
    """What was done and found, for a person."""
    counts = ", ".join(f"{count:,} {name}" for name, count in sorted(report.counts.items()))
    mib = report.most_bytes / (1 << 20)
    print(
        f"{report.target}: seed {report.seed}, cases {report.first} to {report.next - 1}: {counts};"
        f" {report.cpu_s:.0f} s, longest case {report.most_cpu_s:.2f} s, most memory {mib:.1f} MiB,"
        f" {report.deaths} deaths, {len(report.found)} kinds of findings",
        flush=True,
    )
    for found in report.found.values():
        print(
            f"\n  {found.kind}, {found.times} times: {found.what}\n  {report.again(found)}\n{found.detail}\n",
            flush=True,
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="target", help=", ".join(NAMES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--cases", type=int, default=0, help="how many; default: the target's long run")
    parser.add_argument("--share", type=float, default=1.0, help="of the long run")
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after this time")
    parser.add_argument("--results", type=Path, help="append a JSON line for each target to this file")
    parser.add_argument("--label", default="", help="what that line calls the target")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(NAMES):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
