"""From counts to what is shown of traffic and of the list."""

from __future__ import annotations

import json
import math

import pytest

from modelloop_core.wire.minutes import MinuteCounts
from modelloop_core.wire.profiles import LATENCY_BOUNDS
from modelloop_core.wire.reports import Level
from modelloop_monitor.dashboard.charts import Chart, Series
from modelloop_monitor.dashboard.queries.listing import Judged, Listed, Listing, Open
from modelloop_monitor.dashboard.queries.traffic import Stretch, Traffic
from modelloop_monitor.dashboard.views.models import ModelRow, models_view
from modelloop_monitor.dashboard.views.traffic import traffic_view

NOW = 1_770_000_030.0
SLOW = (0,) * len(LATENCY_BOUNDS) + (1,)


def _row(listed: Listed) -> ModelRow:
    return models_view(Listing(1, 0, (listed,)), 0, NOW).rows[0]


def test_a_model_that_posts_and_was_judged() -> None:
    traffic = {"1.0.0": MinuteCounts(requests=30), "1.1.0": MinuteCounts(requests=270), "0.9.0": MinuteCounts()}
    row = _row(Listed(("shop", "churn"), NOW - 5, Judged("drift", NOW - 600), Open(NOW - 60, "drift"), traffic))
    assert [(one.version, one.share) for one in row.versions] == [("1.1.0", 0.9), ("1.0.0", 0.1)]
    assert row.requests_per_second == pytest.approx(1)
    assert (row.level, row.judged_until, row.incident_since, row.is_silent) == (
        Level.DRIFT,
        NOW - 600,
        NOW - 60,
        False,
    )


@pytest.mark.parametrize("last_post", [None, NOW - 3600])
def test_the_traffic_of_a_silent_model_is_unknown_and_not_zero(last_post: float | None) -> None:
    row = _row(Listed(("shop", "churn"), last_post))
    assert (row.requests_per_second, row.is_silent, row.level) == (None, True, Level.NO_DATA)


def test_one_that_posts_without_requests_has_none() -> None:
    assert _row(Listed(("shop", "churn"), NOW - 5)).requests_per_second == 0


@pytest.mark.parametrize(("total", "pages"), [(0, 1), (1, 1), (50, 1), (51, 2), (1000, 20)])
def test_pages(total: int, pages: int) -> None:
    assert models_view(Listing(total, 0, ()), 0, NOW).pages == pages


def test_a_stretch_ends_with_the_period_that_is_now() -> None:
    stretch = Stretch.ending(NOW, 60, 10)
    assert stretch.until - 60 <= NOW < stretch.until
    assert stretch.since == stretch.until - 600


def test_traffic_is_told_by_version_and_missing_periods_are_gaps() -> None:
    stretch = Stretch(int(NOW) - 180, 60, 3)
    traffic = Traffic(
        stretch,
        {
            "1.0.0": {
                0: MinuteCounts(requests=60, errors={"QueueFull": 3}),
                2: MinuteCounts(requests=120, latency=SLOW),
            },
            "1.1.0": {0: MinuteCounts(requests=20, errors={"QueueFull": 1, "Other": 9}, fallbacks=2)},
        },
    )
    view = traffic_view(traffic, NOW)
    requests, latency, failures = view.charts
    assert [one.values for one in requests.series] == [(1.0, None, 2.0), (pytest.approx(1 / 3), None, None)]
    assert latency.series[0].values == (None, None, math.inf)
    assert failures.series[0].values == (pytest.approx(100 * 13 / 80), None, 0.0)
    assert [(one.version, one.requests, one.errors) for one in view.versions] == [("1.0.0", 180, 3), ("1.1.0", 20, 10)]
    assert view.versions[0].last == stretch.since + 120
    assert view.reasons == (("Other", 9), ("QueueFull", 4))


def test_the_period_that_has_just_begun_is_divided_by_what_has_passed_of_it() -> None:
    stretch = Stretch(int(NOW) - 30, 60, 1)
    view = traffic_view(Traffic(stretch, {"1.0.0": {0: MinuteCounts(requests=30)}}), NOW)
    assert view.charts[0].series[0].values == (1.0,)


def test_no_traffic_is_an_empty_view() -> None:
    view = traffic_view(Traffic(Stretch(0, 60, 3), {}), NOW)
    assert view.is_empty
    assert all(chart.is_empty for chart in view.charts)


def test_a_chart_draws_and_tells_the_same_numbers() -> None:
    series = Series("auc", (0.5, None, math.inf), low=(0.4, None, None), high=(0.6, None, None))
    chart = Chart("AUC", "", (0.0, 60.0, 120.0), (series,))
    drawn = json.loads(chart.document)["series"][0]
    assert (drawn["values"], drawn["low"]) == ([0.5, None, None], [0.4, None, None])
    assert chart.rows == [
        ("1970-01-01 00:02 UTC", "past the last bucket"),
        ("1970-01-01 00:00 UTC", "0.5 (0.4 to 0.6)"),
    ]
