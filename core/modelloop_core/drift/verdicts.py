"""What a window says: of each column enough data? resolved? large? and of the model the worst of them.

Whether it lasted is for `persistence`. The level of the model's verdict is `false_alarm_rate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from modelloop_core.drift.findings import Finding, findings_of
from modelloop_core.drift.profile import ColumnProfile, Profile
from modelloop_core.drift.reference import ColumnReference, Reference
from modelloop_core.drift.significance import benjamini_hochberg
from modelloop_core.drift.statistics import Statistics, compare_all
from modelloop_core.drift.wording import message_of, note_of
from modelloop_core.wire.reports import ColumnReport, Level
from modelloop_core.wire.settings import DriftSettings, FeatureSettings

Part = Literal["feature", "output"]
Kind = Literal["numeric", "categorical"]
Judged = tuple[Finding, float]
"""What may have changed, with its p-value adjusted for all that is judged together."""

WORSE = (Level.NO_DATA, Level.STABLE, Level.TREND, Level.INSUFFICIENT, Level.MODERATE, Level.DRIFT)
"""Of a column's findings the one furthest right is its verdict: what is missing may yet be worse than a trend."""


@dataclass(frozen=True)
class Column:
    """A feature or output with its numbers; `unseen` are levels that the reference does not have, by frequency."""

    name: str
    part: Part
    kind: Kind
    statistics: Statistics
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """Of a model in one window: the worst level of its judged columns, and each column's report, worst first."""

    level: Level
    columns: tuple[ColumnReport, ...]
    message: str


def judge(
    reference: Reference,
    current: Profile,
    settings: DriftSettings,
    *,
    design_effect: float = 1.0,
    unseen: Mapping[str, Sequence[str]] | None = None,
) -> Verdict:
    """Judge what was counted in one window in the bins of `reference`; raises EdgesDiffer for other bins.

    `design_effect` is that of the window (see `design_effect`), `unseen` names levels by feature, most frequent first.
    """
    named = unseen or {}
    outputs = _columns("output", reference.outputs, current.outputs, design_effect, named)
    features = _columns("feature", reference.features, current.features, design_effect, named)
    return judge_columns([*outputs, *features], settings)


def judge_columns(columns: Sequence[Column], settings: DriftSettings) -> Verdict:
    """Judge columns whose numbers are known, as one family."""
    rules = {rule.name: rule for rule in settings.features}
    ruled = [(column, rules.get(column.name) or FeatureSettings(name=column.name)) for column in columns]
    findings = [findings_of(column.statistics, rule, settings) for column, rule in ruled]
    adjusted = _adjusted(findings, [rule.role != "ignore" for _, rule in ruled])
    reports = [
        _report(column, rule, judged, settings.false_alarm_rate)
        for (column, rule), judged in zip(ruled, adjusted, strict=True)
    ]
    # Of equally bad ones the key features first: others often have moved because these have.
    reports.sort(key=lambda report: (-WORSE.index(report.verdict), report.role != "key", -(report.severity or 0.0)))
    level = _level_of([report.verdict for report in reports if report.role != "ignore"])
    return Verdict(level, tuple(reports), message_of(level, reports))


def _columns(
    part: Part,
    references: Mapping[str, ColumnReference],
    current: Mapping[str, ColumnProfile],
    design_effect: float,
    unseen: Mapping[str, Sequence[str]],
) -> list[Column]:
    return [
        Column(name, part, references[name].bins.kind, statistics, tuple(unseen.get(name, ())))
        for name, statistics in compare_all(references, current, design_effect).items()
    ]


def _adjusted(findings: Sequence[Sequence[Finding]], in_family: Sequence[bool]) -> list[list[Judged]]:
    """Each finding with its adjusted p-value; what is ignored, or has too little data, is no part of the family."""
    family = iter(
        benjamini_hochberg(
            [
                one.pvalue
                for column, member in zip(findings, in_family, strict=True)
                if member
                for one in column
                if one.enough
            ]
        )
    )
    return [
        [(one, next(family) if member and one.enough else one.pvalue) for one in column]
        for column, member in zip(findings, in_family, strict=True)
    ]


def _report(column: Column, rule: FeatureSettings, judged: Sequence[Judged], false_alarm_rate: float) -> ColumnReport:
    levels = [finding.level(adjusted, false_alarm_rate) for finding, adjusted in judged]
    verdict = max(levels, key=WORSE.index, default=Level.NO_DATA)
    found = column.statistics
    return ColumnReport(
        name=column.name,
        part=column.part,
        kind=column.kind,
        role=rule.role,
        verdict=verdict,
        reference_n=found.reference_n,
        current_n=found.current_n,
        reference_null=found.reference.null,
        current_null=found.current.null,
        **_numbers(found),
        adjusted_pvalue=min(
            (p for (_, p), level in zip(judged, levels, strict=True) if level is verdict), default=None
        ),
        severity=max((one.severity for one, _ in judged if one.enough), default=None),
        unseen_levels=column.unseen,
        note=note_of(column.statistics, column.unseen, [one for one, _ in judged], levels),
    )


def _numbers(found: Statistics) -> dict[str, Any]:
    """The distances and tests by the names of ColumnReport, which takes no notice of the others."""
    return {} if found.distances is None else {**vars(found.distances), **(vars(found.shape) if found.shape else {})}


def _level_of(levels: Sequence[Level]) -> Level:
    """The worst of what could be judged; only where nothing could, what was missing."""
    judged = [level for level in levels if level not in (Level.INSUFFICIENT, Level.NO_DATA)]
    return max(judged or levels, key=WORSE.index, default=Level.NO_DATA)
