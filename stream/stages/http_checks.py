"""The settings of `http` against the columns and the environment: every mistake at once, and what is made of them."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import pyarrow as pa

from stream.batch import META_SCHEMA, resolve
from stream.errors import ConfigurationError, Problem
from stream.http.answers import Field, parse_path
from stream.http.bodies import Envelope, EventBody, compile_body, compile_envelope
from stream.http.client import IDEMPOTENCY_KEY, Connection
from stream.http.plan import Plan
from stream.http.references import Resolver, has_reference
from stream.http.template import unknown
from stream.http.urls import Url, compile_url
from stream.stages.http_settings import Settings
from stream.stages.stage import Project
from stream.stages.type_names import type_named, type_problem

KIND: Final = "http"
BODILESS: Final = frozenset({"GET", "DELETE"})
OURS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "expect", "upgrade", "te"}
    | {IDEMPOTENCY_KEY.lower()}
)
"""Headers that the stage or HTTP itself decides."""
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE: Final = re.compile(r"[\x20-\x7e]*")
_SECRET: Final = re.compile(r"authorization|cookie|key|token|secret|password|signature", re.IGNORECASE)
At = tuple[str | int, ...]
T = TypeVar("T")


@dataclass(slots=True)
class Checks:
    """Goes on after a mistake; problems are relative to the settings."""

    settings: Settings
    name: str
    columns: pa.Schema
    project: Project
    problems: list[Problem] = field(default_factory=list)

    def plan(self) -> Plan | None:
        """None when something is wrong."""
        s, project = self.settings, self.project
        self._method()
        self._group()
        self._times()
        url, body, fields = self._url(), self._body(), self._fields()
        envelope = self._envelope()
        if url is None or body is None or envelope is None or self.problems:
            return None
        # a second stage may call the same service for the same event, for something else
        suffix = "" if self.name == KIND else f"/{self.name}"
        prefix = f"{project.pipeline}/"
        return Plan(url, body[0], fields, s.group_size, envelope, parse_path(s.items), prefix, suffix)

    def connection(self) -> Connection | None:
        s = self.settings
        headers, tls = self._headers(), self._tls()
        if s.body is not None and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        return None if self.problems else Connection(s.method, headers, s.concurrency, s.max_answer, tls)

    def note(self, message: str, *at: str | int) -> None:
        self.problems.append(Problem(message, at))

    def _method(self) -> None:
        if self.settings.method in BODILESS and self.settings.body is not None:
            self.note(f"a {self.settings.method} sends no body: leave it out, or choose another method", "body")

    def _group(self) -> None:
        s = self.settings
        if s.per == "event":
            for name in ("size", "envelope", "items"):
                if name in s.model_fields_set:
                    self.note("has a meaning with `per: batch` only: add that, or leave it out", name)
        elif s.body is None:
            self.note("a call for a batch sends a list of bodies: add `body`, such as body: [id, amount]", "per")

    def _times(self) -> None:
        """A call must fit into the time of its batch, or no event would ever get through."""
        if self.settings.timeout_s > self.settings.budget_s:
            self.note("is longer than `budget`, the time of a whole batch: lower it, or raise `budget`", "timeout")

    def _url(self) -> Url | None:
        url = self._attempt(("url",), lambda: compile_url(self.settings.url, self._resolver()))
        if url is None:
            return None
        for path in url.columns:
            if told := unknown(path, self.columns) or _unfit(path, self.columns):
                self.note(told, "url")
        if url.columns and self.settings.per == "batch":
            self.note("is one for a whole group of events: columns in it need `per: event`", "url")
        return url

    def _body(self) -> tuple[EventBody | None] | None:
        """In a tuple, as no body is right too."""
        spec = self.settings.body
        return (None,) if spec is None else self._attempt(("body",), lambda: (compile_body(spec, self.columns),))

    def _envelope(self) -> Envelope | None:
        spec = self.settings.envelope
        return Envelope() if spec is None else self._attempt(("envelope",), lambda: compile_envelope(spec))

    def _fields(self) -> list[Field]:
        fields = []
        for column, wanted in self.settings.response.items():
            if column in self.columns.names or column in META_SCHEMA.names:
                self.note(f"there is a column '{column}' already: choose another name", "response", column)
            elif told := type_problem(wanted.type):
                self.note(told, "response", column)
            else:
                path = parse_path(wanted.field or column)
                fields.append(Field(column, path, type_named(wanted.type), wanted.optional))
        return fields

    def _headers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, text in self.settings.headers.items():
            at = ("headers", name)
            if told := _header_problem(name, text, found):
                self.note(told, *at)
                continue
            value = self._attempt(at, lambda: self._resolver().resolve(text))  # noqa: B023
            if value is not None and not _VALUE.fullmatch(value):
                self.note("must be printable ASCII on one line", *at)
            found[name] = value or ""
        return found

    def _tls(self) -> ssl.SSLContext | None:
        if self.settings.ca is None:
            return None
        path = self.project.find(self.settings.ca)
        try:
            return ssl.create_default_context(cafile=path)
        except (OSError, ssl.SSLError) as error:
            why = error.strerror if isinstance(error, FileNotFoundError) else "it holds no PEM certificates"
            self.note(f"the file {path} cannot be used: {why}", "ca")
        return None

    def _resolver(self) -> Resolver:
        return Resolver(self.project.environ, self.project.find)

    def _attempt(self, at: At, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except ConfigurationError as error:
            self.problems += [problem.under(*at) for problem in error.problems]
        except ValueError as error:
            self.note(str(error), *at)
        return None


def _header_problem(name: str, text: str, others: Mapping[str, str]) -> str | None:
    if not _NAME.fullmatch(name):
        return f"'{name}' cannot be the name of a header"
    if name.lower() in OURS:
        return f"the header {name} is set by the stage: leave it out"
    if name.lower() in {other.lower() for other in others}:
        return f"the header {name} is given twice"
    if _SECRET.search(name) and text and not has_reference(text):
        return "a secret must not stand in the pipeline file: write ${env:NAME} or ${file:PATH}"
    return None


def _unfit(path: str, columns: pa.Schema) -> str | None:
    """Only values that have one way to be written belong in an address."""
    found = resolve(columns, path)
    type_ = found.type if found is not None else pa.null()
    if pa.types.is_nested(type_) or pa.types.is_binary(type_) or pa.types.is_fixed_size_binary(type_):
        return f"column '{path}' is {type_}, which cannot stand in a url: make a text of it first, with transform"
    return None
