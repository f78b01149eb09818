"""First contact with an untrusted model: in a child process that may neither grow nor run for long.

A valid file of 164 bytes can ask for gigabytes, and a crafted one can crash the native parser. So
`stream model pack` and the check commands load a model here first; a worker then trusts the hash.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stream.errors import ConfigurationError, Problem

_CHILD: Final = "from stream.inference.trial import child; child()"
_KEPT_ENVIRONMENT: Final = ("PATH", "LD_LIBRARY_PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
_MESSAGE_CHARS: Final = 300
_FILE_COPIES: Final = 4
"""The bytes, the parsed protobuf, the weights, the optimised weights."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model may use while it is tried, beyond what Python, ONNX Runtime and the file itself need."""

    memory_bytes: int = 2 * 1024**3
    seconds: int = 60


DEFAULT_LIMITS: Final = Limits()


def try_package(folder: Path, limits: Limits = DEFAULT_LIMITS) -> str:
    """Load and prove the package in a child process; "name/version" of what was tried.

    Raises ConfigurationError with the package's mistakes, or saying which limit the model broke.
    """
    answer = run_child({"do": "check", "folder": str(folder)}, limits, str(folder))
    return str(answer["label"])


def run_child(request: dict[str, Any], limits: Limits, place: str) -> dict[str, Any]:
    """Have a child answer a request under limits. Its environment holds no settings of ours, and no secrets."""
    environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    request = {**request, "memory_bytes": limits.memory_bytes, "seconds": limits.seconds}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _CHILD],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=limits.seconds,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"the model took longer than {limits.seconds} s to load and answer; it was stopped"
        raise ConfigurationError([Problem(message, place=place)]) from None
    if done.returncode != 0:
        raise ConfigurationError([Problem(_death(done, limits), place=place)])
    answer: dict[str, Any] = json.loads(done.stdout)
    if "problems" in answer:
        raise ConfigurationError([Problem(p["message"], place=p["place"]) for p in answer["problems"]])
    return answer


def child() -> None:
    """The child's side: one JSON request on stdin, one JSON answer on stdout."""
    import onnxruntime  # noqa: F401 - its own memory is not the model's

    request = json.load(sys.stdin)
    try:
        _restrain(request["memory_bytes"] + _FILE_COPIES * _model_bytes(request), request["seconds"])
        answer = _answer(request)
    except ConfigurationError as error:
        answer = {"problems": [{"message": p.message, "place": p.place} for p in error.problems]}
    json.dump(answer, sys.stdout)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    from stream.inference import draft, model, package

    if request["do"] == "check":
        return {"label": model.Model(package.load_package(Path(request["folder"]))).label}
    return draft.draft(request)


def _model_bytes(request: dict[str, Any]) -> int:
    from stream.inference import package

    check = request["do"] == "check"
    path = package.version_folder(Path(request["folder"])) / package.MODEL_FILE if check else Path(request["model"])
    return min(path.stat().st_size, package.MAX_MODEL_BYTES) if path.exists() else 0


def _restrain(memory_bytes: int, seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    usage = Path("/proc/self/statm")
    if usage.exists():  # Linux: elsewhere the address space is not a measure of memory
        limit = int(usage.read_text().split()[0]) * resource.getpagesize() + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _death(done: subprocess.CompletedProcess[bytes], limits: Limits) -> str:
    """What ended a child that gave no answer."""
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"loading the model was stopped: more than {limits.seconds} s of CPU, or no memory left"
    if done.returncode < 0:
        return f"loading the model crashed ONNX Runtime ({signal.Signals(-done.returncode).name}); do not use it"
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    if lines and "MemoryError" in lines[-1]:
        return f"the model needs more than {limits.memory_bytes >> 20} MiB of memory to load and answer"
    return f"loading the model failed: {lines[-1][:_MESSAGE_CHARS] if lines else 'no answer'}"
