"""`modelloop versions`, `card` and `history`: what a registry holds and what happened to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from modelloop_cli.options import (
    CAFileOption,
    EndpointOption,
    OutputOption,
    RangeOption,
    RegionOption,
    RegistryOption,
    choose,
    open_registry,
)
from modelloop_cli.output import Output, print_json, print_lines, print_table
from modelloop_core.card import CARD_NAME, ModelCard
from modelloop_core.history import HistoryEvent, VersionState, deployments, states
from modelloop_core.registry import Registry
from modelloop_core.registry_errors import CorruptManifest
from modelloop_core.versions import Version


def versions(
    registry: RegistryOption,
    endpoint: EndpointOption = None,
    region: RegionOption = None,
    ca_file: CAFileOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the versions of a registry, newest first."""
    opened = open_registry(registry, endpoint, region, ca_file)
    events = opened.history()
    known = states(events)
    rows = [_row(opened, version, events, known.get(version)) for version in reversed(opened.versions())]
    if output is Output.JSON:
        print_json({"versions": rows})
    elif not rows:
        print_lines(f"{registry} holds no version yet")
    else:
        headings = ("VERSION", "STATE", "CREATED", "TASK", "FORMAT", "LIVE IN", "METRICS")
        print_table(headings, [_cells(row) for row in rows])


def card(
    registry: RegistryOption,
    version: RangeOption = None,
    endpoint: EndpointOption = None,
    region: RegionOption = None,
    ca_file: CAFileOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show the model card of a version, with where it is deployed."""
    import yaml

    opened = open_registry(registry, endpoint, region, ca_file)
    found = ModelCard.from_yaml(opened.read(choose(opened, version), CARD_NAME))
    shown = found.shown(opened.history())
    if output is Output.JSON:
        print_json(shown)
    else:
        print_lines(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=100).rstrip())


def history(
    registry: RegistryOption,
    version: RangeOption = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of the latest events.")] = 50,
    endpoint: EndpointOption = None,
    region: RegionOption = None,
    ca_file: CAFileOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show what happened to the versions, latest first."""
    events = [
        event
        for event in reversed(open_registry(registry, endpoint, region, ca_file).history())
        if version is None or Version.parse(event.version) in version
    ][:limit]
    if output is Output.JSON:
        print_json({"events": [event.model_dump(mode="json") for event in events]})
    elif not events:
        print_lines(f"{registry} has no such history")
    else:
        print_table(("TIME", "EVENT", "VERSION", "MODEL", "REASON"), [_told(event) for event in events])


def _row(
    registry: Registry, version: Version, events: Sequence[HistoryEvent], state: VersionState | None
) -> dict[str, Any]:
    row: dict[str, Any] = {"version": str(version), "state": (state or VersionState.CANDIDATE).value}
    row["deployed_to"] = [str(identity) for identity, _ in deployments(events, version)]
    try:
        manifest = registry.manifest(version)
    except CorruptManifest as error:
        # One damaged version must not hide the others.
        return {**row, "state": "damaged", "fault": str(error)}
    return {
        **row,
        "created": manifest.created.astimezone(UTC).isoformat(),
        "task": manifest.signature.task.value,
        "format": manifest.format.value,
        "metrics": manifest.metrics,
        "parent": manifest.lineage.parent,
        "causes": list(manifest.lineage.causes),
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if "fault" in row:
        return row["version"], row["state"], "", "", "", ", ".join(row["deployed_to"]), row["fault"]
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in row["metrics"].items())
    created = _moment(datetime.fromisoformat(row["created"]))
    live = ", ".join(row["deployed_to"])
    return row["version"], row["state"], created, row["task"], row["format"], live, metrics


def _told(event: HistoryEvent) -> tuple[str, ...]:
    return _moment(event.time), event.event.value, event.version, str(event.identity), event.reason


def _moment(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
