"""How much of one turn of the event loop work may take that could go on in the next: others get their turn between."""

from __future__ import annotations

from collections.abc import Callable

SECONDS = 0.005


class Turn:
    """One turn, from now on by `clock`: not the loop's own, which may stand still within a turn."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ends = clock() + SECONDS

    @property
    def is_over(self) -> bool:
        """Whether what is left should wait for the next one."""
        return self._clock() > self._ends
