"""The only module that touches ONNX Runtime: opening a session, its signature, one run.

One thread and no spinning: on one or two cores a second thread costs more CPU than it saves time, and a
spinning one takes the core from the consumer. Results are then also bit-equal from run to run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from stream.errors import ConfigurationError, PoisonError, Problem
from stream.inference.datatypes import Tensor
from stream.inference.rejection import MODEL_REFUSED

FATAL_ONLY: Final = 4
"""Log level. At 3 (errors) a failing kernel writes its message, and with it values of the event, to stderr."""

MAX_MESSAGE_CHARS: Final = 300
_FAILING_NODE: Final = re.compile(r"while running (\w+) node\. Name:'([^']*)'")
_NO_MEMORY: Final = re.compile(r"bad.?alloc|Failed to allocate memory")


class TensorInfo(NamedTuple):
    """A tensor as the graph declares it: an axis is a number, or a name or None where it is dynamic."""

    name: str
    onnx_type: str
    shape: tuple[int | str | None, ...]


class Session:
    """A loaded graph. Not bound to a thread: ONNX Runtime allows concurrent runs, and releases the GIL."""

    __slots__ = ("_refusals", "_session", "inputs", "outputs", "producer", "properties")

    def __init__(self, model: bytes, place: str) -> None:
        """Raises ConfigurationError when ONNX Runtime does not take the model."""
        self._refusals = _refusals()
        try:
            self._session = _open(model)
            meta = self._session.get_modelmeta()
            self.inputs = _signature(self._session.get_inputs())
            self.outputs = _signature(self._session.get_outputs())
        except self._refusals as error:
            message = f"ONNX Runtime does not load the model: {_one_line(error)}"
            raise ConfigurationError([Problem(message, place=place)]) from None
        self.producer: str = meta.producer_name
        self.properties: dict[str, str] = dict(meta.custom_metadata_map)

    def run(self, outputs: Sequence[str], feeds: Mapping[str, Tensor]) -> list[Tensor]:
        """One call of the graph. Raises PoisonError when it refuses the rows; the detail holds no values."""
        try:
            results: list[Tensor] = self._session.run(outputs, feeds)
        except self._refusals as error:
            raise PoisonError(MODEL_REFUSED, _without_values(error)) from None
        return results


def _open(model: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = FATAL_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # Without this, bytes that begin as an ORT file would be loaded by another parser than the one that was checked.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _refusals() -> tuple[type[Exception], ...]:
    """What a load or run may raise because of its input: ONNX Runtime's own classes have no shared base.

    The others are C++ exceptions as pybind11 translates them, and UnicodeDecodeError for a name or a
    string result that is not UTF-8. A MemoryError is of the rows too: fewer of them may fit.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [v for v in vars(state).values() if isinstance(v, type) and issubclass(v, Exception)]
    return (*own, RuntimeError, ValueError, IndexError, OverflowError, MemoryError)


def _signature(tensors: Sequence[Any]) -> tuple[TensorInfo, ...]:
    return tuple(TensorInfo(t.name, t.type, tuple(t.shape or ())) for t in tensors)


def _without_values(error: Exception) -> str:
    """The class and the node; the status message after them may quote the event."""
    text, name = str(error), type(error).__name__
    node = _FAILING_NODE.search(text)
    where = f" in {node[1]} node {node[2]!r}" if node and node[2] else f" in a {node[1]} node" if node else ""
    return f"{name}{where}{': no memory left' if _NO_MEMORY.search(text) else ''}"


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:MAX_MESSAGE_CHARS]
