"""The native transport: librdkafka's C API without a Python object for each message. See docs/performance.md."""

from stream.kafka.native.finding import UnavailableError
from stream.kafka.native.transport import NativeTransport, open_library

__all__ = ["NativeTransport", "UnavailableError", "open_library"]
