"""`make watch`: the demonstration with its Prometheus and boards at one address, until Ctrl-C."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from acceptance.running import ROOT, wait_until

from deploy.monitoring.boards import BOARDS

FLIGHTS = 6000
SHOWN = "count(stream_build_info) and sum(stream_events_received_total) > 0"


@dataclass(frozen=True)
class Watch:
    popen: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def address(self, of: str) -> str:
        found = re.search(rf"^{of} +(http://\S+/)$", self.said(), re.MULTILINE)
        return found[1] if found else ""


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    log = tmp_path / "watch.log"
    given = ["--limit", str(FLIGHTS), "--rate", "2000", "--port", "0", "--folder", str(tmp_path / "watch")]
    with log.open("wb") as output:
        command = [sys.executable, "-m", "deploy.monitoring.watch", *given]
        popen = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield Watch(popen, log)
    finally:
        if popen.poll() is None:
            popen.send_signal(signal.SIGINT)
        popen.wait(60)


def answer(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as page:
        return json.loads(page.read())


def test_it_shows_the_boards_at_one_address_and_ends_everything_with_ctrl_c(watch: Watch) -> None:
    def through() -> bool:
        assert watch.popen.poll() is None, watch.said()[-3000:]
        return "All flights are through" in watch.said()

    wait_until(through, "the flights are through", 120, lambda: watch.said()[-3000:])
    boards, prometheus = watch.address("Boards"), watch.address("Prometheus")
    assert [board["uid"] for board in answer(f"{boards}boards.json")] == [board.uid for board in BOARDS]
    asked = f"{boards}api/v1/query?query={urllib.parse.quote(SHOWN)}"
    wait_until(lambda: answer(asked)["data"]["result"], "the page shows what Prometheus scraped of the worker")
    firing = f"{boards}api/v1/query?query={urllib.parse.quote('ALERTS')}"
    assert answer(firing)["status"] == "success"

    watch.popen.send_signal(signal.SIGINT)
    assert watch.popen.wait(60) == 0, watch.said()[-3000:]
    for address in (boards, prometheus, watch.address("Alertmanager")):
        with pytest.raises(urllib.error.URLError, match="refused"):
            urllib.request.urlopen(address, timeout=5)
