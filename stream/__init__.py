"""stream: exactly-once model inference on Kafka.

Hooks of a pipeline need only these names:

    PoisonError, TransientError    raised by a `call` function to set an event aside
"""

from stream.errors import PoisonError, TransientError

__version__ = "0.1.0"

__all__ = ["PoisonError", "TransientError", "__version__"]
