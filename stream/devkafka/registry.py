"""A small schema registry in memory, for the demo, the tests and a laptop; not for production.

Speaks the part of Confluent's REST API that clients use: subjects, versions, ids, GUIDs, references,
compatibility (https://docs.confluent.io/platform/current/schema-registry/develop/api.html). It takes Avro
records; schemas of other types are kept unread.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from stream.avro import Schema, parse_schema, resolvable
from stream.errors import ConfigurationError

LEVELS: Final = ("NONE", "BACKWARD", "FORWARD", "FULL", "BACKWARD_TRANSITIVE", "FORWARD_TRANSITIVE", "FULL_TRANSITIVE")
Json = dict[str, Any]


class RefusedError(Exception):
    """What the registry answers instead: an HTTP status, its own error code, a message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error_code": code, "message": message}


@dataclass(frozen=True, slots=True)
class Entry:
    """A schema with its id. Its JSON is what was registered: schema, schemaType, references, ruleSet."""

    id: int
    guid: str
    json: Json
    parsed: Schema | None
    """None for a type other than Avro."""

    def answer(self) -> Json:
        return self.json | {"id": self.id, "guid": self.guid}


@dataclass(slots=True)
class Registry:
    """Subjects with their versions; one schema has one id, however often it is registered."""

    level: str = "BACKWARD"
    subjects: dict[str, list[Entry]] = field(default_factory=dict)
    levels: dict[str, str] = field(default_factory=dict)
    """Compatibility levels of single subjects."""
    _by_text: dict[str, Entry] = field(default_factory=dict)
    _ids: Any = field(default_factory=lambda: count(1))

    def register(self, subject: str, body: Json) -> Entry:
        """Add a version, or find the schema among the versions there are."""
        entry = self._entry(body)
        versions = self.subjects.get(subject, [])
        if entry not in versions:
            wrong = self.incompatible(subject, entry, versions)
            if wrong:
                message = f'Schema being registered is incompatible with an earlier schema for subject "{subject}"'
                raise RefusedError(409, 409, f"{message}, details: {wrong}")
            self.subjects.setdefault(subject, []).append(entry)
        self._by_text.setdefault(_text(body), entry)
        return entry

    def lookup(self, subject: str, body: Json) -> Json:
        versions = self._versions(subject)
        entry = self._by_text.get(_text(body))
        if entry not in versions:
            raise RefusedError(404, 40403, "Schema not found")
        return self.version(subject, str(versions.index(entry) + 1))

    def version(self, subject: str, version: str) -> Json:
        """One version; `version` is a number from 1 on, or "latest"."""
        versions = self._versions(subject)
        if version != "latest" and not (version.isdecimal() and int(version) >= 1):
            raise RefusedError(422, 42202, "The specified version is not a valid version id")
        number = len(versions) if version == "latest" else int(version)
        if number > len(versions):
            raise RefusedError(404, 40402, f"Version {version} not found.")
        return versions[number - 1].answer() | {"subject": subject, "version": number}

    def versions(self, subject: str) -> list[int]:
        return list(range(1, len(self._versions(subject)) + 1))

    def delete(self, subject: str) -> list[int]:
        """Forget a subject; its schemas keep their ids."""
        numbers = self.versions(subject)
        del self.subjects[subject]
        return numbers

    def find(self, is_it: Callable[[Entry], bool]) -> Json:
        """A schema by its id or GUID."""
        for entry in self._by_text.values():
            if is_it(entry):
                return entry.answer()
        raise RefusedError(404, 40403, "Schema not found")

    def compatible(self, subject: str, version: str, body: Json) -> Json:
        """Whether a schema could be registered after a version."""
        number = self.version(subject, version)["version"]
        wrong = self.incompatible(subject, self._entry(body), self._versions(subject)[:number])
        return {"is_compatible": not wrong, "messages": wrong}

    def set_level(self, subject: str | None, level: str) -> Json:
        if level not in LEVELS:
            raise RefusedError(422, 42203, "Invalid compatibility level")
        if subject is None:
            self.level = level
        else:
            self.levels[subject] = level
        return {"compatibility": level}

    def incompatible(self, subject: str, entry: Entry, versions: Sequence[Entry]) -> list[str]:
        """Why a schema may not follow these versions under the subject's level; empty when it may."""
        level = self.levels.get(subject, self.level)
        earlier = versions if level.endswith("_TRANSITIVE") else versions[-1:]
        reasons: list[str | None] = []
        for old in earlier:
            if entry.parsed is None or old.parsed is None:
                continue
            if level.startswith(("BACKWARD", "FULL")):
                reasons.append(resolvable(old.parsed, entry.parsed))
            if level.startswith(("FORWARD", "FULL")):
                reasons.append(resolvable(entry.parsed, old.parsed))
        return [reason for reason in reasons if reason]

    def _versions(self, subject: str) -> list[Entry]:
        if subject not in self.subjects:
            raise RefusedError(404, 40401, f"Subject '{subject}' not found.")
        return self.subjects[subject]

    def _entry(self, body: Json) -> Entry:
        """The schema of a request, with the id that it has or would have; not kept."""
        known = self._by_text.get(_text(body))
        if known is not None:
            return known
        kept = {k: body[k] for k in ("schema", "schemaType", "references", "ruleSet") if body.get(k)}
        parsed = self._parse(body) if body.get("schemaType", "AVRO") == "AVRO" else None
        return Entry(next(self._ids), str(uuid.uuid5(uuid.NAMESPACE_OID, _text(body))), kept, parsed)

    def _parse(self, body: Json) -> Schema:
        references: list[Schema] = []
        for reference in body.get("references") or ():
            referred = self.version(reference["subject"], str(reference["version"]))
            parsed = next(e.parsed for e in self._by_text.values() if e.id == referred["id"])
            references += [parsed] if parsed is not None else []
        try:
            return parse_schema(str(body.get("schema")), "schema", references)
        except ConfigurationError as error:
            raise RefusedError(422, 42201, f"Invalid schema: {error}") from error


def _text(body: Json) -> str:
    """The same for the same schema, however it is laid out."""
    try:
        schema = json.dumps(json.loads(body["schema"]), sort_keys=True)
    except (KeyError, TypeError, ValueError, RecursionError):
        schema = str(body.get("schema"))
    references = sorted((r["name"], r["subject"], r["version"]) for r in body.get("references") or ())
    return json.dumps([schema, body.get("schemaType", "AVRO"), references, body.get("ruleSet")], sort_keys=True)
