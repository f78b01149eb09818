from typing import Final

NAMES: Final[tuple[str, ...]]

class Library:
    path: str
    version: int
    def __init__(self, path: str) -> None: ...
