"""No target of the product: each case has an accident of its own, by which the tests see that every kind is found."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from random import Random
from typing import Final

from fuzz.child import random_of
from fuzz.target import INPUTS, MARK, Judge, Target, check_silent

CASES: Final = ("fine", "death", "exception", "memory", "time", "hang", "leak", "panic", "fine")
SEED: Final = 1


def prepare() -> Judge:
    first = {random_of("accidents", SEED, case).random(): name for case, name in enumerate(CASES)}

    def judge(random: Random, counts: Counter[str]) -> None:
        counts[INPUTS] += 1
        accident(first[random.random()])

    return judge


def accident(name: str) -> None:
    match name:
        case "death":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "exception":
            raise KeyError("nobody expects it")
        case "memory":
            assert b"x" * (40 << 20)
        case "time":
            _compute(2 * TARGET.cpu_s)
        case "hang":
            while True:
                pass
        case "leak":
            check_silent([f"the value {MARK} is wrong"])
        case "panic":
            raise PanicError("a panic of a Rust library is no Exception")


class PanicError(BaseException):
    """As pyo3's PanicException."""


def _compute(seconds: float) -> None:
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass


TARGET: Final = Target("accidents", "", prepare, cpu_s=0.3, mebibytes=16, long=len(CASES), short=len(CASES))
