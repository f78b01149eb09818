"""The long runs behind docs/reliability.md, in parts: each is one `stream chaos`, its result one line of JSON.

    python tests/chaos/long.py kills --seeds 1..4     # a part a seed, at most 14 minutes each

A seed whose result is there already is not run again, so an interrupted series goes on where it stopped. Exit
code 1 when a run of this call broke a promise. `make docs` makes the tables of the page from the results.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
RESULTS: Final = ROOT / "docs" / "reliability"
PROFILES: Final[Mapping[str, Sequence[str]]] = {
    # a single broker is never stopped; six or seven parts make 1,000 kills over 7,000,000 events
    "kills": ("--faults=kill", "--brokers=1", "--workers=3", "--minutes=8", "--every=2.5", "--rate=2500"),
    "brokers": ("--faults=broker-kill", "--brokers=3", "--workers=2", "--minutes=8", "--every=4", "--rate=1000"),
    "failpoints": ("--faults=failpoint", "--brokers=1", "--workers=3", "--minutes=11", "--every=6", "--rate=1000"),
    "spaced": ("--faults=kill,stop,leave", "--brokers=1", "--workers=3", "--minutes=8", "--every=12", "--rate=1000"),
    "all": ("--brokers=3", "--workers=3", "--minutes=11", "--every=4", "--rate=1000"),
    "consumer": (
        *("--protocol=consumer", "--faults=kill,stop,leave,join,failpoint,cut,hold", "--brokers=1"),
        *("--workers=3", "--minutes=8", "--every=3", "--rate=1000"),
    ),
    "bursts": (
        *("--load=bursts", "--faults=join,leave,kill,stop,failpoint", "--brokers=1"),
        *("--workers=3", "--minutes=8", "--every=2", "--rate=100"),
    ),
}
LONGEST_S: Final = 14 * 60 + 30
"""A part that takes longer is stuck."""


def seeds(text: str) -> range:
    """ "3" or "1..4", both ends included."""
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def done(path: Path) -> set[int]:
    """Seeds whose results are there."""
    return {json.loads(line)["seed"] for line in path.read_text("utf-8").splitlines()} if path.exists() else set()


def commit() -> str:
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    return found.stdout.strip()


def run(profile: str, seed: int, folder: Path, minutes: float | None = None) -> dict[str, object]:
    """One part; minutes: other than the profile's. Raises CalledProcessError when it could not be judged."""
    length = [f"--minutes={minutes:g}"] if minutes else []
    options = ["--load=steady", *PROFILES[profile], *length, f"--seed={seed}", "--output=json", f"--folder={folder}"]
    command = [sys.executable, "-m", "stream", "chaos", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            told, _ = process.communicate(timeout=LONGEST_S)
        except BaseException:
            process.terminate()  # it ends its workers and brokers first
            raise
    if process.returncode not in (0, 1) or not told.strip():
        raise subprocess.CalledProcessError(process.returncode, command)
    facts: dict[str, object] = json.loads(told.splitlines()[-1])
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"profile": profile, "at": now, "commit": commit(), **facts}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", choices=PROFILES)
    parser.add_argument("--seeds", type=seeds, default=seeds("1"), help="3, or 1..4: a part each")
    parser.add_argument("--minutes", type=float, help="of faults in a part, if not the profile's")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the lines; docs/reliability")
    chosen = parser.parse_args()
    chosen.results.mkdir(parents=True, exist_ok=True)
    path: Path = chosen.results / f"{chosen.profile}.jsonl"
    held = True
    for seed in sorted(set(chosen.seeds) - done(path)):
        with tempfile.TemporaryDirectory(prefix="stream-chaos-") as folder:
            facts = run(chosen.profile, seed, Path(folder), chosen.minutes)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")
        held &= facts["held"] is True
        print(f"{chosen.profile} {seed}: {facts['events']} events, faults {facts['faults']}, held: {facts['held']}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
