"""Every page in Chromium: no complaint, no other host, nothing for axe to find, on a desk, a phone and in the dark."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.browser import DESK, PHONE, Watched
from support.dashboard_story import MODEL, SILENT, Dashboard

Opened = Callable[..., Watched]

EMPLOYMENT, BASKET = (f"/models/{namespace}/{name}" for namespace, name in (MODEL, SILENT))
PAGES = {
    "/": "3 models",
    "/?q=shop": "2 models match",
    "/?q=zebra": "No model matches",
    "/?page=7": "There is no such page",
    EMPLOYMENT: "95 % within",
    f"{EMPLOYMENT}?period=1h": "Versions",
    f"{EMPLOYMENT}?period=24h": "DeadlineExceeded",
    f"{EMPLOYMENT}?period=7d": "Versions",
    f"{BASKET}?period=1h": "No traffic in the last hour",
    "/sign-in": "no token to sign in with",
}
MISSING = {"/models/shop/nothing": "neither posted nor was set up", "/models/shop": "there is no '/models/shop'"}
SIGHTS = {
    "desk": {"viewport": DESK},
    "dark": {"viewport": DESK, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "is_mobile": True, "has_touch": True},
}


@pytest.mark.parametrize("sight", SIGHTS)
def test_every_page_is_whole(dashboard: Dashboard, opened: Opened, sight: str) -> None:
    watched = opened(dashboard.url, **SIGHTS[sight])
    for path, words in PAGES.items():
        page = watched.open(path)
        assert words in page.inner_text("main"), path
        assert (path, watched.accessibility(), watched.overflow()) == (path, [], 0)
    assert watched.complaints == []


@pytest.mark.parametrize("sight", SIGHTS)
def test_what_is_not_there_says_what_to_do(dashboard: Dashboard, opened: Opened, sight: str) -> None:
    watched = opened(dashboard.url, **SIGHTS[sight])
    for path, words in MISSING.items():
        page = watched.open(path)
        assert words in page.inner_text("[role=alert]"), path
        assert "kubectl get mlmodel" in page.inner_text("main")
        assert (path, watched.accessibility(), watched.overflow()) == (path, [], 0)
    # The browser itself tells of the status, and of nothing else.
    assert {"404" in complaint for complaint in watched.complaints} == {True}


def test_dark_mode_is_dark(dashboard: Dashboard, opened: Opened) -> None:
    ground = "() => getComputedStyle(document.body).backgroundColor"
    light, dark = (
        opened(dashboard.url, color_scheme=scheme).open("/").evaluate(ground) for scheme in ("light", "dark")
    )
    assert _lightness(light) > 240
    assert _lightness(dark) < 40


def test_charts_are_drawn_and_told(dashboard: Dashboard, opened: Opened) -> None:
    page = opened(dashboard.url).open(f"{EMPLOYMENT}?period=24h")
    for chart in page.locator("figure.chart").all():
        assert chart.locator("canvas").count() == 1
        assert chart.locator("canvas").evaluate(_INK) > 500, chart.inner_text()
        chart.locator("summary").click()
        assert chart.locator("tbody tr").count() > 60


def test_the_keyboard_reaches_everything(dashboard: Dashboard, opened: Opened) -> None:
    page = opened(dashboard.url).open("/")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.innerText") == "Skip to content"
    reached, outlined = set(), True
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(" ".join(page.evaluate(_FOCUSED).split()))
        outlined &= page.evaluate(_OUTLINED)
        if "people/employment" in reached:
            break
    assert {"ModelLoop monitor", "q", "Search", "people/employment"} <= reached
    assert outlined
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{EMPLOYMENT}")


def test_searching_changes_the_list_and_the_address_in_place(dashboard: Dashboard, opened: Opened) -> None:
    watched = opened(dashboard.url)
    page = watched.open("/")
    page.evaluate("() => { document.body.dataset.kept = 'yes'; }")
    page.fill("#q", "churn")
    page.locator("#models", has_text="1 model matches").wait_for()
    assert page.locator("table.models tbody tr").count() == 1
    assert page.evaluate("() => document.body.dataset.kept") == "yes"
    assert page.url.endswith("?q=churn")
    page.reload()
    assert page.input_value("#q") == "churn"
    assert watched.complaints == []


def test_without_scripts_all_of_it_can_be_read(dashboard: Dashboard, opened: Opened) -> None:
    page = opened(dashboard.url, java_script_enabled=False).open("/")
    page.fill("#q", "employment")
    page.click("text=Search >> nth=-1")
    page.click("text=people/employment")
    page.click("summary >> nth=0")
    assert page.locator("figure.chart tbody tr >> nth=0").is_visible()


_INK = """canvas => {
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let drawn = 0;
  for (let place = 3; place < pixels.length; place += 4) drawn += pixels[place] > 0;
  return drawn;
}"""
_FOCUSED = "() => document.activeElement.innerText || document.activeElement.id"
_OUTLINED = "() => parseFloat(getComputedStyle(document.activeElement).outlineWidth) >= 2"


def _lightness(colour: str) -> float:
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")) / 3
