"""Limits on what a version is worth: they take their part of the rate, and speak in their own units."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from bench.evidence.days import QUERY, START, Day
from hypothesis import given
from hypothesis import strategies as st

from modelloop_core.evidence.blocks import Blocks
from modelloop_core.evidence.metrics import Metric
from modelloop_core.evidence.observed import Observed
from modelloop_core.evidence.verdict import judge
from modelloop_core.wire.events import AskedEvent, read_events, write_events
from modelloop_core.wire.evidence import Check, CheckName, EvidenceQuery, Measured, Verdict

WORTH: dict[str, Any] = {"quality_metric": "mae", "max_quality_drop": 0.5, "events": "clicks:rate:60:0.1,orders:sum:60"}
ASKED = EvidenceQuery(**{**QUERY.model_dump(exclude_none=True), **WORTH})
BEGIN = int(START.timestamp()) // 60


def metric(name: str, ours: float, theirs: float, *, of: int = 1000, higher: bool = True, count: int = 3000) -> Metric:
    """Both versions by so many blocks of values about these means."""
    random = np.random.default_rng(4)
    sides = [mean + random.normal(0, 1, count) for mean in (ours, theirs)]
    blocks = Blocks(*sides, np.full(count, 0.5), BEGIN + np.arange(count) // 10, higher=higher)
    return Metric(name, "quality", blocks, Measured(of=of), Measured(of=of))


def judged(quality: Metric | None = None, **events: Metric) -> dict[CheckName, Check]:
    """The checks of a quiet day with these metrics."""
    day: Observed = Day(10.0, tides=False).draw(np.random.default_rng(1))
    checks = judge(ASKED, replace(day, quality=quality, events=events)).checks
    return {check.name: check for check in checks}


def test_every_limit_takes_an_equal_part_of_the_rate_and_what_is_only_told_none() -> None:
    checks = judged(metric("mae", 3.0, 3.0, higher=False), clicks=metric("clicks", 3.0, 3.0))

    assert len(checks) == 8
    needed = {check.needed for check in checks.values() if check.needed is not None}
    assert needed == {8 / ASKED.false_rollback_rate}


QUALITY = [
    pytest.param(metric("mae", 3.0, 3.0, higher=False), Verdict.PASSED, "cannot be excluded yet", id="as good"),
    pytest.param(metric("mae", 3.3, 3.0, higher=False), Verdict.PASSED, "worse than that of 1.0.0", id="worse, within"),
    pytest.param(metric("mae", 2.0, 3.0, higher=False), Verdict.PASSED, "better than that of 1.0.0", id="better"),
    pytest.param(metric("mae", 4.0, 3.0, higher=False), Verdict.FAILED, "shown to be beyond 0.5", id="worse, beyond"),
    pytest.param(
        metric("mae", 3.9, 3.0, higher=False, count=40), Verdict.INCONCLUSIVE, "chance may still explain it", id="maybe"
    ),
    pytest.param(
        metric("mae", 3.0, 3.0, higher=False, of=199), Verdict.INCONCLUSIVE, "199 of 200 labels", id="a label short"
    ),
    pytest.param(Metric("mae", "quality", note="no mae here"), Verdict.INCONCLUSIVE, "no mae here", id="not to be had"),
    pytest.param(None, Verdict.INCONCLUSIVE, "0 of 200 labels", id="nothing read"),
]


@pytest.mark.parametrize(("quality", "verdict", "words"), QUALITY)
def test_a_limit_on_quality(quality: Metric | None, verdict: Verdict, words: str) -> None:
    check = judged(quality)[CheckName.QUALITY_DROP]

    assert check.verdict is verdict, check.message
    assert words in check.message
    assert (check.failed_at is not None) == (verdict is Verdict.FAILED)


def test_a_failed_limit_tells_how_much_is_shown_and_what_is_possible() -> None:
    check = judged(metric("mae", 4.0, 3.0, higher=False))[CheckName.QUALITY_DROP]

    assert check.value == pytest.approx(1.0, abs=0.1)
    assert check.at_least is not None
    assert check.at_most is not None
    assert 0.5 < check.at_least < check.value < check.at_most < 1.3
    assert check.e_value is not None
    assert check.e_value >= check.needed  # type: ignore[operator]


@pytest.mark.parametrize(("ours", "verdict"), [(5.0, Verdict.PASSED), (4.0, Verdict.FAILED), (9.0, Verdict.PASSED)])
def test_a_limit_on_an_event_is_a_part_of_the_live_versions(ours: float, verdict: Verdict) -> None:
    check = judged(clicks=metric("clicks", ours, 5.0))[CheckName.BUSINESS_DROP]

    assert check.verdict is verdict, check.message
    assert check.value == pytest.approx(1 - ours / 5.0, abs=0.03)


def test_of_nothing_nothing_can_be_lacking() -> None:
    nothing = metric("clicks", 0.0, 0.0)
    assert nothing.blocks is not None
    blocks = replace(nothing.blocks, ours=np.zeros(3000), theirs=np.zeros(3000))
    check = judged(clicks=replace(nothing, blocks=blocks))[CheckName.BUSINESS_DROP]

    assert check.verdict is Verdict.INCONCLUSIVE
    assert "nothing to compare with yet" in check.message


_EVENTS = st.builds(
    AskedEvent,
    st.from_regex("[a-z][a-z0-9_]{0,20}", fullmatch=True),
    st.sampled_from(["rate", "sum"]),
    st.integers(0, 10**9 - 1),
    st.none() | st.integers(1, 990_000).map(lambda millionths: millionths / 1e6),
)


@given(st.lists(_EVENTS, max_size=16, unique_by=lambda event: event.name))
def test_events_are_read_as_they_were_written(events: list[AskedEvent]) -> None:
    found = read_events(write_events(events))

    assert [replace(event, most_drop=None) for event in found] == [replace(event, most_drop=None) for event in events]
    assert [event.most_drop for event in found] == pytest.approx([event.most_drop for event in events])
