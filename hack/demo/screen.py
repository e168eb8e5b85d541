"""What a person sees: the step, what it waits for, and the traffic all the while."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hack.demo.cluster import DemoFailed
from hack.demo.figures import failed, figures
from hack.demo.traffic import Traffic
from rich.console import Console
from rich.live import Live
from rich.text import Text

_PLAIN_EVERY_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 0.3
_RECENT = 200


class Screen:
    """Lines for everybody, and on a terminal a live status below them."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self.seconds: dict[str, float] = {}
        self.traffic: Traffic | None = None
        self.watching = False
        self._started = time.monotonic()
        self._doing = ""

    @contextmanager
    def live(self) -> Iterator[None]:
        """The live status, where there is a terminal."""
        if not self.console.is_terminal:
            yield
            return
        with Live(get_renderable=self._status, console=self.console, refresh_per_second=4, transient=True):
            yield

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A part of the story; how long it took is kept."""
        begun = time.monotonic()
        self.console.print(f"\n{begun - self._started:5.0f} s  {title}", style="bold", markup=False)
        self._doing = title
        yield
        self.seconds[title] = round(time.monotonic() - begun, 1)

    def say(self, text: str) -> None:
        """A line of plain text."""
        self.console.print(f"         {text}", markup=False)

    def wait(self, what: str, missing: Callable[[], str], seconds: float) -> None:
        """Wait until `missing` answers an empty text, showing what it says; raises DemoFailed at the deadline."""
        begun, told = time.monotonic(), 0.0
        while still := missing():
            now = time.monotonic()
            self._doing = f"waiting for {what}: {still}"
            if not self.console.is_terminal and now - told > _PLAIN_EVERY_SECONDS:
                told = now
                doing = "" if self.watching else self._doing
                self.say("  |  ".join(filter(None, (doing, self._flow()))))
            if now - begun > seconds:
                raise DemoFailed(f"{what}: not within {seconds:.0f} s; {still}")
            time.sleep(_LOOK_EVERY_SECONDS)

    def _status(self) -> Text:
        return Text("\n".join(filter(None, ("", f"  ▸ {self._doing}", f"  ▸ {self._flow()}" if self._flow() else ""))))

    def _flow(self) -> str:
        if self.traffic is None or not self.traffic.answers:
            return ""
        answers = list(self.traffic.answers)
        recent, lost = answers[-_RECENT:], sum(map(failed, answers))
        versions = ", ".join(f"{name} {count}" for name, count in sorted(Counter(a.version for a in recent).items()))
        now = figures(recent)
        return (
            f"{len(answers)} sent, {lost} failed; last {len(recent)}: {versions}; "
            f"accuracy {now.accuracy:.3f}, p50 {now.p50_ms:.0f} ms, {now.qps:.0f}/s"
        )
