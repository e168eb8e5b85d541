"""The verdict of a rollout: its checks together, and what no check can say because a source is silent."""

from __future__ import annotations

from dataclasses import dataclass

from modelloop_core.evidence import growth
from modelloop_core.evidence.checks import SLOW_SHARE, all_checks
from modelloop_core.evidence.latencies import slower_than
from modelloop_core.evidence.observed import Observed, moment
from modelloop_core.wire.evidence import Check, EvidenceQuery, Verdict

LEAST_SILENCE = 60.0
_SILENT_INTERVALS = 2


@dataclass(frozen=True)
class Judgement:
    """The verdict with its reason, and the checks behind it."""

    verdict: Verdict
    message: str
    checks: tuple[Check, ...]
    stable_failing: bool


def judge(query: EvidenceQuery, observed: Observed) -> Judgement:
    """Judge a candidate by all limits of the query; it never fails for what was not counted."""
    silence = silent_source(query, observed)
    checks = tuple(_silenced(check, silence) for check in all_checks(query, observed))
    failing = stable_failing(query, observed)
    for verdict in Verdict:
        some = [check for check in checks if check.verdict is verdict]
        if some:
            said = silence if verdict is Verdict.ERROR else "; ".join(f"{one.name}: {one.message}" for one in some)
            return Judgement(verdict, _with_stable(said, failing, query), checks, bool(failing))
    return Judgement(Verdict.INCONCLUSIVE, "no limit was asked for, so nothing is judged", (), bool(failing))


def silent_source(query: EvidenceQuery, observed: Observed) -> str:
    """Which version's predictors have told nothing of late; they do every few seconds, with traffic or without."""
    patience = max(LEAST_SILENCE, _SILENT_INTERVALS * observed.width)
    sources = [(query.version, observed.heard)]
    if query.compares:
        sources.append((query.against, observed.stable_heard))
    for version, heard in sources:
        last = max(observed.since, heard or 0.0)
        if observed.until - last >= patience:
            since = "since the rollout began" if heard is None else f"since {moment(heard):%H:%M:%S} UTC"
            return f"the predictors of {version} have told the monitor nothing {since}"
    return ""


def stable_failing(query: EvidenceQuery, observed: Observed) -> str:
    """How the live version breaks a limit by itself, if that is shown."""
    needed, stable = 1 / query.false_rollback_rate, observed.stable
    if query.max_error_rate is not None and stable.asked.sum():
        shown = growth.rate_at_least(float(stable.failed.sum()), float(stable.asked.sum()), needed)
        if shown is not None and shown > query.max_error_rate:
            return f"at least {100 * shown:.3g} % of its requests fail"
    if query.max_latency_p95_seconds is not None:
        pair, bound = slower_than(observed.candidate.latency, stable.latency, query.max_latency_p95_seconds)
        shown = growth.rate_at_least(pair.theirs.hits, float(pair.theirs.of), needed)
        if shown is not None and shown > SLOW_SHARE:
            return f"its 95th percentile is above {bound:g} s"
    return ""


def _silenced(check: Check, silence: str) -> Check:
    if not silence or check.verdict is Verdict.FAILED:
        return check
    return check.model_copy(update={"verdict": Verdict.ERROR, "message": silence})


def _with_stable(said: str, failing: str, query: EvidenceQuery) -> str:
    return f"{said}; the live version {query.against} fails by itself: {failing}" if failing else said
