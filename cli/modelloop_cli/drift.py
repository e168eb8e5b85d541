"""`modelloop drift`: the whole battery on two tables, as the monitor would judge one window against a reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelloop_cli.options import OutputOption
from modelloop_cli.output import Output, print_json, print_lines, print_table
from modelloop_core.wire.reports import ColumnReport, Level

if TYPE_CHECKING:
    from modelloop_cli.table_pairs import Pairs
    from modelloop_core.drift.verdicts import Verdict

NUMBERS = (
    "reference_n", "current_n", "reference_null", "current_null", "psi", "kl", "js_distance", "hellinger",
    "l_infinity", "wasserstein", "wasserstein_over_sd", "ks_statistic", "ks_pvalue", "chi2_statistic", "chi2_pvalue",
    "adjusted_pvalue",
)  # fmt: skip
"""What the JSON has of each feature, in this order, by the names of ColumnReport."""

HEADINGS = ("FEATURE", "VERDICT", "PSI", "JS", "KS", "W/SD", "MISSING", "WHY")
IN_WORDS = {
    Level.STABLE: "stable",
    Level.TREND: "trend (certain, but small)",
    Level.MODERATE: "moderate",
    Level.DRIFT: "DRIFT",
    Level.INSUFFICIENT: "too little data",
    Level.NO_DATA: "no data",
}
DRIFTED = 1


def drift(
    reference: Annotated[Path, typer.Option(exists=True, help="Parquet: how it was, for instance at training.")],
    current: Annotated[Path, typer.Option(exists=True, help="Parquet: how it is now.")],
    exact: Annotated[
        bool,
        typer.Option("--exact", help="KS and Wasserstein from raw values, not from counts as in production."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="The same as --output json.")] = False,
    schema: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="YAML with inputs, as for publish; absent means all columns."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Compare two tables, column by column, and say what drifted; exit code 1 when something has."""
    # Late: these load numpy, pyarrow and scipy, which most commands do not need.
    from modelloop_cli.drift_verdict import judge_pairs
    from modelloop_cli.table_pairs import NotComparable, read_pairs

    try:
        pairs = read_pairs(reference, current, schema)
    except NotComparable as error:
        raise typer.BadParameter(str(error)) from error
    verdict = judge_pairs(pairs, exact=exact)
    for name, reason in pairs.left_out.items():
        typer.echo(f"not compared: {name}, {reason}", err=True)
    if json or output is Output.JSON:
        print_json(_document(pairs, verdict))
    else:
        _print(pairs, verdict, exact=exact)
    if verdict.level is Level.DRIFT:
        raise typer.Exit(DRIFTED)


def _document(pairs: Pairs, verdict: Verdict) -> dict[str, Any]:
    found = {report.name: report for report in verdict.columns}
    return {
        "reference_rows": pairs.reference_rows,
        "current_rows": pairs.current_rows,
        "verdict": verdict.level.value,
        "features": {pair.name: _feature(found[pair.name]) for pair in pairs.columns},
    }


def _feature(report: ColumnReport) -> dict[str, Any]:
    return {
        "kind": report.kind,
        **{name: getattr(report, name) for name in NUMBERS},
        "unseen_levels": list(report.unseen_levels),
        "verdict": report.verdict.value,
    }


def _print(pairs: Pairs, verdict: Verdict, *, exact: bool) -> None:
    source = "KS and W/SD (Wasserstein in standard deviations): " + ("of raw values" if exact else "from counts")
    print_table(HEADINGS, (_row(report) for report in verdict.columns))
    print_lines(
        "",
        f"{verdict.level.value}: {verdict.message}",
        f"{pairs.current_rows:,} rows against {pairs.reference_rows:,}. {source}",
    )


def _row(report: ColumnReport) -> Sequence[str]:
    numbers = (report.psi, report.js_distance, report.ks_statistic, report.wasserstein_over_sd)
    return (report.name, IN_WORDS[report.verdict], *_texts(numbers), _missing(report), report.note)


def _texts(numbers: Iterable[float | None]) -> list[str]:
    return ["–" if number is None else f"{number:.3f}" if number < 1000 else f"{number:.3g}" for number in numbers]


def _missing(report: ColumnReport) -> str:
    shares = [
        null / (null + n) if null + n else 0.0
        for null, n in ((report.reference_null, report.reference_n), (report.current_null, report.current_n))
    ]
    return f"{shares[0]:.1%} → {shares[1]:.1%}" if any(shares) else "–"
