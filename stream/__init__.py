"""stream: exactly-once model inference on Kafka.

Hooks of a pipeline need only these names:

    PoisonError, TransientError    raised by a `call` function to set an event aside
"""

from stream.errors import PoisonError, TransientError

__version__: str
"""Of the installed distribution, which has it from the tags of the repository."""

__all__ = ["PoisonError", "TransientError", "__version__"]


def __getattr__(name: str) -> str:
    """Looks the version up when it is asked for: nothing is read when the package is imported."""
    if name != "__version__":
        raise AttributeError(f"module 'stream' has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("stream-inference")
    except PackageNotFoundError:
        return "0+not.installed"
