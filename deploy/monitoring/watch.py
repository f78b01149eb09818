"""python -m deploy.monitoring.watch: the demonstration with Prometheus, Alertmanager and the boards, without Docker.

Flights go through at a pace that lets one watch, a worker is killed on the way, and everything stays to be looked
at until Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from deploy.monitoring.servers import Monitoring, free_address
from deploy.monitoring.serving import BoardServer
from stream.demo.play import Play
from stream.demo.screen import Screen
from stream.devkafka import Cluster

SCRAPE_S: Final = 5.0
PORT: Final = 9470


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.monitoring.watch", description=__doc__)
    parser.add_argument("--rate", type=float, default=1000.0, help="flights per second (default: 1000)")
    parser.add_argument("--limit", type=int, help="only so many flights")
    parser.add_argument("--port", type=int, default=PORT, help=f"of the boards (default: {PORT}, 0 for any)")
    parser.add_argument("--folder", type=Path, default=Path(".stream/watch"), help="for data and logs")
    given = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    with contextlib.suppress(KeyboardInterrupt):
        watch(given.folder, given.rate, given.limit, given.port)


def watch(folder: Path, rate: float, limit: int | None, port: int) -> None:
    """Until KeyboardInterrupt; everything that was started is ended then."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        monitoring = stack.enter_context(Monitoring(folder.resolve() / "monitoring", interval_s=SCRAPE_S))
        boards = BoardServer(monitoring.prometheus, SCRAPE_S, port)
        stack.callback(boards.close)
        worker = free_address()
        monitoring.scrape([worker])
        _say(
            f"Boards        {boards.address}\nPrometheus    http://{monitoring.prometheus}/\n"
            f"Alertmanager  http://{monitoring.alertmanager}/"
        )
        screen = stack.enter_context(Screen())
        play = Play(
            pipeline=Path("pipelines/flights.yaml"),
            folder=folder,
            say=screen.say,
            show=screen.show,
            rate=rate,
            limit=limit,
            keep=True,
            http_address=worker,
        )
        report = play.run()
        stack.callback(Cluster(folder / "kafka").stop)
        stack.callback(_end, report.worker_pid)
        screen.freeze()
        _say(f"All flights are through. The boards stay at {boards.address} until Ctrl-C.")
        while True:
            time.sleep(1)


def _stop(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _end(pid: int) -> None:
    """The worker that the demonstration left; a child of this process."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
