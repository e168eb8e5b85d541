"""`kubectl mlmodel watch NAME`: a rollout as it goes, live on a terminal, line by line into a pipe."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelloop_cli.cluster.describe import headline, problems, rollout_lines, rows, status_of, utc_now
from modelloop_cli.cluster.verbs import ContextOption, NameArgument, NamespaceOption, connect
from modelloop_cli.options import OutputOption
from modelloop_cli.output import Output, print_lines

if TYPE_CHECKING:
    from modelloop_cli.cluster.connection import Connection

_BAR = 40

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
    bars = [_bar(row.role, row.version, row.weight, row.ready) for row in rows(status, now)]
    told = headline(model, status)
    wrong = [f"! {problem}" for problem in problems(status)]
    return [
        f"{meta['namespace']}/{meta['name']}: {status.phase or 'Unknown'}",
        "",
        *bars,
        *rollout_lines(model, status),
        "",
        told,
        *wrong,
    ]


def _bar(role: str, version: str, weight: str, ready: int) -> str:
    share = int(weight.removesuffix(" %")) if weight.endswith("%") else 0
    filled = -(-share * _BAR // 100)
    return f"{role:<10}{version:<12}{'█' * filled}{'░' * (_BAR - filled)} {weight:>7}  {ready} pods ready"


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
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        _print_frames(looks)
        return
    with Live(console=console, auto_refresh=False) as live:
        for model in looks:
            live.update(Text("\n".join(frame(model, utc_now()))), refresh=True)


def _print_frames(looks: Iterator[dict[str, Any]]) -> None:
    """Into a pipe only what differs from the look before."""
    before: list[str] = []
    for model in looks:
        now = frame(model, utc_now())
        if now != before:
            print_lines(*([""] if before else []), *now)
        before = now


def _print_changes(looks: Iterator[dict[str, Any]]) -> None:
    """One JSON document a line, for each change of status."""
    before = ""
    for model in looks:
        meta = model["metadata"]
        now = json.dumps({"name": meta["name"], "namespace": meta["namespace"], **(model.get("status") or {})})
        if now != before:
            print_lines(now)
        before = now
