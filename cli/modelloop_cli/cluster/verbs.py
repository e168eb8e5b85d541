"""`kubectl mlmodel status|refresh|doctor NAME`."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelloop_cli.cluster.describe import (
    age,
    drift_line,
    headline,
    problems,
    rows,
    status_of,
    utc_now,
)
from modelloop_cli.cluster.rollout import rollout_lines
from modelloop_cli.options import OutputOption
from modelloop_cli.output import Output, print_json, print_lines, print_table

if TYPE_CHECKING:
    from modelloop_cli.cluster.connection import Connection


def _object_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", text):
        raise typer.BadParameter(f"{text!r} is no name that Kubernetes gives an object")
    return text


def _namespace_name(text: str | None) -> str | None:
    if text and not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", text):
        raise typer.BadParameter(f"{text!r} is no name that Kubernetes gives a namespace")
    return text


NameArgument = Annotated[str, typer.Argument(callback=_object_name, help="Name of the MLModel.")]
NamespaceOption = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        callback=_namespace_name,
        help="Its namespace; absent means that of the kubeconfig's context.",
    ),
]
ContextOption = Annotated[str | None, typer.Option(help="Context of the kubeconfig; absent means the current one.")]
TimeoutOption = Annotated[
    float, typer.Option(min=0.1, max=3600, help="Seconds to wait for the operator's answer, and for those before it.")
]
_VERDICTS = {True: "ok", False: "PROBLEM", None: "?"}


def status(
    name: NameArgument,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """What is live, what is being tried, and why it waits."""
    model = connect(context, namespace).model(name)
    if output is Output.JSON:
        print_json({"name": name, "namespace": model["metadata"]["namespace"], **(model.get("status") or {})})
    else:
        _print_status(model)


def refresh(
    name: NameArgument,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    timeout: TimeoutOption = 60,
    output: OutputOption = Output.TEXT,
) -> None:
    """Have the operator read the registry now instead of at its next poll."""
    ask_operator("refresh", name, connect(context, namespace), output, timeout)


def doctor(
    name: NameArgument,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Look at everything that can keep an MLModel from serving, and say what to do."""
    from modelloop_cli.cluster.doctor import examine

    findings = examine(connect(context, namespace), name, utc_now())
    if output is Output.JSON:
        print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        print_table(
            ("CHECK", "", "FOUND", "DO"),
            [(found.check, _VERDICTS[found.well], found.found, found.advice) for found in findings],
        )
    if any(found.well is False for found in findings):
        raise typer.Exit(1)


def connect(context: str | None, namespace: str | None) -> Connection:
    """The cluster that the options name."""
    from modelloop_cli.cluster.connection import Connection

    return Connection.open(context, namespace)


def _print_status(model: dict[str, Any]) -> None:
    found, now = status_of(model), utc_now()
    meta = model["metadata"]
    said = headline(model, found)
    print_lines(f"{meta['namespace']}/{meta['name']}: {found.phase or 'Unknown'}", said, "")
    if found.url:
        print_lines(f"url: {found.url}", "")
    if found.drift:
        print_lines(f"drift: {drift_line(found.drift, now)}", "")
    table = [(row.role, row.version, str(row.ready), row.weight, row.since) for row in rows(found, now)]
    if table:
        print_table(("ROLE", "VERSION", "READY PODS", "TRAFFIC", "SINCE"), table)
    print_lines(*rollout_lines(model, found, now))
    for problem in problems(found):
        if problem.partition(": ")[2].partition(": ")[2] not in said and "VersionFailed" not in problem:
            print_lines(f"! {problem}")
    for failed in (failed for failed in found.failedVersions if failed.message not in said):
        print_lines(f"refused: {failed.version} {age(failed.at, now)} ago: {failed.reason}: {failed.message}")
    if found.history:
        print_lines("", "history, newest first:")
        entries = reversed(found.history)
        print_table(
            ("VERSION", "FROM", "UNTIL", "WHY"),
            [(entry.version, entry.from_, entry.until or "live", entry.reason) for entry in entries],
        )


def ask_operator(verb: str, name: str, connection: Connection, output: Output, seconds: float) -> None:
    """Ask the operator and show its answer; exit code 1 when it refuses."""
    from modelloop_cli.cluster.requests import ask

    handled = ask(connection, name, verb, seconds)
    if output is Output.JSON:
        print_json(handled.model_dump())
    else:
        print_lines(f"{handled.outcome.lower()}: {handled.message}")
    raise typer.Exit(0 if handled.outcome == "Done" else 1)
