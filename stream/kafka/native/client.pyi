from typing import Any, NamedTuple

class Position(NamedTuple):
    topic: str
    partition: int
    offset: int = ...
    metadata: str = ...
    error: Any = ...

class Client:
    name: str
    trouble: int
    last_trouble: str
    def write_log(self) -> None: ...
