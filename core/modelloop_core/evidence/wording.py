"""What a check says to people: one sentence with the numbers behind its verdict, and what cannot be excluded yet."""

from __future__ import annotations

from typing import assert_never

from modelloop_core.wire.evidence import Check, CheckName, EvidenceQuery, Experiment, Share, Verdict

COMPARED = frozenset(
    {
        CheckName.ERROR_INCREASE,
        CheckName.REFUSAL_INCREASE,
        CheckName.LATENCY_INCREASE,
        CheckName.PREDICTION_PSI,
    }
)
"""Checks that need requests of the live version, too."""

WHOLE_ROLLOUT = frozenset({CheckName.QUALITY_DROP, CheckName.BUSINESS_DROP})
"""Checks of what comes late: they count from the first share of traffic on, not from the step."""


def too_few(found: int, needed: int, version: str, what: str = "requests") -> str:
    """Why nothing can be said yet."""
    return f"{found:,} of {needed:,} {what} that {version} needs"


def labelled(delay_seconds: float) -> str:
    """What is counted of quality."""
    return f"labelled predictions (labels come within {duration(delay_seconds)})" if delay_seconds else "labels"


def old_enough(delay_seconds: float) -> str:
    """What is counted of business events."""
    return f"requests older than {duration(delay_seconds)}"


def duration(seconds: float) -> str:
    """A time in the largest unit that it is whole in."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


NO_REFERENCE = (
    "{version} was published without a reference (reference.json), so its answers are not counted: publish it with "
    "`--reference`, or say spec.rollout.analysis.onNoReference: Skip to go without this check"
)


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
            return f"{seen} (limit {limit}); {missing or _held(check.name, query, excused=excused)}"
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
        case CheckName.QUALITY_DROP:
            return f"{value:.3g}"
        case CheckName.BUSINESS_DROP:
            return f"{percent(value)} less"
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
        case CheckName.QUALITY_DROP:
            return _difference(check, f"{check.subject} is", f"than that of {query.against} over the same hours")
        case CheckName.BUSINESS_DROP:
            return _lacking(check, query)
        case _:
            assert_never(check.name)


def experiment(found: Experiment, query: EvidenceQuery) -> str:
    """How an A/B test stands, in one sentence."""
    values = [
        f"{version} {side.value.value:.4g} of {side.of:,}" if side.value.value is not None else f"{version} none yet"
        for version, side in ((query.version, found.candidate), (query.against, found.stable))
    ]
    sides = f"{found.metric}: {', '.join(values)}"
    if found.difference is None:
        return f"{sides}; nothing to compare yet"
    ends = (f"{end:+.3g}" if end is not None else "?" for end in (found.low, found.high))
    span = f"{found.difference:+.3g} ({' to '.join(ends)} at {percent(found.confidence)}, whenever one looks)"
    return f"{sides}; difference {span}: {_who(found, query)}"


def _who(found: Experiment, query: EvidenceQuery) -> str:
    if found.winner is None:
        return "neither is shown to be better yet"
    return f"{query.version if found.winner == 'candidate' else query.against} is better"


def _difference(check: Check, what: str, beside: str) -> str:
    if check.value is None:
        return f"{check.subject} cannot be compared yet"
    way = "worse" if check.value >= 0 else "better"
    return f"{what} {abs(check.value):.3g} {way} {beside}"


def _lacking(check: Check, query: EvidenceQuery) -> str:
    if check.value is None:
        return f"{check.subject} cannot be compared yet"
    way = "less" if check.value >= 0 else "more"
    return f"{check.subject} is {percent(abs(check.value))} {way} than that of {query.against} over the same hours"


def _share(share: Share | None) -> str:
    if share is None or share.rate is None:
        return "no requests"
    return f"{share.hits:,.0f} of {share.of:,} requests ({percent(share.rate)})"


def _compared(check: Check, query: EvidenceQuery) -> str:
    times = "" if check.value is None else f"{check.value:.3g} times the rate of {query.against} at the same time, "
    return f"{times}{_share(check.stable)} of {query.against}"


def _held(name: CheckName, query: EvidenceQuery, *, excused: bool) -> str:
    if excused:
        return f"{query.against} does no better, so that the candidate is not to blame, and cannot pass either"
    if name in WHOLE_ROLLOUT:
        return "more than the limit, and chance may still explain it"
    return "more than the limit in this step, and chance may still explain it"


def _open(check: Check) -> str:
    if check.at_most is None:
        return "nothing larger can be excluded yet"
    return f"up to {number(check.name, check.at_most)} cannot be excluded yet"
