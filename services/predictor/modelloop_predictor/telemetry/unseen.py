"""Names of levels that a version has not: rows hold one code for all of them, so the readers note the names."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from modelloop_core.drift.levels import FrequentNames
from modelloop_core.wire.limits import MOST_UNSEEN

_MOST_NOTES = 4096
_LONGEST_NAME = 64


def storable(text: str) -> str:
    """A caller's text as any database takes it: one NUL in it would have the whole post refused."""
    return text.replace("\0", "\ufffd")


class UnseenLevels:
    """Notes names of levels of the `features`; readers note on the event loop, one thread takes."""

    def __init__(self, features: Collection[str] = ()) -> None:
        self._features = frozenset(features)
        self._notes: deque[tuple[str, str]] = deque(maxlen=_MOST_NOTES)
        self._names: dict[str, FrequentNames] = {}
        self._listening = True

    def noter(self, feature: str) -> Callable[[str], None] | None:
        """What to call with each unseen level of a feature; None where nobody wants to know."""
        if feature not in self._features:
            return None

        def note(name: str) -> None:
            if self._listening:
                self._notes.append((feature, storable(name[:_LONGEST_NAME])))

        return note

    @contextmanager
    def heard(self, live: bool) -> Iterator[None]:
        """Note what is read within only where it is live traffic."""
        self._listening = live
        try:
            yield
        finally:
            self._listening = True

    def gather(self) -> None:
        """Count what was noted; often enough that little is forgotten."""
        while self._notes:
            feature, name = self._notes.popleft()
            self._names.setdefault(feature, FrequentNames(MOST_UNSEEN)).add(name)

    def take(self) -> dict[str, dict[str, int]]:
        """The most frequent names by feature since the last time."""
        self.gather()
        names, self._names = self._names, {}
        return {feature: frequent.counts for feature, frequent in names.items()}


NOT_NOTED = UnseenLevels()
"""Where nobody wants to know: it notes nothing."""
