"""Keeps the bounds of all connections together: how long what they wait for may take, and how many they are.

Time limits are kept by one patrol that looks at all connections a few times a second: a timer for each request
would cost more than parsing it.
"""

from __future__ import annotations

import asyncio
import resource
from typing import TYPE_CHECKING

from modelloop_predictor.problems import OVERLOADED, retry_later

if TYPE_CHECKING:
    from modelloop_predictor.connections import GuardedProtocol

_OTHER_FILES = 256


class Patrol:
    """Looks at every open connection of a server.

    `read_seconds` is what the headers of a request may take. Of more than `most` connections the idle one that was
    opened first is closed; where none is idle, the newcomer is refused.
    """

    def __init__(self, read_seconds: float, most: int) -> None:
        self.read_seconds = read_seconds
        self._most = most
        self._every = min(1.0, read_seconds / 4)
        # In the order in which they were opened.
        self._watched: dict[GuardedProtocol, None] = {}
        self._round: asyncio.TimerHandle | None = None
        self._none_is_idle = False

    def __len__(self) -> int:
        """How many are open."""
        return len(self._watched)

    def watch(self, connection: GuardedProtocol) -> None:
        """Begin to look at a connection."""
        if self._round is None:
            self._round = connection.loop.call_later(self._every, self._look, connection.loop)
        full = len(self._watched) >= self._most
        if full and not self._makes_room():
            connection.refuse(retry_later(OVERLOADED, f"{self._most} connections are open, and none of them is idle"))
        self._watched[connection] = None

    def leave(self, connection: GuardedProtocol) -> None:
        """It has closed."""
        self._watched.pop(connection, None)

    def _makes_room(self) -> bool:
        idle = None if self._none_is_idle else next((one for one in self._watched if one.is_idle), None)
        # Looked for once a round: who opens many more must not make each of them cost a look at all.
        self._none_is_idle = idle is None
        if idle is None:
            return False
        # It is closed a moment later, and must not be chosen again until then.
        del self._watched[idle]
        idle.dismiss()
        return True

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        # Set first: an error at one connection must not end the patrol of all.
        self._round = loop.call_later(self._every, self._look, loop) if self._watched else None
        self._none_is_idle = False
        now = loop.time()
        for connection in list(self._watched):
            connection.look(now, self.read_seconds)


def room_for(most: int) -> int:
    """How many connections there can be, `most` if the system lets: the process's bound of open files is raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = files_for(most, soft, hard)
    if files != soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return most_within(files, most)


def files_for(most: int, soft: int, hard: int) -> int:
    """The soft bound of open files that so many connections need, or the nearest to it that `hard` allows."""
    wanted = most + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def most_within(files: int, most: int) -> int:
    """How many of `most` connections so many open files leave room for; of few files half are left for others."""
    if files == resource.RLIM_INFINITY:
        return most
    return min(most, max(files // 2, files - _OTHER_FILES))
