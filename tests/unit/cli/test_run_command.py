"""`stream run` before there is anything to finish."""

from __future__ import annotations

import subprocess
import sys

import pytest

STARTING = """
import os, signal, sys, time
import stream.service
from stream.cli.run import _run_one

class Loading:
    def __init__(self, *_arguments):
        try:  # as a native module does while it is loaded
            os.kill(os.getpid(), signal.{signal})
            time.sleep(20)
        except BaseException:
            raise ImportError("initialization failed") from None

stream.service.Service = Loading
_run_one("p.yaml", 0, False)
"""


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_a_stop_while_a_native_module_is_loaded_ends_the_process_as_asked(signal: str) -> None:
    run = [sys.executable, "-c", STARTING.replace("{signal}", signal)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
