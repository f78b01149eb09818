"""The project of a run: the pipeline's files in a folder of its own, and its model file swapped and put back."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stream.chaos.rhythm import Rhythm, batch

PACKAGED: Final = Path(__file__).parent / "pipeline"
INPUT: Final = "chaos.in"
SUBJECT: Final = f"{INPUT}-value"


@dataclass(frozen=True, slots=True)
class Project:
    """The copy in `folder`."""

    folder: Path

    @classmethod
    def copied(cls, folder: Path, protocol: str, rhythm: Rhythm = Rhythm.STEADY) -> Project:
        """A fresh copy. protocol: classic or consumer; rhythm: says how large and how slow batches are."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(PACKAGED, folder)
        project = cls(folder)
        text = project.pipeline.read_text("utf-8")
        project.pipeline.write_text(f"{text}{batch(rhythm)}group: {{protocol: {protocol}}}\n", "utf-8")
        return project

    @property
    def pipeline(self) -> Path:
        return self.folder / "chaos.yaml"

    @property
    def model(self) -> Path:
        return self.folder / "models" / "line" / "1" / "model.onnx"

    def swap_model(self) -> None:
        """Another file in the model's place: one byte is different, so its hash is."""
        data = bytearray((PACKAGED / self.model.relative_to(self.folder)).read_bytes())
        data[-1] ^= 1
        self._place(bytes(data))

    def restore_model(self) -> None:
        self._place((PACKAGED / self.model.relative_to(self.folder)).read_bytes())

    def schema_text(self, revision: int) -> str:
        """The events' schema as it is registered: a new revision says the same, and has another id."""
        schema: dict[str, Any] = json.loads((self.folder / "reading.avsc").read_text("utf-8"))
        return json.dumps({**schema, "doc": f"revision {revision}"})

    def _place(self, data: bytes) -> None:
        """At once, so that nobody reads half of it."""
        new = self.model.with_suffix(".new")
        new.write_bytes(data)
        new.replace(self.model)
