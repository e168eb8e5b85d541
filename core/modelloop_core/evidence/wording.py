"""What a check says to people: one sentence with the numbers behind its verdict, and what cannot be excluded yet."""

from __future__ import annotations

from typing import assert_never

from modelloop_core.wire.evidence import Check, CheckName, EvidenceQuery, Share, Verdict

COMPARED = frozenset(
    {
        CheckName.ERROR_INCREASE,
        CheckName.REFUSAL_INCREASE,
        CheckName.LATENCY_INCREASE,
        CheckName.PREDICTION_PSI,
    }
)
"""Checks that need requests of the live version, too."""


def too_few(found: int, needed: int, version: str) -> str:
    """Why nothing can be said yet."""
    return f"{found:,} of {needed:,} requests that {version} needs"


def too_few_compared(found: int, query: EvidenceQuery) -> str:
    """Why nothing can be said yet of answers that are compared."""
    needed = f"{found:,} of {query.min_requests:,} answers that can be held against those of {query.against}"
    return (
        needed if found else f"{needed}; both are needed (spec.monitoring.capture.predictions says how many are told)"
    )


def message(check: Check, query: EvidenceQuery, missing: str, *, excused: bool) -> str:
    """One sentence of a check; `excused` is one that would fail, were the live version not as bad."""
    seen, limit = _seen(check, query), number(check.name, check.limit)
    match check.verdict:
        case Verdict.FAILED:
            at_least = "" if check.at_least is None else f": at least {number(check.name, check.at_least)}"
            return f"{seen}, shown to be beyond {limit}{at_least}"
        case Verdict.INCONCLUSIVE:
            return f"{seen} (limit {limit}); {missing or _held(query, excused=excused)}"
        case Verdict.PASSED:
            return f"{seen} (limit {limit}); {_open(check)}"
        case Verdict.ERROR:
            return missing
        case _:
            assert_never(check.verdict)


def number(name: CheckName, value: float) -> str:
    """A check's number in its units."""
    match name:
        case CheckName.ERROR_RATE | CheckName.DISAGREEMENT:
            return percent(value)
        case CheckName.ERROR_INCREASE | CheckName.REFUSAL_INCREASE | CheckName.LATENCY_INCREASE:
            return f"{value:.3g} times"
        case CheckName.LATENCY_P95:
            return f"{value:.3g} s"
        case CheckName.PREDICTION_PSI:
            return f"{value:.3f}"
        case _:
            assert_never(name)


def percent(rate: float) -> str:
    """A share as people read it."""
    return f"{100 * rate:.3g} %"


def _seen(check: Check, query: EvidenceQuery) -> str:
    match check.name:
        case CheckName.ERROR_RATE:
            return f"{_share(check.candidate)} failed"
        case CheckName.ERROR_INCREASE:
            return f"{_share(check.candidate)} got no answer, {_compared(check, query)}"
        case CheckName.REFUSAL_INCREASE:
            return f"{_share(check.candidate)} were refused, {_compared(check, query)}"
        case CheckName.LATENCY_P95:
            return "no answer yet" if check.value is None else f"95 % of answers took {check.value:.3g} s at the most"
        case CheckName.LATENCY_INCREASE:
            if check.value is None:
                return "no answers to compare yet"
            return f"the 95th percentile is {check.value:.3g} times that of {query.against}"
        case CheckName.PREDICTION_PSI:
            return "no answers to compare yet" if check.value is None else f"the answers' PSI is {check.value:.3f}"
        case CheckName.DISAGREEMENT:
            if check.candidate is None or check.candidate.rate is None:
                return "no answers to compare yet"
            share = f"{check.candidate.hits:,.0f} of {check.candidate.of:,} ({percent(check.candidate.rate)})"
            return f"{share} were answered otherwise than {query.against} did"
        case _:
            assert_never(check.name)


def _share(share: Share | None) -> str:
    if share is None or share.rate is None:
        return "no requests"
    return f"{share.hits:,.0f} of {share.of:,} requests ({percent(share.rate)})"


def _compared(check: Check, query: EvidenceQuery) -> str:
    times = "" if check.value is None else f"{check.value:.3g} times the rate of {query.against} at the same time, "
    return f"{times}{_share(check.stable)} of {query.against}"


def _held(query: EvidenceQuery, *, excused: bool) -> str:
    if excused:
        return f"{query.against} does no better, so that the candidate is not to blame, and cannot pass either"
    return "more than the limit in this step, and chance may still explain it"


def _open(check: Check) -> str:
    if check.at_most is None:
        return "nothing larger can be excluded yet"
    return f"up to {number(check.name, check.at_most)} cannot be excluded yet"
