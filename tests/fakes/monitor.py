"""A monitor in memory: it obeys the port's rules, and can be away, refuse, or be asked what it was told."""

from __future__ import annotations

from typing import Any, Literal

from fakes.seen import NOW
from modelloop_core.wire.evidence import (
    Check,
    CheckName,
    EvidenceQuery,
    Experiment,
    Measured,
    RolloutEvidence,
    Verdict,
    VersionTraffic,
)
from modelloop_core.wire.reports import DriftReport, Interval, Level
from modelloop_core.wire.rollouts import ModelRollouts
from modelloop_core.wire.settings import ModelSettings
from modelloop_operator.cluster.monitor import MonitorError


def a_report(verdict: Level = Level.STABLE, name: str = "churn", **fields: Any) -> DriftReport:
    """What it says of a model of namespace `shop`."""
    usual: dict[str, Any] = {"namespace": "shop", "name": name, "version": "1.0.0", "reference": None, "window": None}
    return DriftReport.model_validate({**usual, "verdict": verdict, "generated": NOW, **fields})


def an_evidence(
    verdict: Verdict = Verdict.PASSED,
    query: EvidenceQuery | None = None,
    hint: str = "",
    winner: Literal["candidate", "stable"] | None = None,
) -> RolloutEvidence:
    """What it says of a rollout, by one check."""
    version, against = (query.version, query.against) if query is not None else ("1.1.0", "1.0.0")
    check = Check(name=CheckName.ERROR_RATE, verdict=verdict, limit=0.01, hint=hint, message=f"ErrorRate {verdict}")
    return RolloutEvidence(
        namespace="shop",
        name="churn",
        verdict=verdict,
        message=f"{version} {verdict}: errors",
        checks=(check,),
        since=query.since if query is not None else NOW,
        until=NOW,
        interval_seconds=60,
        candidate=VersionTraffic(version=version),
        stable=VersionTraffic(version=against),
        experiment=an_experiment(winner) if query is not None and query.ab_metric else None,
        generated=NOW,
    )


def an_experiment(winner: Literal["candidate", "stable"] | None = None, requests: int = 1000) -> Experiment:
    """How an A/B test on clicks stands."""
    values = {"candidate": (0.12, 0.02), "stable": (0.08, -0.02), None: (0.1, 0.0)}
    ours, difference = values[winner]
    return Experiment(
        metric="clicks",
        kind="rate",
        higher=True,
        candidate=Measured(of=requests, value=Interval(value=ours)),
        stable=Measured(of=requests, value=Interval(value=0.1)),
        difference=difference,
        low=difference - 0.01,
        high=difference + 0.01,
        winner=winner,
        needed=40,
        message=f"clicks: difference {difference:+g}: {winner or 'neither'} is better",
    )


class FakeMonitor:
    """Holds settings and reports by model; `failure` is raised while there is one, `refused` for single models.

    `verdicts` are those of versions in a rollout, `Inconclusive` of others; `hint` is
    what a person can do, `winners` are those of A/B tests, by the version that is tried.
    """

    def __init__(self) -> None:
        self.settings: dict[tuple[str, str], ModelSettings] = {}
        self.rollouts: dict[tuple[str, str], ModelRollouts] = {}
        self.reports: dict[tuple[str, str], DriftReport] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.hint = ""
        self.requests = 0
        self.winners: dict[str, Literal["candidate", "stable"] | None] = {}
        self.queries: list[EvidenceQuery] = []
        self.asked: list[tuple[str, str]] = []
        self.put: list[str] = []
        self.failure: MonitorError | None = None
        self.refused: dict[str, MonitorError] = {}

    async def put_settings(self, namespace: str, name: str, settings: ModelSettings) -> None:
        """See the port."""
        self._asked("put", name)
        self.put.append(name)
        self.settings[namespace, name] = settings

    async def put_rollouts(self, namespace: str, name: str, rollouts: ModelRollouts) -> None:
        """See the port."""
        self._asked("rollouts", name)
        self.rollouts[namespace, name] = rollouts

    async def drift(self, namespace: str, name: str) -> DriftReport | None:
        """See the port."""
        self._asked("drift", name)
        return self.reports.get((namespace, name))

    async def evidence(self, namespace: str, name: str, query: EvidenceQuery) -> RolloutEvidence | None:
        """See the port."""
        self._asked("evidence", name)
        self.queries.append(query)
        verdict = self.verdicts.get(query.version, Verdict.INCONCLUSIVE)
        found = an_evidence(verdict, query, self.hint, self.winners.get(query.version))
        counted = found.candidate.model_copy(update={"requests": self.requests})
        return found.model_copy(update={"candidate": counted})

    def _asked(self, verb: str, name: str) -> None:
        self.asked.append((verb, name))
        failure = self.failure or self.refused.get(name)
        if failure is not None:
            raise failure
