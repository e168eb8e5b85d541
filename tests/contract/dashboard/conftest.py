"""A monitor process that was told a day's story, and a browser that looks at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Browser

from support.browser import DESK, Watched, chromium
from support.dashboard_story import TOKEN, Dashboard, tell
from support.monitor_process import MonitorProcess
from support.predictor_process import eventually
from support.rollout_story import tell_rollouts

SIGNED_IN = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    database = f"sqlite:///{tmp_path_factory.mktemp('dashboard') / 'monitor.db'}"
    began = tell_rollouts(database, time.time())
    quick = {"fold_seconds": 0.1, "join_seconds": 0.5, "evaluate_seconds": 0.5, "grace_seconds": 0}
    with MonitorProcess(database, late_seconds=40 * 3600, token=TOKEN, **quick) as monitor:
        monitor.until_ready()
        found = Dashboard(monitor.url, tell(monitor.url, time.time(), headers=SIGNED_IN), began)
        eventually(lambda: _is_judged(found), "an incident and quality", monitor.describe, seconds=120)
        yield found


def _is_judged(dashboard: Dashboard) -> bool:
    with httpx.Client(base_url=dashboard.url, headers=SIGNED_IN) as client:
        drift, quality = (client.get(f"/v1/models/people/employment/{page}").json() for page in ("drift", "quality"))
    return drift.get("incident") is not None and any(report["metrics"] for report in quality.get("reports", ()))


# Not for the session: while it is open, playwright has an event loop running in this thread, and no test of
# anything else could start its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Opens a page in a context of its own: of a desk's size in light colours, unless told otherwise."""
    contexts = []

    def opening(home: str, *, signed_in: bool = True, **choices: object) -> Watched:
        contexts.append(browser.new_context(**{"viewport": DESK, "reduced_motion": "reduce", **choices}))
        watched = Watched(contexts[-1].new_page(), home)
        if signed_in:
            watched.sign_in(TOKEN)
        return watched

    yield opening
    for context in contexts:
        context.close()
