"""`modelloop serve`: the predictor on this machine, exactly as it runs in a pod."""

from __future__ import annotations

import os
import socket
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from modelloop_cli.errors import Refused
from modelloop_cli.options import (
    CAFileOption,
    EndpointOption,
    OutputOption,
    RegionOption,
    RegistryOption,
    ServedRangeOption,
    choose,
    open_registry,
)
from modelloop_cli.output import Output, print_json, print_lines
from modelloop_core.versions import Version
from modelloop_core.wire.environment import PREDICT_PORT, PREFIX, PredictorEnvironment


class Device(StrEnum):
    """Where the model computes."""

    CPU = "cpu"
    CUDA = "cuda"


def _named(host: str) -> str:
    if not host.strip():
        # The system would take it for every address.
        raise typer.BadParameter("it names no address; 0.0.0.0 is every address of this machine")
    return host


def serve(
    registry: RegistryOption,
    version: ServedRangeOption = None,
    port: Annotated[
        int, typer.Option("--port", "-p", min=1, max=65535, envvar=f"{PREFIX}PORT", help="Port to listen on.")
    ] = PREDICT_PORT,
    host: Annotated[
        str, typer.Option(callback=_named, help="Address to listen on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    device: Annotated[Device | None, typer.Option(help="Where the model computes; cpu.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of one prediction; 1.")] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.001, max=3600, help="Seconds until a prediction is given up; 1.")
    ] = None,
    endpoint: EndpointOption = None,
    region: RegionOption = None,
    ca_file: CAFileOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Serve a version over HTTP until Ctrl-C; further settings come from MODELLOOP_*, as in a pod."""
    chosen = choose(open_registry(registry, endpoint, region, ca_file), version)
    environment = _environment(
        registry_uri=registry,
        registry_endpoint=endpoint,
        registry_region=region,
        registry_ca_file=str(ca_file) if ca_file else None,
        model_version=str(chosen),
        device=device.value if device else None,
        threads=threads,
        timeout_seconds=timeout,
        **_unless_set(prestop_seconds=0, cache_dir=str(cache_folder())),
    )
    _check_free(host, port)
    _announce(chosen, host, port, output)
    _run(environment, host, port)


def _unless_set(**other: Any) -> dict[str, Any]:
    """What is otherwise than in a pod, where no variable says how it shall be."""
    return {name: value for name, value in other.items() if not os.environ.get(PREFIX + name.upper())}


def _environment(**said: Any) -> PredictorEnvironment:
    try:
        from modelloop_predictor.settings import SettingsError, read_settings
    except ImportError as error:
        raise _missing(error) from error
    try:
        return read_settings(**{name: value for name, value in said.items() if value is not None})
    except SettingsError as error:
        raise Refused(f"the environment holds what no predictor takes: {error}", "correct or unset it") from error


def _missing(error: ImportError) -> Refused:
    return Refused(f"serving needs the predictor, and {error.name} is missing", "pip install 'modelloop[predictor]'")


def cache_folder() -> Path:
    """Where downloaded versions stay: below XDG_CACHE_HOME, or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modelloop" / "versions"


def _check_free(host: str, port: int) -> None:
    """Raise Refused when nobody can listen there; the server would tell it only after it announced itself."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise Refused(
            f"cannot listen on {host}:{port}: {error}",
            "give another --port, or a --host that is an address of this machine",
        ) from error


def _announce(version: Version, host: str, port: int, output: Output) -> None:
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    url = f"http://{shown}:{port}"
    if output is Output.JSON:
        print_json({"version": str(version), "url": url})
    else:
        print_lines(f"serving {version} at {url} (documentation at {url}/docs, Ctrl-C ends it)")


def _run(environment: PredictorEnvironment, host: str, port: int) -> None:
    try:
        from modelloop_predictor import logs
        from modelloop_predictor.server import serve as run
    except ImportError as error:
        raise _missing(error) from error
    # Standard output is for the one document that was announced.
    logs.configure({"version": environment.model_version}, sys.stderr)
    if run(environment, host=host, port=port):
        raise Refused(f"version {environment.model_version} cannot be served", "the log above says why")
