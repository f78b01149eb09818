"""Where the schemas of writers come from, and how outputs are framed: a folder of files, or a registry."""

from __future__ import annotations

from typing import Protocol

from stream.avro.framing import Frame
from stream.avro.schema import Schema


class SchemaStore(Protocol):
    def writer_schema(self, frame: Frame) -> Schema:
        """The schema that a message names.

        Raises PoisonError("unknown_schema") when there is none, PoisonError("unresolvable") when it is
        no schema that has columns, SystemicError("registry") when it cannot be told now.
        """
        ...

    def prefix(self, topic: str, schema: Schema) -> bytes:
        """The framing of a topic's events of this schema.

        A registry registers it first: ConfigurationError with its reason when it refuses,
        UnreachableError when it does not answer.
        """
        ...

    def latest(self, subject: str) -> Schema:
        """The newest schema of a subject, for a topic whose schema is not given as a file.

        Raises ConfigurationError when there is none, UnreachableError when the registry does not answer.
        """
        ...
