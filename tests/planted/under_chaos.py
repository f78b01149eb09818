"""`stream chaos` with a bug in every worker: is it found by chance, too?

PYTHONPATH=tests python -m planted.under_chaos quiet-revoke-missed --load bursts --faults join,leave --brokers 1
"""

from __future__ import annotations

import sys
from pathlib import Path

from planted.trial import LAUNCH

from stream.chaos import scene
from stream.cli import main as stream


def main() -> None:
    bug, *options = sys.argv[1:]

    def run_command(pipeline: Path) -> object:
        return lambda _slot: [sys.executable, str(LAUNCH), bug, "run", str(pipeline)]

    scene.run_command = run_command  # type: ignore[assignment]
    stream(["chaos", *options])


if __name__ == "__main__":
    main()
