"""What a figure was measured on: the machine, its load, and the versions of what ran."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import stream

PACKAGES: Final = ("confluent-kafka", "pyarrow", "onnxruntime", "numpy")


def machine() -> dict[str, Any]:
    """Processor, cores, memory in GiB, system, and how many processes wanted a core during the last minute."""
    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_1_min": round(os.getloadavg()[0], 2),
    }


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Python's, our own, and of packages as installed here."""
    found = {"python": platform.python_version(), "stream": stream.__version__}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError):
        return None
