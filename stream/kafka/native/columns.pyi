from typing import Any

class Columns:
    events: int
    size: int
    def take(self) -> tuple[dict[str, Any], tuple[memoryview, Any] | None]: ...
