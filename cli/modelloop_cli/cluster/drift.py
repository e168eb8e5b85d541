"""`kubectl mlmodel drift NAME`: what the monitor last found, the worst first."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from modelloop_cli.cluster.verbs import ContextOption, NameArgument, NamespaceOption, connect
from modelloop_cli.options import OutputOption
from modelloop_cli.output import Output, print_json, print_lines, print_table
from modelloop_core.wire.reports import ColumnReport, DriftReport, Level

_WORST_FIRST = (Level.DRIFT, Level.MODERATE, Level.TREND, Level.STABLE, Level.INSUFFICIENT, Level.NO_DATA)
_HEADINGS = ("NAME", "VERDICT", "WINDOWS", "PSI", "JS", "KS", "P", "ROWS", "NULL", "NOTE")


def _web_address(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"https?://[^\s@]+", text):
        raise typer.BadParameter(f"{text!r} does not begin with http:// or https://")
    return text


MonitorOption = Annotated[
    str | None,
    typer.Option(
        "--monitor",
        envvar="MODELLOOP_MONITOR_URL",
        callback=_web_address,
        help="Address of the monitor; absent means that it is looked for in the cluster.",
    ),
]


def drift(
    name: NameArgument,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    monitor: MonitorOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """What the monitor last found of each feature and output; exit code 1 when the model has drifted."""
    from modelloop_cli.cluster.monitor import drift_report

    connection = connect(context, namespace)
    connection.model(name)
    report = drift_report(connection, name, monitor)
    if output is Output.JSON:
        print_json(report.model_dump(mode="json"))
    else:
        _print(report)
    if has_drifted(report):
        raise typer.Exit(1)


def has_drifted(report: DriftReport) -> bool:
    """Whether an incident of drift is open: a single window that shows it may be chance."""
    incident = report.incident
    return incident is not None and incident.closed is None and incident.level is Level.DRIFT


def _print(report: DriftReport) -> None:
    print_lines(f"{report.namespace}/{report.name}: {_headline(report)}", *([report.message] if report.message else []))
    incident = report.incident
    if incident is not None and incident.closed is None:
        print_lines(
            f"open since {incident.opened:%Y-%m-%d %H:%M} UTC ({incident.level}): {', '.join(incident.features)}",
            *([incident.message] if incident.message else []),
        )
    if report.columns:
        print_lines("")
        print_table(_HEADINGS, [_row(column) for column in sorted(report.columns, key=_rank)])


def _headline(report: DriftReport) -> str:
    if report.window is None:
        return f"{report.verdict}, no window has been judged yet"
    window = f"{report.window.since:%Y-%m-%d %H:%M} to {report.window.until:%H:%M} UTC"
    return f"{report.verdict} in the window {window} ({report.rows:,} rows of {report.version})"


def _rank(column: ColumnReport) -> tuple[bool, int, float, str]:
    return column.role == "ignore", _WORST_FIRST.index(column.verdict), -(column.psi or 0.0), column.name


def _row(column: ColumnReport) -> tuple[str, ...]:
    unseen = f"unseen: {', '.join(column.unseen_levels[:5])}" if column.unseen_levels else ""
    ignored = "ignored" if column.role == "ignore" else ""
    output = "output" if column.part == "output" else ""
    note = "; ".join(part for part in (output, ignored, column.note, unseen) if part)
    share = f"{column.current_null / column.current_n:.1%}" if column.current_n else "-"
    figures = (column.psi, column.js_distance, column.ks_statistic, column.adjusted_pvalue)
    written = ("-" if figure is None else f"{figure:.3g}" for figure in figures)
    return (column.name, column.verdict, str(column.consecutive), *written, f"{column.current_n:,}", share, note)
