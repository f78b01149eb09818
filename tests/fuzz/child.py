"""The process that runs cases: each is announced before it begins, so that whoever dies names its case.

    python -m fuzz.child TARGET SEED FIRST LAST FOLDER

FOLDER/case holds the number of the case in hand (8 bytes), FOLDER/told a JSON line for each finding and for counts.
"""

from __future__ import annotations

import faulthandler
import json
import mmap
import os
import resource
import struct
import sys
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import IO, Any, Final

from fuzz.registry import target_of
from fuzz.target import FindingError, Target

WARMING: Final = -1
"""In place of a case's number while the target is prepared."""
HEADROOM_BYTES: Final = 2 << 30
"""Of address space beyond what the prepared process has: libraries reserve more than they use."""
TELL_EVERY_S: Final = 1.0
PACKAGE: Final = str(Path(__file__).resolve().parents[2] / "stream")
STACK: Final = 12
"""Lines of a traceback that are kept."""


@dataclass(slots=True)
class Tally:
    """What was done since it was told last, and the extremes of all of it."""

    counts: Counter[str] = field(default_factory=Counter)
    cases: int = 0
    cpu_s: float = 0.0
    most_cpu_s: float = 0.0
    most_bytes: int = 0

    def tell(self, told: IO[str]) -> None:
        line = {
            "cases": self.cases,
            "counts": dict(self.counts),
            "cpu_s": self.cpu_s,
            "most_cpu_s": self.most_cpu_s,
            "most_bytes": self.most_bytes,
        }
        told.write(json.dumps(line) + "\n")
        told.flush()
        self.counts.clear()
        self.cases, self.cpu_s = 0, 0.0


@dataclass(frozen=True, slots=True)
class Memory:
    """The resident set of this process, and its peak since it was asked to forget the one before (Linux)."""

    status: Path = Path("/proc/self/status")
    clear: Path = Path("/proc/self/clear_refs")

    def forget_peak(self) -> int:
        """The resident bytes now."""
        self.clear.write_text("5")
        return self._bytes(b"VmRSS:")

    def peak(self) -> int:
        return self._bytes(b"VmHWM:")

    def _bytes(self, name: bytes) -> int:
        text = self.status.read_bytes()
        at = text.index(name) + len(name)
        return int(text[at : text.index(b"kB", at)]) * 1024


def random_of(target: str, seed: int, case: int) -> Random:
    """All that is random in a case."""
    return Random(f"{target}/{seed}/{case}")


def run(target: Target, seed: int, cases: range, folder: Path) -> None:
    """Run the cases; raises nothing for what they find."""
    with (folder / "case").open("r+b") as file, (folder / "told").open("a") as told:
        place = mmap.mmap(file.fileno(), 8)
        struct.pack_into("<q", place, 0, WARMING)
        judge, tally, memory = target.prepare(), Tally(), Memory()
        limited = not os.environ.get("FUZZ_UNLIMITED")
        told_at = time.monotonic()
        for case in cases:
            struct.pack_into("<q", place, 0, case)
            if limited:
                _limit_address_space(_address_space())
            before = memory.forget_peak() if limited else 0
            began = time.process_time()
            finding = _judged(judge, random_of(target.name, seed, case), tally)
            cpu_s, grown = time.process_time() - began, memory.peak() - before if limited else 0
            tally.cases += 1
            tally.cpu_s += cpu_s
            tally.most_cpu_s, tally.most_bytes = max(tally.most_cpu_s, cpu_s), max(tally.most_bytes, grown)
            if finding is None and grown > target.mebibytes << 20:
                finding = ("memory", f"a case took more than {target.mebibytes} MiB", f"{grown >> 20} MiB")
            if finding is None and cpu_s > target.cpu_s:
                finding = ("time", f"a case computed for more than {target.cpu_s:g} s", f"{cpu_s:.1f} s")
            if finding is not None:
                told.write(json.dumps({"case": case, "kind": finding[0], "what": finding[1], "detail": finding[2]}))
                told.write("\n")
            if finding is not None or time.monotonic() - told_at > TELL_EVERY_S:
                tally.tell(told)
                told_at = time.monotonic()
        tally.tell(told)


def _judged(judge: Any, random: Random, tally: Tally) -> tuple[str, str, str] | None:
    try:
        judge(random, tally.counts)
    except FindingError as found:
        what, _, detail = str(found).partition("\n")
        return "property", what, detail
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        _limit_address_space(resource.RLIM_INFINITY)  # to tell of it takes memory too
        return "exception", f"{type(error).__name__} at {_place(error)}", _shown(error)
    return None


def _place(error: BaseException) -> str:
    """The innermost line of the product that the exception passed."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(PACKAGE)]
    if not frames:
        return "no line of the product"
    return f"stream{frames[-1].filename.removeprefix(PACKAGE)}:{frames[-1].lineno} {frames[-1].name}"


def _shown(error: BaseException) -> str:
    lines = "".join(traceback.format_exception(error)).splitlines()
    return ascii("\n".join(line[:300] for line in lines[-STACK:])).replace("\\n", "\n")


def _address_space() -> int:
    """Bytes that this process may have: what it has, and some more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize() + HEADROOM_BYTES


def _limit_address_space(limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def main() -> None:
    name, seed, first, last, folder = sys.argv[1:]
    faulthandler.enable()
    warnings.simplefilter("ignore")
    run(target_of(name), int(seed), range(int(first), int(last)), Path(folder))


if __name__ == "__main__":
    main()
