"""Which posts of a source were applied: enough of that to take each exactly once, however they are ordered."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace

MOST_AHEAD = 256
"""So many numbers past a gap are remembered; then the gap is given up and counted."""


@dataclass(frozen=True)
class Sequences:
    """Numbers seen of one source and epoch: all below `following` (but for `lost` ones), and those `ahead` of a gap."""

    following: int = 0
    ahead: tuple[int, ...] = ()
    lost: int = 0

    def has(self, number: int) -> bool:
        """Whether it was applied, or given up."""
        return number < self.following or number in self.ahead

    @property
    def missing(self) -> int:
        """How many are outstanding: they may still come."""
        return self.ahead[-1] - self.following + 1 - len(self.ahead) if self.ahead else 0

    def with_number(self, number: int) -> Sequences:
        """With one more applied, which it has not yet."""
        place = bisect_left(self.ahead, number)
        return replace(self, ahead=(*self.ahead[:place], number, *self.ahead[place:]))._closed()

    def _closed(self) -> Sequences:
        following, ahead, lost = self.following, self.ahead, self.lost
        if len(ahead) > MOST_AHEAD:
            lost, following = lost + ahead[0] - following, ahead[0]
        consumed = 0
        while consumed < len(ahead) and ahead[consumed] == following:
            following, consumed = following + 1, consumed + 1
        return Sequences(following, ahead[consumed:], lost)
