"""`kubectl mlmodel watch NAME`: a rollout as it goes, live on a terminal, line by line into a pipe."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelloop_cli.cluster.describe import Row, headline, problems, rows, status_of, utc_now
from modelloop_cli.cluster.rollout import rollout_lines
from modelloop_cli.cluster.verbs import ContextOption, NameArgument, NamespaceOption, connect
from modelloop_cli.options import OutputOption
from modelloop_cli.output import Output, print_lines

if TYPE_CHECKING:
    from rich.text import Text

    from modelloop_cli.cluster.connection import Connection

_BAR = 30
_FULL, _EMPTY = "█", "░"
_ROLES = {"live": "green", "candidate": "cyan", "leaving": "bright_black"}
_VERDICTS = {"Passed": "green", "Failed": "bold red", "Inconclusive": "yellow", "Error": "bold red"}

ForOption = Annotated[
    float | None, typer.Option("--for", min=0, help="Seconds to watch; absent means until it is interrupted.")
]
EveryOption = Annotated[float, typer.Option("--every", min=0.2, max=60, help="Seconds between two looks.")]


def watch(
    name: NameArgument,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    seconds: ForOption = None,
    every: EveryOption = 1.0,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show a rollout as it goes: shares, evidence, what it waits for and until when."""
    found = _looks(connect(context, namespace), name, seconds, every)
    with suppress(KeyboardInterrupt):
        if output is Output.JSON:
            _print_changes(found)
        else:
            _show(found)


def frame(model: dict[str, Any], now: datetime) -> list[str]:
    """What a look shows: a bar for each version's share, how far the rollout is, and what is wrong."""
    status, meta = status_of(model), model["metadata"]
    told = headline(model, status)
    wrong = [f"! {problem}" for problem in problems(status)]
    return [
        f"{meta['namespace']}/{meta['name']}: {status.phase or 'Unknown'}",
        "",
        *_bars(rows(status, now)),
        *rollout_lines(model, status, now),
        "",
        told,
        *wrong,
    ]


def coloured(lines: Sequence[str]) -> Text:
    """A frame as a terminal shows it; every colour says again what a word says."""
    from rich.text import Text

    text = Text("\n".join(lines))
    head = len(lines[0]) if lines else 0
    text.stylize("bold", 0, head)
    for role, style in _ROLES.items():
        text.highlight_regex(rf"(?m)^{role} +\S+ +{_FULL}*", style)
    for verdict, style in _VERDICTS.items():
        text.highlight_regex(rf"(?m)^verdict: {verdict}", style)
    text.highlight_regex(r"(?m)^waits for: \S+", "bold")
    text.highlight_regex(r"(?m)^! .*$", "red")
    return text


def _bars(found: Sequence[Row]) -> list[str]:
    wide = max((len(row.version) for row in found), default=0)
    return [_bar(row, wide) for row in found]


def _bar(row: Row, wide: int) -> str:
    share = int(row.weight.removesuffix(" %")) if row.weight.endswith("%") else 0
    filled = -(-share * _BAR // 100)
    bar = f"{_FULL * filled}{_EMPTY * (_BAR - filled)}"
    return f"{row.role:<10} {row.version:<{wide}} {bar} {row.weight:>7}  {row.ready} ready"


def _looks(connection: Connection, name: str, seconds: float | None, every: float) -> Iterator[dict[str, Any]]:
    end = time.monotonic() + seconds if seconds is not None else float("inf")
    while True:
        yield connection.model(name)
        if time.monotonic() + every > end:
            return
        time.sleep(every)


def _show(looks: Iterator[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    if not console.is_terminal:
        _print_frames(looks)
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        for model in looks:
            live.update(coloured(frame(model, utc_now())), refresh=True)


def _print_frames(looks: Iterator[dict[str, Any]]) -> None:
    """Into a pipe only what differs from the look before; that time goes on is no difference."""
    before: dict[str, Any] | None = None
    for model in looks:
        seen = {"generation": model["metadata"]["generation"], "status": model.get("status")}
        if seen != before:
            print_lines(*([""] if before is not None else []), *frame(model, utc_now()))
        before = seen


def _print_changes(looks: Iterator[dict[str, Any]]) -> None:
    """One JSON document a line, for each change of status."""
    before = ""
    for model in looks:
        meta = model["metadata"]
        now = json.dumps({"name": meta["name"], "namespace": meta["namespace"], **(model.get("status") or {})})
        if now != before:
            print_lines(now)
        before = now
