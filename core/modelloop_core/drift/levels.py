"""The most frequent of endlessly many names in bounded memory, so that an alert can name a new level."""

from __future__ import annotations


class FrequentNames:
    """At most `capacity` names and their counts, by Space-Saving (Metwally, Agrawal and El Abbadi 2005).

    A name that more than 1 / capacity of all have is always among them; a count is never too low, and too high by at
    most all / capacity.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._counts: dict[str, int] = {}

    def add(self, name: str, count: int = 1) -> None:
        """Count a name; where there is no room it takes the place, and the count, of the least frequent one."""
        counts = self._counts
        if name in counts or len(counts) < self._capacity:
            counts[name] = counts.get(name, 0) + count
            return
        least = min(counts, key=counts.__getitem__)
        counts[name] = counts.pop(least) + count

    @property
    def counts(self) -> dict[str, int]:
        """The names and how often each was counted, at the most."""
        return dict(self._counts)
