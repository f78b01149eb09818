"""The boards, in the order of their links."""

from __future__ import annotations

from typing import Final

from deploy.monitoring.boards import clients, failures, models, overview, pipeline
from deploy.monitoring.panels import Board

BOARDS: Final[tuple[Board, ...]] = (
    overview.BOARD,
    pipeline.BOARD,
    failures.BOARD,
    models.BOARD,
    clients.BOARD,
)
