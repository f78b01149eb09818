"""YAML text to plain data, with the line and column of every key and value.

Scalars are read as YAML 1.2 reads them (core schema): `on`, `yes`, `1:30` and `2026-01-01` are text.
Refused, because PyYAML or YAML would quietly take them otherwise: a key given twice, tags, more than
one document, and aliases that expand without end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from stream.errors import ConfigurationError, Problem

MAX_CHARACTERS: Final = 1_000_000
MAX_VALUES: Final = 20_000
MAX_DEPTH: Final = 50

_TAGS: Final = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))
_NO_TEXT: Final = re.compile(r"[\0\ud800-\udfff]")
_NULL: Final = re.compile(r"null|Null|NULL|~|")
_TRUE: Final = re.compile(r"true|True|TRUE")
_FALSE: Final = re.compile(r"false|False|FALSE")
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,30}")
_OCTAL_OR_HEX: Final = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,16}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Document:
    """One parsed file. problems are mistakes that still left something to read."""

    name: str
    data: Any
    problems: tuple[Problem, ...]
    root: yaml.Node | None

    def trimmed(self, at: tuple[str | int, ...]) -> tuple[str | int, ...]:
        """The path without what would lie below a scalar: one topic may stand for a list of one."""
        node = self.root
        for index, part in enumerate(at):
            if isinstance(node, yaml.ScalarNode) and not _is_empty(node):
                return at[:index]
            _, node = _child(node, part) or (None, None)
        return at

    def place(self, at: tuple[str | int, ...], *, key: bool = False) -> str:
        """ "file:line:column" of the value at this path, or of its key with `key`.

        Where the path leads nowhere: of the key of what exists nearest above.
        """
        key_node, node = None, self.root
        for part in self.trimmed(at):
            found = _child(node, part)
            if found is None:
                key = True
                break
            key_node, node = found
        shown = key_node if key_node is not None and (key or _is_empty(node)) else node
        return self.name if shown is None else _place(self.name, shown.start_mark)


def parse(text: str, name: str) -> Document:
    """Read one YAML document. Raises ConfigurationError when nothing can be made of it."""
    if len(text) > MAX_CHARACTERS:
        raise ConfigurationError([Problem(f"longer than {MAX_CHARACTERS} characters", place=name)])
    try:
        _check_size(text, name)
        # the base loader resolves nothing: which plain scalars are numbers is decided below
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        raise ConfigurationError([_syntax_problem(error, name)]) from None
    except yaml.reader.ReaderError as error:
        found = f"not readable as YAML: character #x{error.character:04x} at position {error.position}: {error.reason}"
        raise ConfigurationError([Problem(found, place=name)]) from None
    except (ValueError, OverflowError):  # of chr(), for "\\UFFFFFFFF"
        raise ConfigurationError([Problem("an escape such as \\U00110000 names no character", place=name)]) from None
    if root is None:
        raise ConfigurationError([Problem("the file is empty", place=f"{name}:1:1")])
    reading = _Reading(name)
    return Document(name, reading.value(root, MAX_DEPTH), tuple(reading.problems), root)


def _check_size(text: str, name: str) -> None:
    """Depth and number of values of the first document, before a tree is made of it: PyYAML is slow and recursive."""
    depth = values = 0
    for event in yaml.parse(text, Loader=yaml.BaseLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        values += isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH or values > MAX_VALUES:
            limit = f"nested deeper than {MAX_DEPTH} levels" if depth > MAX_DEPTH else f"more than {MAX_VALUES} values"
            raise ConfigurationError([Problem(limit, place=_place(name, event.start_mark))])
        if isinstance(event, yaml.DocumentEndEvent):
            return


@dataclass(slots=True)
class _Reading:
    """Nodes to data, noting problems on the way."""

    name: str
    problems: list[Problem] = field(default_factory=list)
    left: int = MAX_VALUES

    def value(self, node: yaml.Node, depth: int) -> Any:
        self.left -= 1
        if depth == 0 or self.left < 0:
            limit = f"nested deeper than {MAX_DEPTH} levels" if depth == 0 else f"more than {MAX_VALUES} values"
            raise ConfigurationError([Problem(limit, place=_place(self.name, node.start_mark))])
        if node.tag not in _TAGS:
            self.note(node, f"the tag {node.tag.removeprefix('tag:yaml.org,2002:')} is not supported; leave it out")
        if isinstance(node, yaml.MappingNode):
            return dict(self.items(node, depth))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, depth - 1) for item in node.value]
        assert isinstance(node, yaml.ScalarNode), "YAML has three kinds of node"
        if _NO_TEXT.search(node.value):
            self.note(node, "holds NUL or half of a surrogate pair, which no name and no text has")
            return _NO_TEXT.sub("?", node.value)
        return scalar(node.value) if node.style is None else node.value

    def items(self, node: yaml.MappingNode, depth: int) -> Iterator[tuple[str, Any]]:
        first: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.note(key, "a key must be a single word, not a list or a mapping")
                continue
            if key.value in first:
                line = first[key.value].start_mark.line + 1
                self.note(key, f"the key '{key.value}' is given twice, first on line {line}; keep one")
                continue
            first[key.value] = key
            if _NO_TEXT.search(key.value):
                self.note(key, "a key that holds NUL or half of a surrogate pair")
                continue
            yield key.value, self.value(value, depth - 1)

    def note(self, node: yaml.Node, message: str) -> None:
        self.problems.append(Problem(message, place=_place(self.name, node.start_mark)))


def scalar(text: str) -> Any:
    """A plain scalar by the core schema of YAML 1.2.2, section 10.3.2."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return bool(_TRUE.fullmatch(text))
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL_OR_HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _syntax_problem(error: yaml.MarkedYAMLError, name: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    what = error.problem or error.context or "cannot be read"
    if "mapping values are not allowed" in what:
        what += "; a text that holds ': ' needs quotes, and keys of one level start in one column"
    if "found character '\\t'" in what:
        what += "; indent with spaces"
    if "expected ',' or '}'" in what and "got '['" in what:
        what += "; an expression with brackets needs quotes inside of { }"
    if "expected a single document" in (error.context or ""):
        what = "a second document starts here; a pipeline file holds one"
    place = _place(name, mark) if mark is not None else name
    return Problem(f"not valid YAML: {what}", place=place)


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node | None, yaml.Node] | None:
    """(key node, value node) of a mapping's key or a sequence's index."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == part:
                return key, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return None, node.value[part]
    return None


def _is_empty(node: yaml.Node | None) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.value and node.style is None


def _place(name: str, mark: Any) -> str:
    return f"{name}:{mark.line + 1}:{mark.column + 1}"
