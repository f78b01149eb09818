"""Schemas from .avsc files, named in messages by their fingerprint (Avro single-object encoding)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from stream.avro.codec import UNKNOWN_SCHEMA
from stream.avro.framing import Form, Frame, fingerprint_prefix
from stream.avro.schema import Schema, load_schema
from stream.errors import ConfigurationError, PoisonError, Problem


class DirectorySchemas:
    """A SchemaStore of the records in all .avsc files under some folders, and of schemas known otherwise.

    A fingerprint leaves out logical types and defaults, so files can share one: the known schemas go
    before files, and a file before those after it in the alphabet. Files that hold no record (a shared
    enum) are passed over. Raises ConfigurationError with the mistakes of all files.
    """

    def __init__(self, folders: Iterable[Path], known: Iterable[Schema] = ()) -> None:
        self._folders = tuple(folders)
        self._schemas: dict[int, Schema] = {}
        problems: list[Problem] = []
        for schema in known:
            self._schemas.setdefault(schema.fingerprint, schema)
        for path in sorted(p for folder in self._folders for p in folder.rglob("*.avsc")):
            try:
                if _is_record(path):
                    schema = load_schema(path)
                    self._schemas.setdefault(schema.fingerprint, schema)
            except ConfigurationError as error:
                problems.extend(error.problems)
        if problems:
            raise ConfigurationError(problems)

    def writer_schema(self, frame: Frame) -> Schema:
        if frame.form is not Form.FINGERPRINT:
            detail = f"the message names schema {frame} of a schema registry, and none is configured"
            raise PoisonError(UNKNOWN_SCHEMA, detail)
        schema = self._schemas.get(frame.number)
        if schema is None:
            places = ", ".join(str(f) for f in self._folders) or "the schemas of the pipeline"
            raise PoisonError(UNKNOWN_SCHEMA, f"no schema in {places} has the fingerprint {frame}")
        return schema

    def prefix(self, topic: str, schema: Schema) -> bytes:
        return fingerprint_prefix(schema.fingerprint)

    def latest(self, subject: str) -> Schema:
        raise ConfigurationError([f"no schema is given for {subject}: name its .avsc file, or configure a registry"])


def _is_record(path: Path) -> bool:
    """True also for a file that is wrong, so that it is reported."""
    try:
        parsed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return True
    return not (isinstance(parsed, dict) and parsed.get("type") in ("enum", "fixed"))
