"""Which codec reads or writes a schema: the native one where it is built and can, else the reference one."""

from __future__ import annotations

import importlib
from typing import Any, Final, Literal, NamedTuple

from stream.avro import reference
from stream.avro.codec import Decoder, Encoder, Limits
from stream.avro.schema import Schema
from stream.errors import ConfigurationError

Codec = Literal["auto", "native", "reference"]
NATIVE: Final = "native"
_NOT_BUILT: Final = "the native codec is not built (it needs a C compiler at installation)"


class ChosenDecoder(NamedTuple):
    """name is "native", or "reference" with the reason after a colon."""

    decoder: Decoder
    name: str


class ChosenEncoder(NamedTuple):
    """As ChosenDecoder."""

    encoder: Encoder
    name: str


def choose_decoder(writer: Schema, reader: Schema, limits: Limits, codec: str = "auto") -> ChosenDecoder:
    """Raises PoisonError("unresolvable") as `resolution.resolve`, ConfigurationError as `_native`."""
    slow = reference.compile_decoder(writer, reader, limits)
    native = _native(codec)
    if isinstance(native, str):
        return ChosenDecoder(slow, native)
    try:
        return ChosenDecoder(native.compile_decoder(writer, reader, limits), NATIVE)
    except native.Unsupported as error:
        return ChosenDecoder(slow, _without(codec, str(error)))


def choose_encoder(schema: Schema, codec: str = "auto") -> ChosenEncoder:
    """Raises ConfigurationError as `_native`."""
    native = _native(codec)
    if isinstance(native, str):
        return ChosenEncoder(reference.compile_encoder(schema), native)
    try:
        return ChosenEncoder(native.compile_encoder(schema), NATIVE)
    except native.Unsupported as error:
        return ChosenEncoder(reference.compile_encoder(schema), _without(codec, str(error)))


def _native(codec: str) -> Any:
    """The native module, or the name of the reference codec with why it is taken.

    Raises ConfigurationError when the native one is asked for by name and cannot be had.
    """
    if codec == "reference":
        return "reference: as configured"
    try:
        return importlib.import_module("stream.avro.native")
    except ImportError:
        return _without(codec, _NOT_BUILT)


def _without(codec: str, why: str) -> str:
    if codec == NATIVE:
        raise ConfigurationError([f"the native codec is asked for, but {why}"])
    return f"reference: {why}"
