"""`modelloop prune`: ends what a registry keeps of predictions, by age."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from modelloop_cli.options import CAFileOption, EndpointOption, OutputOption, RegionOption, RegistryOption
from modelloop_cli.output import Output, print_json, print_lines
from modelloop_core.captures_pruning import prune as prune_files
from modelloop_core.storage.open import open_store

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def _age(text: str) -> timedelta:
    if not re.fullmatch(r"([0-9]{1,5}[mhd])+", text):
        raise typer.BadParameter(f"{text!r} is no age such as 30d, 12h or 1d12h")
    parts = re.findall(r"([0-9]+)([mhd])", text)
    return sum((int(number) * _UNITS[unit] for number, unit in parts), timedelta())


def prune(
    registry: RegistryOption,
    older_than: Annotated[
        timedelta, typer.Option(parser=_age, metavar="AGE", help="Such as 30d; what is younger stays.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    endpoint: EndpointOption = None,
    region: RegionOption = None,
    ca_file: CAFileOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Remove logged predictions and features that are older than an age."""
    store = open_store(registry, endpoint=endpoint, region=region, ca_file=str(ca_file) if ca_file else None)
    done = prune_files(store, datetime.now(UTC) - older_than, dry_run=dry_run)
    if output is Output.JSON:
        print_json({**asdict(done), "dry_run": dry_run})
        return
    verb = "would remove" if dry_run else "removed"
    print_lines(f"{verb} {done.files} file(s), {done.bytes / 2**20:.1f} MiB; {done.kept} stay")
