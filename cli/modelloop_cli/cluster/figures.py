"""The numbers of a rollout as lines for people: both versions beside each other, and what they differ in."""

from __future__ import annotations

from modelloop_core.api.figures import ComparedFigures, RolloutFigures, VersionFigures
from modelloop_core.api.status import VersionStatus


def figure_lines(figures: RolloutFigures, candidate: str, stable: VersionStatus | None) -> list[str]:
    """A line for each version, one for their answers, and one for each metric that is compared."""
    sides = ((candidate, figures.candidate), (stable.version if stable else "live", figures.stable))
    psi = [] if figures.predictionPSI is None else [f"  answers    PSI {figures.predictionPSI:.3f}"]
    compared = [_compared_line(one) for one in figures.compared]
    experiment = [] if figures.experiment is None else [f"{_compared_line(figures.experiment)}  A/B: {_who(figures)}"]
    return [*(_version_line(*side) for side in sides), *psi, *compared, *experiment]


def _version_line(version: str, figures: VersionFigures) -> str:
    told = [f"{figures.requests:,} requests"]
    if figures.errorRate is not None:
        told.append(f"{100 * figures.errorRate:.3g} % failed")
    if figures.latencyP95 is not None:
        told.append(f"95 % within {figures.latencyP95:.3g} s")
    if figures.slowShare is not None:
        told.append(f"{100 * figures.slowShare:.3g} % too slow")
    return f"  {version:<10} {', '.join(told)}"


def _compared_line(found: ComparedFigures) -> str:
    values = f"{_number(found.candidate)} against {_number(found.stable)}"
    if found.difference is None:
        return f"  {found.metric:<10} {values}"
    ends = f"{_signed(found.low)} to {_signed(found.high)}"
    return f"  {found.metric:<10} {values}, difference {_signed(found.difference)} ({ends})"


def _who(figures: RolloutFigures) -> str:
    winner = figures.experiment.winner if figures.experiment is not None else None
    return "undecided" if winner is None else f"the {'new' if winner == 'candidate' else 'live'} version is better"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _signed(value: float | None) -> str:
    return "?" if value is None else f"{value:+.3g}"
