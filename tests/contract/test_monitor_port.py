"""The operator's monitor port over real HTTP: what is read, what is refused, and what counts as being away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fakes.every_field import ALERT_SECRETS, SPECS
from fakes.monitor import a_report, an_evidence
from fakes.seen import NOW, a_model
from modelloop_core.feature_schema import Task
from modelloop_core.wire.evidence import EvidenceQuery, Verdict
from modelloop_core.wire.reports import Level
from modelloop_core.wire.settings import ModelSettings
from modelloop_operator.cluster.monitor import HttpMonitor, MonitorAway, MonitorRefused
from modelloop_operator.decide.watch_settings import settings_of
from support.monitor_process import MonitorProcess
from support.report_stub import ReportStub, run_report_stub
from support.s3_server import free_port

QUERY = EvidenceQuery(
    version="1.1.0",
    against="1.0.0",
    since=NOW,
    step_since=NOW + timedelta(minutes=5),
    max_error_rate=0.01,
    max_latency_p95_seconds=0.25,
)
Ask = Callable[[HttpMonitor], Awaitable[Any]]


def ask(url: str, act: Ask, token: str = "", seconds: float = 5.0) -> Any:
    """What the operator is told by the monitor at `url`."""

    async def main() -> Any:
        async with aiohttp.ClientSession() as session:
            return await act(HttpMonitor(session, url, token, seconds=seconds))

    return asyncio.run(main())


async def drift(monitor: HttpMonitor) -> Any:
    return await monitor.drift("shop", "churn")


async def put(monitor: HttpMonitor) -> None:
    await monitor.put_settings("shop", "churn", ModelSettings(window_seconds=600))


def test_settings_arrive_and_the_report_comes_back() -> None:
    with run_report_stub(token="secret") as stub:
        stub.report(a_report(Level.MODERATE))
        ask(stub.url + "/", put, "secret")
        assert stub.settings == {"/v1/models/shop/churn/settings": ModelSettings(window_seconds=600)}
        assert ask(stub.url, drift, "secret") == a_report(Level.MODERATE)


async def evidence(monitor: HttpMonitor) -> Any:
    return await monitor.evidence("shop", "churn", QUERY)


def test_a_question_about_a_rollout_arrives_as_it_was_asked_and_the_verdict_comes_back() -> None:
    with run_report_stub(token="secret") as stub:
        stub.verdicts["1.1.0"] = Verdict.PASSED
        assert ask(stub.url, evidence, "secret") == an_evidence(Verdict.PASSED, QUERY)
        assert stub.queries == [QUERY]


def test_a_model_without_a_report_has_none() -> None:
    with run_report_stub() as stub:
        assert ask(stub.url, drift) is None


def test_a_report_of_a_newer_monitor_is_read() -> None:
    with run_report_stub() as stub:
        stub.report(a_report())
        (path,) = stub.reports
        stub.reports[path] = stub.reports[path].replace(b"{", b'{"later": [1], ', 1)
        assert ask(stub.url, drift) == a_report()


REFUSALS = [
    pytest.param(lambda stub: setattr(stub, "status", 403), "answered 403", id="forbidden"),
    pytest.param(lambda stub: setattr(stub, "status", 500), "answered 500", id="an error of its own"),
    pytest.param(lambda stub: setattr(stub, "status", 302), "answered 302", id="a redirect, which is not followed"),
    pytest.param(lambda stub: setattr(stub, "token", "other"), "answered 401", id="the wrong token"),
    pytest.param(
        lambda stub: stub.reports.update({"/v1/models/shop/churn/drift": b"{"}), "no drift report", id="half a report"
    ),
    pytest.param(
        lambda stub: stub.reports.update({"/v1/models/shop/churn/drift": b'{"verdict": "awful"}'}),
        "no drift report",
        id="another report",
    ),
    pytest.param(
        lambda stub: stub.reports.update({"/v1/models/shop/churn/drift": b"x" * (9 << 20)}),
        "more than 8388608 bytes",
        id="a report without an end",
    ),
]


@pytest.mark.parametrize(("spoil", "told"), REFUSALS)
def test_an_answer_that_is_no_report_concerns_this_model(spoil: Callable[[ReportStub], None], told: str) -> None:
    with run_report_stub() as stub:
        spoil(stub)
        with pytest.raises(MonitorRefused, match=told):
            ask(stub.url, drift, "secret")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_answer_that_says_later_is_absence(status: int) -> None:
    with run_report_stub() as stub:
        stub.status = status
        with pytest.raises(MonitorAway, match=f"answered {status}"):
            ask(stub.url, put)


def test_nobody_there_is_absence() -> None:
    with pytest.raises(MonitorAway, match="cannot be reached"):
        ask(f"http://127.0.0.1:{free_port()}", drift)


def test_silence_is_absence_after_a_bounded_time() -> None:
    with run_report_stub() as stub:
        stub.hang = True
        with pytest.raises(MonitorAway, match=r"no answer within 0\.2 s"):
            ask(stub.url, drift, seconds=0.2)


def test_the_real_monitor_takes_the_settings_and_says_what_it_knows(tmp_path: Path) -> None:
    every = settings_of(a_model(spec=SPECS["monitoring"]), Task.BINARY, ALERT_SECRETS)

    async def told(monitor: HttpMonitor) -> Any:
        await monitor.put_settings("shop", "churn", every)
        await monitor.put_settings("shop", "churn", every)
        return await monitor.drift("shop", "churn")

    with MonitorProcess(f"sqlite:///{tmp_path}/monitor.db", token="secret") as monitor:
        monitor.until_ready()
        found = ask(monitor.url, told, "secret")
        judged = ask(monitor.url, evidence, "secret")
        with pytest.raises(MonitorRefused, match="answered 401"):
            ask(monitor.url, put, "wrong")
    assert judged.verdict in (Verdict.ERROR, Verdict.INCONCLUSIVE), "of what nobody told it anything"
    assert judged.message
    assert found is None or found.verdict in (Level.NO_DATA, Level.INSUFFICIENT), found
