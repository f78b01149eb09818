"""What a stage is. A kind of stage is one file in this folder, listed in KINDS of `stream.stages`.

Such a file has three names:

    class Settings(pydantic.BaseModel)       what stands under the kind's key in the pipeline file
    def build(settings: Settings, name: str, schema: pa.Schema, project: Project) -> Stage
    def adds(settings: Settings) -> set[str] | None     the columns it would add, None when only building tells

`build` checks the settings against the columns that reach the stage and raises ConfigurationError
with all problems at once; `at` of a Problem is relative to the settings, ("suite",) for example.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from stream.batch import Batch, Result


class Stage(Protocol):
    """One step of the line. It has no I/O beyond what its kind is for, and keeps no state of events.

    A stage that waits for others has budget_s, the longest time for one batch, and hurry(), which a signal
    handler may call: what is not begun then is set aside as untried. One that holds connections has close().
    One at which an event can fail that would pass later, which its kind alone does not tell, has may_pass_later.
    """

    name: str
    """Metric label and header: the kind, with a number when a pipeline has several of it."""

    schema: pa.Schema
    """The columns that leave the stage."""

    @property
    def reads(self) -> frozenset[str]:
        """Columns, by path, that apply() looks at: what nobody reads is not decoded."""
        ...

    def apply(self, batch: Batch) -> Result:
        """Answer for every row of batch: passed on, in the same order, or set aside with a Failure.

        Raises PoisonError or TransientError when some event of the batch is bad and the stage cannot
        tell which: the pipeline halves the batch until it has found it. Raises SystemicError when no
        event can pass now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Project:
    """What surrounds a stage. Files that a pipeline file names are looked up in its folder, then the one above.

    environ is for references such as ${env:NAME}: it holds secrets and is never shown.
    """

    folder: Path
    pipeline: str = ""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def find(self, name: str) -> Path:
        """The path of a file or folder named in the pipeline file; need not exist."""
        for folder in (self.folder, self.folder.parent):
            if _exists(folder / name):
                return folder / name
        return self.folder / name


def _exists(path: Path) -> bool:
    """False too for what can be no name, or is out of reach: whoever opens it says why."""
    try:
        return path.exists()
    except OSError:
        return False
