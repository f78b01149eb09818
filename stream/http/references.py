"""${env:NAME} and ${file:PATH} in the pipeline file: what must not stand there is brought in at start.

    headers: {Authorization: "Bearer ${env:SCORER_TOKEN}"}

The values are never printed: whatever shows settings shows the text with its references.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAX_SECRET_BYTES: Final = 65_536
REFERENCE: Final = re.compile(r"\$\{([^{}]*)\}")
OWN_PREFIX: Final = "STREAM_"
"""Variables of the product itself: an unknown one is refused at start."""


@dataclass(frozen=True, slots=True, repr=False)
class Resolver:
    """find: where a file that the pipeline file names is looked up."""

    environ: Mapping[str, str]
    find: Callable[[str], Path]

    def resolve(self, text: str) -> str:
        """The text with its references replaced. Raises ValueError saying what is missing, never a value."""
        return REFERENCE.sub(lambda found: self.value(found[1]), text)

    def value(self, reference: str) -> str:
        """What `env:NAME` or `file:PATH` stands for."""
        kind, _, name = reference.partition(":")
        if kind not in ("env", "file") or not name:
            raise ValueError(f"has the reference ${{{reference}}}: write ${{env:NAME}} or ${{file:PATH}}")
        return self._variable(name) if kind == "env" else self._content(name)

    def _variable(self, name: str) -> str:
        if name.startswith(OWN_PREFIX):
            raise ValueError(
                f"needs another variable than {name}: names that start with {OWN_PREFIX} are the product's"
            )
        if not self.environ.get(name):
            raise ValueError(f"needs the environment variable {name}, which is not set")
        return self.environ[name]

    def _content(self, name: str) -> str:
        path = self.find(name)
        try:
            with path.open("rb") as file:
                held = file.read(MAX_SECRET_BYTES + 1)
            text = held.decode("utf-8").rstrip("\r\n")
        except OSError as error:
            raise ValueError(f"needs the file {path}, which cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"needs the file {path}, which is not UTF-8 text") from None
        if not text or len(held) > MAX_SECRET_BYTES:
            raise ValueError(f"needs the file {path}, which is {'longer than 64 KiB' if text else 'empty'}")
        return text


def has_reference(text: str) -> bool:
    return REFERENCE.search(text) is not None
