"""The end of the demo: what callers saw, whether every promise was kept, and what to try next."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import Any

from hack.demo.cluster import DemoFailed
from hack.demo.figures import Figures, failed, figures
from hack.demo.model import NAME, NAMESPACE
from hack.demo.people import LAUNCHED, OPENED, is_newcomer
from hack.demo.story import DAMAGED, FIRST, SECOND, WORSE
from hack.demo.traffic import Answer
from rich.console import Console
from rich.table import Table

NEWCOMERS = "newcomers"


def rows(answers: list[Answer]) -> dict[str, Figures]:
    """Figures by version while the service was for its launch population, after it opened, and of the whole."""
    launched = [answer for answer in answers if answer.part == LAUNCHED]
    opened = [answer for answer in answers if answer.part == OPENED]
    return {
        FIRST: figures([answer for answer in launched if answer.version == FIRST]),
        SECOND: figures([answer for answer in launched if answer.version == SECOND]),
        WORSE: figures([answer for answer in launched if answer.version == WORSE]),
        OPENED: figures(opened),
        NEWCOMERS: figures([answer for answer in opened if is_newcomer(answer.person)]),
        "whole": figures(answers),
    }


def judge(answers: list[Answer]) -> None:
    """Raise DemoFailed unless callers saw what the demo promises."""
    if lost := [answer for answer in answers if failed(answer)]:
        first = lost[0]
        raise DemoFailed(f"{len(lost)} of {len(answers)} requests failed; the first: {first.status} {first.error}")
    if (versions := {answer.version for answer in answers}) != {FIRST, SECOND, WORSE}:
        should = f"{FIRST}, {SECOND} and, for a moment, {WORSE} should have answered"
        raise DemoFailed(f"{should}, and {DAMAGED} never; found {versions}")
    told = rows(answers)
    if told[NEWCOMERS].auc > told[SECOND].auc - 0.05:
        raise DemoFailed(f"the model should be worse on people it never saw: {told[NEWCOMERS]}, {told[SECOND]}")


def summary(
    answers: list[Answer],
    *,
    promoted: dict[str, Any],
    taken_back: dict[str, Any],
    refused: dict[str, str],
    noticed: dict[str, Any],
    requests_per_core: float,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """For machines: counts, figures, both rollouts, the refusal, what the monitor noticed, seconds of each step."""
    told = rows(answers)
    return {
        "versions": sorted({answer.version for answer in answers if answer.version}),
        "sent": told["whole"].sent,
        "failed": told["whole"].failed,
        "rows": {name: asdict(row) for name, row in told.items()},
        "protocols": dict(Counter(answer.protocol for answer in answers)),
        "requests_per_core": requests_per_core,
        "promoted": promoted,
        "taken_back": taken_back,
        "refused": refused,
        "noticed": noticed,
        "seconds": seconds,
    }


def show(console: Console, answers: list[Answer], requests_per_core: float) -> None:
    """The table."""
    told = rows(answers)
    titles = {
        FIRST: f"{FIRST}, {LAUNCHED}",
        SECOND: f"{SECOND}, {LAUNCHED}",
        WORSE: f"{WORSE}, {LAUNCHED}",
        OPENED: f"{SECOND}, {OPENED}",
        NEWCOMERS: "  of them under 30",
    }
    table = Table("version, people", "answers", "accuracy", "AUC", "p50 ms", "p99 ms", "QPS")
    for name, title in titles.items():
        row = told[name]
        worth, speed = (f"{row.accuracy:.3f}", f"{row.auc:.3f}"), (f"{row.p50_ms:.0f}", f"{row.p99_ms:.0f}")
        # These are a part of a stream: a rate of theirs would say nothing.
        rate = "" if name in (NEWCOMERS, WORSE) else f"{row.qps:.0f}"
        table.add_row(title, str(row.sent), *worth, *speed, rate)
    console.print()
    console.print(table)
    by_protocol = ", ".join(f"{name} {count}" for name, count in Counter(a.protocol for a in answers).items())
    console.print(f"requests sent: {told['whole'].sent} ({by_protocol}), failed: {told['whole'].failed}", style="bold")
    # At this rate: each request comes alone, so that none shares a forward with another.
    console.print(f"requests per second and core of the predictors, by the CPU they used: {requests_per_core:.0f}")


def farewell(console: Console, answers: list[Answer], url: str) -> None:
    """What was learned, and how to go on by hand."""
    told = rows(answers)
    example = json.dumps({"features": answers[0].person.features})
    console.print(
        f"\nSince the service opened to all, accuracy went from {told[SECOND].accuracy:.3f} to "
        f"{told[OPENED].accuracy:.3f}, and AUC from {told[SECOND].auc:.3f} to {told[OPENED].auc:.3f}. It was noticed; "
        f"mending it comes next.\n\nIt goes on running (the requests have ended). Ask it yourself:\n\n"
        f"  curl -s {url} -H 'content-type: application/json' -d '{example}'\n\n"
        f'  eval "$(.venv/bin/python -m hack.cluster env)"; PATH="$PWD/.venv/bin:$PATH"\n'
        f"  kubectl mlmodel status {NAME} -n {NAMESPACE}\n"
        f"  kubectl mlmodel drift {NAME} -n {NAMESPACE}\n"
        f"  kubectl -n modelloop-system port-forward service/modelloop-monitor 8090:8080   # its pages\n"
        f"  make demo-down                                 # ends it",
        markup=False,
    )
