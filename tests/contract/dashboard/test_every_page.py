"""Every page in Chromium: no complaint, no other host, nothing for axe to find, on a desk, a phone and in the dark."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.browser import DESK, PHONE, Watched
from support.dashboard_story import HOUR, MODEL, QUIET, SILENT, Dashboard
from support.rollout_story import TESTED_HOURS_LATER

Opened = Callable[..., Watched]

EMPLOYMENT, CHURN, BASKET = (f"/models/{namespace}/{name}" for namespace, name in (MODEL, QUIET, SILENT))
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
    f"{EMPLOYMENT}/rollouts": "25 % of the traffic",
    f"{EMPLOYMENT}/rollouts/1.3.0/FAILED": "taken back: EvidenceFailed",
    f"{EMPLOYMENT}/rollouts/1.3.1/TESTED": "A/B test: accuracy of 1.3.1 is lower",
    f"{CHURN}/rollouts": "No version was rolled out beside another one yet",
    f"{BASKET}/rollouts": "No operator has told of this model",
    f"{EMPLOYMENT}/drift": "2 of 12 columns drifted: AGEP, MAR",
    f"{EMPLOYMENT}/drift?windows=12": "AGEP",
    f"{EMPLOYMENT}/drift/LAST/feature/AGEP": "this window",
    f"{EMPLOYMENT}/drift/LAST/output/prediction": "population stability index",
    f"{EMPLOYMENT}/drift/LAST/feature/MAR": "never married",
    f"{EMPLOYMENT}/quality": "From labels",
    f"{EMPLOYMENT}/quality?windows=24": "out of domain",
    f"{EMPLOYMENT}/incidents": "2 of 12 judged columns drifted",
    f"{EMPLOYMENT}/card": "intended_use: Never <b>against</b> anybody.",
    f"{CHURN}/card": "standard deviation",
    f"{CHURN}/drift": "no change found",
    f"{CHURN}/quality": "No window has enough labels yet",
    f"{CHURN}/incidents": "No incident is open",
    f"{BASKET}/drift": "stale",
    "/sign-in": "Token",
}
MISSING = {
    "/models/shop/nothing": "neither posted nor was set up",
    "/models/shop": "there is no '/models/shop'",
    f"{EMPLOYMENT}/rollouts/9.9.9/1": "no rollout of '9.9.9' that began at '1' is kept",
    f"{EMPLOYMENT}/rollouts/1.3.0/soon": "that began at 'soon'",
    f"{EMPLOYMENT}/drift/0/abc/feature/AGEP": "no window that was judged begins at 0",
    f"{EMPLOYMENT}/drift/soon/abc/feature/AGEP": "no window's beginning",
}
SIGHTS = {
    "desk": {"viewport": DESK},
    "dark": {"viewport": DESK, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "is_mobile": True, "has_touch": True},
}


@pytest.mark.parametrize("sight", SIGHTS)
def test_every_page_is_whole(dashboard: Dashboard, opened: Opened, sight: str) -> None:
    watched = opened(dashboard.url, **SIGHTS[sight])
    for path, words in PAGES.items():
        page = watched.open(_placed(path, dashboard))
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
        assert chart.locator("tbody tr").count() > 20


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
    assert {"ModelLoop monitor", "Sign out", "q", "Search", "people/employment"} <= reached
    assert outlined
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{EMPLOYMENT}")


def test_a_cell_shows_its_column_in_place_and_has_an_address(dashboard: Dashboard, opened: Opened) -> None:
    watched = opened(dashboard.url)
    page = watched.open(f"{EMPLOYMENT}/drift")
    page.evaluate("() => { document.body.dataset.kept = 'yes'; }")
    row = page.locator("table.heat tbody tr", has=page.locator("th", has_text="AGEP"))
    assert {"stable", "drift"} <= {cell.split("\n")[-1] for cell in row.locator("a").all_inner_texts()}
    row.locator("a").last.click()
    page.locator("#detail h2", has_text="AGEP").wait_for()
    assert page.locator("#detail table.histogram tbody tr").count() == 10
    assert page.evaluate("() => document.body.dataset.kept") == "yes"
    assert watched.accessibility() == []
    assert page.url.endswith(f"/drift/{_last_window(dashboard)}/feature/AGEP")
    page.reload()
    assert page.locator("h2", has_text="AGEP").is_visible()
    assert watched.complaints == []


def test_the_heat_map_is_one_stop_of_the_tab_key_and_arrows_move_in_it(dashboard: Dashboard, opened: Opened) -> None:
    page = opened(dashboard.url).open(f"{EMPLOYMENT}/drift")
    assert page.locator("table.heat tbody a[tabindex='0']").count() == 1
    page.locator("table.heat tbody a[tabindex='0']").focus()
    first = page.evaluate("() => document.activeElement.title")
    for key in ("ArrowLeft", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    assert page.evaluate("() => document.activeElement.title") != first
    assert page.locator("table.heat tbody a[tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    page.locator("#detail h2").wait_for()


def test_an_incident_says_what_to_do_and_can_be_silenced(dashboard: Dashboard, opened: Opened) -> None:
    watched = opened(dashboard.url)
    page = watched.open(f"{EMPLOYMENT}/incidents")
    assert {"Since", "How sure", "What to do"} <= set(page.locator("article.open dt").all_inner_texts())
    page.select_option("#seconds", label="8 hours")
    page.fill("#reason", "a planned <b>campaign</b>")
    page.click("text=Silence >> nth=-1")
    page.locator("text=Nobody is told until").wait_for()
    assert "a planned <b>campaign</b> (signed in by token)" in page.inner_text("main")
    assert watched.accessibility() == []
    page.click("text=Tell again")
    page.locator("text=Whoever is set up to be told").wait_for()
    assert watched.complaints == []


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


def test_a_rollout_is_told_step_by_step_with_its_evidence(dashboard: Dashboard, opened: Opened) -> None:
    watched = opened(dashboard.url)
    page = watched.open(f"{EMPLOYMENT}/rollouts")
    heads = [" ".join(head.split()) for head in page.locator("ol.timeline h3").all_inner_texts()]
    assert heads == [
        "1.5.0 was tried beside 1.4.0: its pods were asked for",
        "5 % of the traffic ✓ passed",
        "ann asked: pause",
        "bob <bob@example.org> asked: resume",
        "25 % of the traffic … not decided",
        "50 % to come",
        "100 %: it goes live to come",
    ]
    step = page.locator("ol.timeline li.step").last
    assert step.locator("table").is_visible(), "what is not decided is shown without asking"
    assert "up to 1.6 times cannot be excluded yet" in step.inner_text()
    assert watched.accessibility() == []
    charts = page.locator("figure.chart")
    assert charts.count() == 3
    assert all(chart.locator("canvas").evaluate(_INK) > 500 for chart in charts.all())
    page.click("text=1.3.0")
    page.wait_for_url(f"**/rollouts/1.3.0/{dashboard.failed_rollout}")
    assert "✗ failed" in page.inner_text("ol.timeline")
    assert watched.complaints == []


def _placed(path: str, dashboard: Dashboard) -> str:
    failed, tested = dashboard.failed_rollout, dashboard.failed_rollout + TESTED_HOURS_LATER * 3600
    return path.replace("LAST", _last_window(dashboard)).replace("FAILED", str(failed)).replace("TESTED", str(tested))


def _last_window(dashboard: Dashboard) -> str:
    return f"{dashboard.told.until - HOUR}/{dashboard.told.digest[:12]}"


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
