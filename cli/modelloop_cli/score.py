"""`modelloop score`: one batch run on this machine."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from modelloop_cli.errors import Refused
from modelloop_cli.monitor_client import MonitorCAOption, NamespaceOption, TokenOption, monitor_url
from modelloop_cli.options import (
    CAFileOption,
    EndpointOption,
    RangeOption,
    RegionOption,
    RegistryOption,
    choose,
)
from modelloop_cli.serve import Device, cache_folder
from modelloop_core.storage.open import open_store
from modelloop_core.storage.port import InvalidKey, ObjectStore
from modelloop_core.wire.batch import DATE_PATTERN


def _place(uri: str) -> str:
    try:
        open_store(uri)
    except InvalidKey as error:
        raise typer.BadParameter(str(error)) from error
    return uri


def _date(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(DATE_PATTERN, text):
        raise typer.BadParameter(f"{text!r} is no date such as 2026-11-28, or with a time 2026-11-28T14-30")
    return text


def score(
    registry: RegistryOption,
    input_uri: Annotated[
        str, typer.Option("--input", "-i", callback=_place, help="Parquet: a file, a folder, or s3://bucket/prefix.")
    ],
    output_uri: Annotated[
        str, typer.Option("--output", "-o", callback=_place, help="Where to write: a folder, or s3://bucket/prefix.")
    ],
    version: RangeOption = None,
    key: Annotated[
        list[str] | None, typer.Option(help="A column to write beside each prediction; may be repeated.")
    ] = None,
    incremental: Annotated[
        str | None,
        typer.Option(help="Score only entities (by the one --key) that are new by this column since the last run."),
    ] = None,
    date: Annotated[
        str | None, typer.Option(callback=_date, help="The run's name, dt=DATE of its folder; today (UTC).")
    ] = None,
    shards: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Files to write; absent means one for a million rows.")
    ] = None,
    max_rejects: Annotated[
        float, typer.Option(min=0, max=1, help="Share of rows that the model may refuse; beyond it the run fails.")
    ] = 0.01,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; absent means all cores.")] = None,
    device: Annotated[Device, typer.Option(help="Where the model computes.")] = Device.CPU,
    monitor: Annotated[
        str | None, typer.Option(callback=monitor_url, help="URL of a monitor that is told what the rows held.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The MLModel for which the monitor keeps it.")] = None,
    namespace: NamespaceOption = "default",
    token: TokenOption = None,
    monitor_ca: MonitorCAOption = None,
    endpoint: EndpointOption = None,
    region: RegionOption = None,
    ca_file: CAFileOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Score a table with a version: what is finished stays so, and the same command goes on where it was stopped."""
    if monitor is not None and name is None:
        raise typer.BadParameter("a monitor tells models by their name", param_hint="--name")
    if monitor is not None and name is None:
        raise typer.BadParameter("a monitor tells models by their name; give --name", param_hint="--name")
    # Late: it loads numpy, pyarrow and a model's runtime, which most commands do not need.
    scoring = _scoring()
    asked = scoring.Asked(
        date=date or f"{datetime.now(UTC):%Y-%m-%d}",
        keys=tuple(key or ()),
        newest=incremental,
        shards=shards,
        max_rejects=max_rejects,
        threads=threads or len(os.sched_getaffinity(0)),
    )
    about = scoring.MonitorAddress(monitor, namespace, name, token, monitor_ca) if monitor and name else None
    places = scoring.Places(registry, input_uri, output_uri, cache_folder(), device.value, about)
    opened = partial(_opened, endpoint, region, ca_file)
    scoring.score(asked, places, opened, wanted=version, choose=choose, json=json)


def _scoring() -> Any:
    try:
        from modelloop_cli import scoring
    except ImportError as error:
        said = f"scoring needs the batch part, and {error.name} is missing"
        raise Refused(said, "pip install 'modelloop[batch]'") from error
    return scoring


def _opened(endpoint: str | None, region: str | None, ca_file: Path | None, uri: str) -> ObjectStore:
    return open_store(uri, endpoint=endpoint, region=region, ca_file=str(ca_file) if ca_file else None)
