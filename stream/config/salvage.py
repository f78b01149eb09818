"""What can still be judged of a pipeline file whose form is wrong, so that one run tells all of its mistakes.

A key that is nearly a known one is read as that one. Whatever else is wrong is left out, and with a stage all that
comes after it: nobody knows which columns it would have added.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stream.config.mistakes import KEY, UNKNOWN_KEY, keys_of
from stream.config.pipeline_file import PipelineFile
from stream.suggestion import nearest

MAX_ROUNDS: Final = 10
"""Leaving something out can make what holds it wrong: so often it is looked at again."""
STAND_IN: Final = {"stages": {"transform": {"left_out": "1"}}, "outputs": {"topic": "left-out", "schema": "left-out"}}
"""What stands where an item was that is too wrong to be read, so that the others keep their places."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Unjudged:
    """What of a file is not there to be judged: stages from this index on (None: none), outputs of these indexes."""

    stages_from: int | None = None
    outputs: frozenset[int] = frozenset()
    something: bool = False
    """Something was left out: rules over several keys would speak of what is not written."""


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What can be judged, what cannot, and which keys were not missing after all: written nearly right."""

    file: PipelineFile
    unjudged: Unjudged
    found: frozenset[Path]


def salvage(data: Any) -> Salvaged | None:
    """The part of a pipeline file's data that can be judged further; None when that is nothing."""
    if not isinstance(data, dict):
        return None
    rest = _Rest(copy.deepcopy(data))
    for _ in range(MAX_ROUNDS):
        try:
            return Salvaged(PipelineFile.model_validate(rest.data), rest.unjudged(), frozenset(rest.found))
        except ValidationError as error:
            if not rest.repair(error.errors(include_url=False)):
                return None
    return None


@dataclass(slots=True)
class _Rest:
    """The file's data, changed until it can be read."""

    data: dict[str, Any]
    left_out: bool = False
    stages: set[int] = field(default_factory=set)
    outputs: set[int] = field(default_factory=set)
    found: set[Path] = field(default_factory=set)

    def unjudged(self) -> Unjudged:
        return Unjudged(min(self.stages, default=None), frozenset(self.outputs), self.left_out)

    def repair(self, errors: list[ErrorDetails]) -> bool:
        """Names first: what they give may be all that was missed. False when nothing is left to judge."""
        unknown = [_path(found) for found in errors if found["type"] == UNKNOWN_KEY]
        renamed = [self._rename(at) for at in unknown]
        if any(renamed):
            return True
        left = [self._drop(_path(found), missing=found["type"] == "missing") for found in errors]
        return all(left)

    def _drop(self, at: Path, *, missing: bool) -> bool:
        self.left_out = True
        match at:
            case ("stages", int(index), *_):
                self.stages.add(index)
                return self._stand_in("stages", index)
            case ("outputs", int(index), *_):
                self.outputs.add(index)
                return self._stand_in("outputs", index)
        return self._leave_out(at[:-1] if missing else at)

    def _rename(self, at: Path) -> bool:
        parent, key = self._find(at[:-1]), str(at[-1])
        meant = nearest(key, keys_of(PipelineFile, at[:-1]))
        if not isinstance(parent, dict) or meant is None or meant in parent:
            return False
        renamed = {meant if name == key else name: value for name, value in parent.items()}
        parent.clear()
        parent.update(renamed)
        self.found.add((*at[:-1], meant))
        return True

    def _stand_in(self, name: str, index: int) -> bool:
        self.data[name][index] = STAND_IN[name]
        return True

    def _leave_out(self, at: Path) -> bool:
        """What has no default makes its holder wrong in the next round; the file itself cannot be left out."""
        parent = self._find(at[:-1])
        if not at or not isinstance(parent, dict):
            return False
        parent.pop(at[-1], None)
        return True

    def _find(self, at: Path) -> Any:
        here: Any = self.data
        for part in at:
            if not isinstance(here, dict | list):
                return None
            try:
                here = here[part]  # type: ignore[index]
            except (KeyError, IndexError, TypeError):
                return None
        return here


def _path(found: ErrorDetails) -> Path:
    return tuple(part for part in found["loc"] if part != KEY)
