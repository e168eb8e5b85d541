"""An event loop whose clock jumps to the next timer when nothing else is to do: minutes pass in milliseconds.

Work for threads runs inline, so a run is the same each time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Inline(ThreadPoolExecutor):
    """An executor whose work is done when it is handed in."""

    def submit(self, act: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(act(*arguments, **named))
        except Exception as error:  # noqa: BLE001 - an executor hands every exception to its caller
            done.set_exception(error)
        return done


class Silent(ThreadPoolExecutor):
    """Threads of a store that accepts requests and answers when it is told to, or never."""

    def __init__(self) -> None:
        super().__init__(max_workers=1)
        self._asked: list[Callable[[], None]] = []

    def submit(self, act: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        answer: Future[Any] = Future()
        self._asked.append(lambda: answer.set_result(act(*arguments, **named)))
        return answer

    def answer(self) -> None:
        """Do all that was asked for."""
        asked, self._asked = self._asked, []
        for act in asked:
            act()


class _Jumping(selectors.SelectSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found and timeout is None:
            raise AssertionError("everything waits and no timer runs: this would wait for ever")
        if not found and timeout is not None:
            self.now += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose `time()` starts at zero and is never the wall clock."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self.set_default_executor(Inline(max_workers=1))

    def time(self) -> float:
        """Virtual seconds."""
        return self._jumping.now


def run_virtually(main: Callable[[Callable[[], float]], Coroutine[Any, Any, T]]) -> T:
    """Run `main(clock)` to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main(runner.get_loop().time))
