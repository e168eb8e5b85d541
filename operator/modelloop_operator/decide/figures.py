"""The few numbers of an evidence that status shows, rounded, so that noise in the last digits writes nothing."""

from __future__ import annotations

from modelloop_core.api.figures import ComparedFigures, RolloutFigures, VersionFigures
from modelloop_core.wire.evidence import (
    Check,
    CheckName,
    Comparison,
    Experiment,
    RolloutEvidence,
    Share,
    VersionTraffic,
)

_DIGITS, _NOTE = 4, 256


def figures_of(evidence: RolloutEvidence) -> RolloutFigures:
    """Both versions as status shows them."""
    checks = {check.name: check for check in evidence.checks}
    slow, psi = checks.get(CheckName.LATENCY_P95), checks.get(CheckName.PREDICTION_PSI)
    experiment = evidence.experiment
    return RolloutFigures(
        candidate=_version(evidence.candidate, _share(slow, ours=True)),
        stable=_version(evidence.stable, _share(slow, ours=False)),
        predictionPSI=None if psi is None else _rounded(psi.value),
        compared=[_compared(comparison) for comparison in evidence.comparisons],
        experiment=None if experiment is None else _compared(experiment),
    )


def _version(traffic: VersionTraffic, slow: Share | None) -> VersionFigures:
    asked = traffic.requests - traffic.refused
    failed = min(traffic.errors + traffic.fallbacks, asked)
    return VersionFigures(
        requests=traffic.requests,
        errorRate=_rounded(failed / asked) if asked > 0 else None,
        latencyP95=_rounded(traffic.latency_p95),
        slowShare=None if slow is None else _rounded(slow.rate),
    )


def _compared(found: Comparison) -> ComparedFigures:
    return ComparedFigures(
        metric=found.metric,
        candidate=_rounded(found.candidate.value.value),
        stable=_rounded(found.stable.value.value),
        difference=_rounded(found.difference),
        low=_rounded(found.low),
        high=_rounded(found.high),
        winner=found.winner if isinstance(found, Experiment) else None,
        note=found.note[:_NOTE] if found.note and found.difference is None else None,
    )


def _share(check: Check | None, *, ours: bool) -> Share | None:
    if check is None:
        return None
    return check.candidate if ours else check.stable


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")
