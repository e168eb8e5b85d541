"""A monitor process that was told a day's story, and a browser that looks at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from support.browser import DESK, Watched, chromium
from support.dashboard_story import Dashboard, tell
from support.monitor_process import MonitorProcess


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    database = f"sqlite:///{tmp_path_factory.mktemp('dashboard') / 'monitor.db'}"
    with MonitorProcess(database, late_seconds=40 * 3600, fold_seconds=0.1) as monitor:
        monitor.until_ready()
        yield Dashboard(monitor.url, tell(monitor.url, time.time()))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Opens a page in a context of its own: of a desk's size in light colours, unless told otherwise."""
    contexts = []

    def opening(home: str, **choices: object) -> Watched:
        contexts.append(browser.new_context(**{"viewport": DESK, "reduced_motion": "reduce", **choices}))
        return Watched(contexts[-1].new_page(), home)

    yield opening
    for context in contexts:
        context.close()
