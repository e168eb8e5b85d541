"""`kubectl mlmodel watch NAME`: a rollout as it goes, live on a terminal, line by line into a pipe."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelloop_cli.cluster.describe import Row, headline, problems, rows, status_of, utc_now
from modelloop_cli.cluster.refusals import Unreachable
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


@dataclass(frozen=True)
class Look:
    """The MLModel as it was last read, and why it could not be read since then, if it could not."""

    model: dict[str, Any]
    lost: str = ""


def frame(look: Look, now: datetime) -> list[str]:
    """What a look shows: a bar for each version's share, how far the rollout is, and what is wrong."""
    model = look.model
    status, meta = status_of(model), model["metadata"]
    told = headline(model, status)
    wrong = [f"! {problem}" for problem in problems(status)]
    wrong += [f"! {look.lost}; looking again"] if look.lost else []
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


def _looks(connection: Connection, name: str, seconds: float | None, every: float) -> Iterator[Look]:
    end = time.monotonic() + seconds if seconds is not None else float("inf")
    look = Look(connection.model(name))
    while True:
        yield look
        if time.monotonic() + every > end:
            return
        time.sleep(every)
        look = _again(connection, name, look)


def _again(connection: Connection, name: str, before: Look) -> Look:
    """Another look; an API server that restarts does not end a watch."""
    try:
        return Look(connection.model(name))
    except Unreachable as error:
        return replace(before, lost=str(error))


def _show(looks: Iterator[Look]) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    if not console.is_terminal:
        _print_frames(looks)
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        for look in looks:
            live.update(coloured(frame(look, utc_now())), refresh=True)


def _print_frames(looks: Iterator[Look]) -> None:
    """Into a pipe only what differs from the look before; that time goes on is no difference."""
    before: Look | None = None
    for look in looks:
        if before is None or _said(look) != _said(before):
            print_lines(*([""] if before is not None else []), *frame(look, utc_now()))
        before = look


def _said(look: Look) -> tuple[object, ...]:
    return look.model["metadata"]["generation"], look.model.get("status"), look.lost


def _print_changes(looks: Iterator[Look]) -> None:
    """One JSON document a line, for each change of status."""
    before = ""
    for look in looks:
        meta = look.model["metadata"]
        now = json.dumps({"name": meta["name"], "namespace": meta["namespace"], **(look.model.get("status") or {})})
        if now != before:
            print_lines(now)
        before = now
