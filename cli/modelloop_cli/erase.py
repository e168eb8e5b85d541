"""`modelloop erase`: ends what is kept of predictions about one entity, in the registry and by the monitor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import typer

from modelloop_cli.errors import REFUSED, describe
from modelloop_cli.monitor_client import MonitorCAOption, MonitorClient, NamespaceOption, TokenOption, monitor_url
from modelloop_cli.options import CAFileOption, EndpointOption, OutputOption, RegionOption, RegistryOption
from modelloop_cli.output import Output, print_json, print_lines
from modelloop_core.captures_erasing import erase as erase_rows
from modelloop_core.storage.open import open_store
from modelloop_core.wire.erasure import Erasure, ErasurePost, erasures_path

_SECONDS = 600.0
_SPOOLED = "predictors may still hold rows of the last minutes: run it again in ten"
_NOT_ASKED = (
    "the monitor was not asked, which keeps predictions, labels and events of its own: --monitor URL --name NAME"
)


@dataclass
class _Done:
    """What became of each place: what was erased there, or why it could not be reached."""

    erased: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, tuple[str, str]] = field(default_factory=dict)

    def attempt(self, place: str, act: Callable[[], dict[str, Any]]) -> None:
        """Erase in one place; a failure is kept, so that the others are erased all the same."""
        try:
            self.erased[place] = act()
        except Exception as error:  # noqa: BLE001 what it is, the end says; the other place must not wait for it
            self.failed[place] = describe(error)


def erase(
    registry: RegistryOption,
    entity: Annotated[str, typer.Option(help="Whom the predictions are about, as requests named it.")],
    monitor: Annotated[
        str | None, typer.Option(envvar="MODELLOOP_MONITOR_URL", callback=monitor_url, help="The monitor's address.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The MLModel's name, by which the monitor knows it.")] = None,
    namespace: NamespaceOption = "default",
    token: TokenOption = None,
    monitor_ca_file: MonitorCAOption = None,
    endpoint: EndpointOption = None,
    region: RegionOption = None,
    ca_file: CAFileOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Remove every logged prediction and feature about one entity, and what the monitor keeps about it.

    Exit code 1 when a place could not be reached; the other was erased all the same. Running it again does no harm.
    """
    if not entity:
        raise typer.BadParameter("an entity has a name", param_hint="--entity")
    if monitor is not None and not name:
        raise typer.BadParameter("the monitor knows models by name", param_hint="--name")
    store = open_store(registry, endpoint=endpoint, region=region, ca_file=str(ca_file) if ca_file else None)
    done = _Done()
    done.attempt("registry", lambda: asdict(erase_rows(store, entity)))
    if monitor is not None and name:
        client = MonitorClient(monitor, token=token, ca_file=monitor_ca_file, seconds=_SECONDS)
        done.attempt("monitor", lambda: _ask(client, erasures_path(namespace, name), entity))
    if output is Output.JSON:
        print_json({**done.erased, **{place: {"error": said} for place, (said, _) in done.failed.items()}})
    else:
        print_lines(*_lines(done, asked=monitor is not None))
    if done.failed:
        raise typer.Exit(REFUSED)


def _ask(client: MonitorClient, path: str, entity: str) -> dict[str, Any]:
    answer = client.post(path, ErasurePost(entity=entity).model_dump())
    return Erasure.model_validate_json(answer).model_dump()


def _lines(done: _Done, *, asked: bool) -> list[str]:
    lines = []
    if found := done.erased.get("registry"):
        lines.append(f"registry: erased {found['rows']} row(s) from {found['files']} of {found['looked_at']} file(s)")
    if found := done.erased.get("monitor"):
        lines.append(
            f"monitor: erased {found['predictions']} prediction(s), {found['feedback']} label(s) and "
            f"{found['events']} event(s)"
        )
    for place, (said, hint) in done.failed.items():
        lines.append(f"{place}: NOT ERASED: {said}{f'; {hint}' if hint else ''}")
    return [*lines, *([] if asked else [f"note: {_NOT_ASKED}"]), f"note: {_SPOOLED}"]
