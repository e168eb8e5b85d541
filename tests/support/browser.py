"""Debian's Chromium without a screen, driven by Playwright; installed where it is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from hack.cluster.packages import ensure
from playwright.sync_api import Browser, Page, sync_playwright

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that ends with the block."""
    ensure({"chromium": "chromium"})
    with sync_playwright() as playwright:
        # Its own sandbox needs privileges that a container has not; it sees only pages of ours.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page, and what it complained of: errors of scripts, refused loads, requests to other hosts."""

    page: Page
    home: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda said: self._console(said.type, said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("requestfailed", lambda asked: self._failed(asked.url, str(asked.failure)))
        self.page.on("request", lambda asked: self._asked(asked.url))

    def open(self, path: str) -> Page:
        """Load a page of the dashboard, and wait until nothing moves."""
        self.page.goto(f"{self.home}{path}", wait_until="networkidle")
        return self.page

    def sign_in(self, token: str) -> None:
        """Sign in as a person does."""
        page = self.open("/sign-in")
        page.fill("#token", token)
        page.click("main button")
        page.wait_for_url(f"{self.home}/")

    def accessibility(self) -> list[str]:
        """What axe finds wrong with the page as it is now."""
        self.page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
        found = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [_told(violation) for violation in found["violations"]]

    def overflow(self) -> int:
        """By how many pixels the page is wider than the screen."""
        return int(self.page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth"))

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"console: {text}")

    def _failed(self, url: str, reason: str) -> None:
        # A search that is typed on replaces the one on its way.
        if "ERR_ABORTED" not in reason:
            self.complaints.append(f"load: {url} {reason}")

    def _asked(self, url: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob") and not url.startswith(self.home):
            self.complaints.append(f"another host: {url}")


def _told(violation: dict[str, Any]) -> str:
    nodes = "; ".join(str(node["html"])[:200] for node in violation["nodes"][:3])
    return f"{violation['id']} ({violation['impact']}): {violation['help']}: {nodes}"
