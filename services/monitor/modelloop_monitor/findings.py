"""What may be wrong with a model, in words for people: drift that lasted, and silence."""

from __future__ import annotations

from modelloop_core.wire.reports import ColumnReport, Level
from modelloop_core.wire.settings import DriftSettings
from modelloop_monitor.incidents import Finding
from modelloop_monitor.judged import JudgedWindow
from modelloop_monitor.store.models import Known, Model

_MOST_FEATURES = 20
_MOST_NAMED = 5


def drift_finding(model: Model, judged: JudgedWindow | None, settings: DriftSettings) -> Finding | None:
    """The columns that have drifted for long enough, the worst first."""
    drifting = judged.drifting if judged is not None else ()
    if judged is None or not drifting:
        return None
    named = ", ".join(_described(column, settings) for column in drifting[:_MOST_NAMED])
    more = f" and {len(drifting) - _MOST_NAMED} more" if len(drifting) > _MOST_NAMED else ""
    considered = sum(column.role != "ignore" for column in judged.columns)
    return Finding(
        level=Level.DRIFT,
        features=tuple(column.name for column in drifting[:_MOST_FEATURES]),
        version=judged.version,
        what=f"{len(drifting)} of {considered} judged columns drifted and stayed so: {named}{more}",
        since=float(min(found.since for column in drifting if (found := judged.streak(column)))),
        sure=_sureness(judged, drifting, settings),
        action=_advice(model, drifting),
    )


def silence_finding(known: Known, *, now: float, window_seconds: int, stale_windows: float) -> Finding | None:
    """That no predictor has posted for so many windows; a model that never posted has only just begun."""
    if known.last_post is None or now - known.last_post <= stale_windows * window_seconds:
        return None
    minutes = (now - known.last_post) / 60
    return Finding(
        level=Level.NO_DATA,
        features=(),
        version=None,
        what=f"no predictor has posted for more than {minutes:.0f} minutes: nothing is counted and nothing is judged",
        since=known.last_post,
        sure="certain: pods post every few seconds, traffic or not",
        action="see whether pods run and reach the monitor: "
        f"`kubectl mlmodel status {known.model[1]} -n {known.model[0]}`, then their logs and NetworkPolicies",
    )


def _described(column: ColumnReport, settings: DriftSettings) -> str:
    bands = {rule.name: rule.significant for rule in settings.features}
    band = bands.get(column.name) or settings.significant
    number = f"PSI {column.psi:.3g} against {band:g}" if column.psi is not None else column.verdict
    # The note has the PSI once more where that is what changed.
    notes = [part for part in column.note.split("; ") if part and not part.startswith("psi ")]
    return f"{column.name} ({'; '.join([number, *notes])})"


def _sureness(judged: JudgedWindow, drifting: tuple[ColumnReport, ...], settings: DriftSettings) -> str:
    least = max((column.adjusted_pvalue for column in drifting if column.adjusted_pvalue is not None), default=None)
    windows = max(column.consecutive for column in drifting)
    shown = "" if least is None else f", p at most {max(least, 1e-300):.1g} after adjusting for all columns"
    rate = f"at most {settings.false_alarm_rate:.2g} of windows without a change are taken for one"
    return f"{windows} windows in a row, {judged.rows} rows in the last{shown}; {rate}"


def _advice(model: Model, drifting: tuple[ColumnReport, ...]) -> str:
    features = [column.name for column in drifting if column.part == "feature"]
    first = f"look at where {', '.join(features[:_MOST_NAMED])} come from" if features else "look at what is asked"
    return (
        f"{first}; `kubectl mlmodel drift {model[1]} -n {model[0]}` shows the numbers. "
        "If the world has changed, retrain; if the data are broken, mend them; if it is known, silence it for some time"
    )
