"""What `modelloop score` shows of a run: a bar while it goes, and in the end what it wrote."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from modelloop_batch.asked import Asked
from modelloop_batch.assembly import Choose, Places
from modelloop_batch.assembly import score as run_score
from modelloop_batch.monitor import MonitorAddress, Receipt
from modelloop_batch.run import Result, Told
from modelloop_cli.output import print_json, print_lines
from modelloop_core.storage.port import ObjectStore
from modelloop_core.versions import VersionRange
from modelloop_core.wire.batch import REJECTS, Plan, RunManifest

__all__ = ["Asked", "MonitorAddress", "Places", "score"]


def score(
    asked: Asked,
    places: Places,
    open_store: Callable[[str], ObjectStore],
    *,
    wanted: VersionRange | None,
    choose: Choose,
    json: bool,
) -> None:
    """Score, with a bar on a terminal, and print what was written."""
    with _Bar() as bar:
        result, receipt = run_score(asked, places, open_store, wanted=wanted, choose=choose, told=bar)
    if result is None:
        raise AssertionError("unreachable: a run of all shards is whole, or raises")
    if json:
        print_json(_document(result, receipt))
    else:
        print_lines(*_lines(result, receipt))


class _Bar(Told):
    """Rows of the plan on standard error; nothing where that is no terminal."""

    def __init__(self) -> None:
        columns = (BarColumn(), TextColumn("{task.completed:,.0f} of {task.total:,.0f} rows"), TimeRemainingColumn())
        terminal = sys.stderr.isatty()
        self._progress = Progress(*columns, console=Console(stderr=True), disable=not terminal, transient=True)
        self._task: TaskID | None = None

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def planned(self, plan: Plan, finished: int) -> None:
        """Begin where an earlier try stopped."""
        self._task = self._progress.add_task("", total=plan.rows, completed=finished)

    def rows(self, read: int, rejected: int) -> None:
        """So many rows further."""
        if self._task is not None:
            self._progress.advance(self._task, read)


def _document(result: Result, receipt: Receipt | None) -> dict[str, Any]:
    document: dict[str, Any] = {"uri": result.uri, "again": result.again}
    if receipt is not None:
        document["monitor"] = {"shards": receipt.shards, "problem": receipt.problem}
    return {**document, "manifest": result.manifest.model_dump(mode="json")}


def _lines(result: Result, receipt: Receipt | None) -> list[str]:
    manifest = result.manifest
    done = "was whole already:" if result.again else "scored"
    lines = [f"{done} {manifest.scored:,} of {manifest.input_rows:,} rows with {manifest.version} in {result.uri}"]
    lines += _notes(manifest, result.uri)
    if receipt is not None:
        told = f"  monitor: {receipt.shards} of {len(result.records)} shard(s) told"
        again = f"; {receipt.problem}; the same command tells the rest" if receipt.problem else ""
        lines.append(told + again)
    return lines


def _notes(manifest: RunManifest, uri: str) -> list[str]:
    notes = []
    if manifest.unchanged:
        notes.append(f"  unchanged since the last run: {manifest.unchanged:,}")
    if manifest.rejected:
        most = ", ".join(f"{reason} ({count:,})" for reason, count in list(manifest.reasons.items())[:3])
        notes.append(f"  refused: {manifest.rejected:,}, listed in {uri}{REJECTS}: {most}")
    if manifest.not_read:
        notes.append(f"  not read: {', '.join(manifest.not_read[:8])}{', …' if len(manifest.not_read) > 8 else ''}")
    drift = manifest.drift
    notes.append(
        f"  against its reference: {drift.verdict}: {drift.message}"
        if drift
        else f"  drift: not judged, {manifest.drift_note}"
    )
    return notes
