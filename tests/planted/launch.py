"""A worker with bugs in it: python tests/planted/launch.py BUG[,BUG] run pipeline.yaml ..."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Plant what the first argument names, then be `stream` with the others."""
    root = Path(__file__).resolve().parents[2]
    sys.path[0:1] = [str(root), str(root / "tests")]
    names, *arguments = sys.argv[1:]

    from planted.plants import plant

    for name in filter(None, names.split(",")):
        plant(name)
    from stream.cli import main as stream

    stream(arguments)


if __name__ == "__main__":
    main()
