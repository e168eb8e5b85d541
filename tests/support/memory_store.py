"""An object store in memory for unit tests, and what may happen ahead of each of its steps: death, or a script."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from modelloop_core.storage.keys import check_key, check_prefix
from modelloop_core.storage.port import AlreadyExists, NotFound, ObjectInfo


class MemoryStore:
    """An ObjectStore in a dictionary; `before` is called ahead of each step, with the verb and the key.

    With `has_gap` it looks and writes in two steps, as versitygw does, so that two writers at once may both succeed.
    """

    def __init__(self, before: Callable[[str, str], None] = lambda verb, key: None, *, has_gap: bool = False) -> None:
        self.objects: dict[str, bytes] = {}
        self.before = before
        self.has_gap = has_gap

    def read(self, key: str) -> bytes:
        self.before("read", check_key(key))
        if key not in self.objects:
            raise NotFound(f"there is no {key!r}")
        return self.objects[key]

    def stream(self, key: str, start: int = 0) -> Iterator[bytes]:
        body = self.read(key)[start:]
        yield from (body[at : at + 1000] for at in range(0, len(body), 1000))

    def create(self, key: str, body: bytes | Path) -> None:
        self.before("create", check_key(key))
        content = body if isinstance(body, bytes) else _content(body)
        if key in self.objects:
            raise AlreadyExists(f"{key!r} exists")
        if self.has_gap:
            self.before("write", key)
        self.objects[key] = content

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self.before("list", check_prefix(prefix))
        for key, body in sorted(self.objects.items()):
            if key.startswith(prefix):
                yield ObjectInfo(key, len(body), hashlib.sha256(body).hexdigest())

    def folders(self, prefix: str) -> tuple[str, ...]:
        tails = [info.key.removeprefix(prefix).split("/") for info in self.list(prefix)]
        return tuple(sorted({tail[0] for tail in tails if len(tail) > 1}))

    def delete(self, key: str) -> None:
        self.before("delete", check_key(key))
        self.objects.pop(key, None)


class Killed(BaseException):
    """The process ended: nothing that runs on an exception may touch the store afterwards."""


class DeathAfter:
    """Lets `steps` steps happen and then kills every further one."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def __call__(self, verb: str, key: str) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise Killed


class Script:
    """Lets threads take their steps in the order of `turns`; turns of a thread that is done are skipped."""

    def __init__(self, turns: Sequence[str]) -> None:
        self._turns = list(turns)
        self._done: set[str] = set()
        self._changed = threading.Condition()

    def __call__(self, verb: str, key: str) -> None:
        me = threading.current_thread().name
        with self._changed:
            if not self._changed.wait_for(lambda: self._next() in (me, None), timeout=10):
                raise AssertionError(f"{me} never had its turn")
            if self._turns:
                self._turns.pop(0)
            self._changed.notify_all()

    def finished(self) -> None:
        """The calling thread takes no more steps."""
        with self._changed:
            self._done.add(threading.current_thread().name)
            self._changed.notify_all()

    def _next(self) -> str | None:
        while self._turns and self._turns[0] in self._done:
            self._turns.pop(0)
        return self._turns[0] if self._turns else None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"cannot read {str(path)!r}") from error
