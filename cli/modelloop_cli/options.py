"""Options that several commands share, and the registry they name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from modelloop_cli.output import Output
from modelloop_core.registry import Registry
from modelloop_core.registry_errors import VersionNotFound
from modelloop_core.storage.open import open_store
from modelloop_core.storage.port import InvalidKey
from modelloop_core.versions import InvalidVersion, Version, VersionRange
from modelloop_core.wire.environment import PREFIX


def _range(text: str) -> VersionRange:
    try:
        return VersionRange.parse(text)
    except InvalidVersion as error:
        raise typer.BadParameter(str(error)) from error


def _version(text: str) -> Version:
    try:
        return Version.parse(text)
    except InvalidVersion as error:
        raise typer.BadParameter(str(error)) from error


def _address(uri: str) -> str:
    try:
        open_store(uri)
    except InvalidKey as error:
        raise typer.BadParameter(str(error)) from error
    return uri


def _of_a_bucket(context: typer.Context, param: typer.CallbackParam, value: Any) -> Any:
    """Refuse what a folder has no use for; from the environment it may come for other commands and is passed over."""
    source = context.get_parameter_source(str(param.name))
    uri = str(context.params.get("registry", ""))
    if value is not None and source is not None and source.name == "COMMANDLINE" and not uri.startswith("s3://"):
        raise typer.BadParameter(f"{uri} is a folder, and this is said of a bucket (s3://…) only")
    return value


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="Print text, or one JSON document.")]
RegistryOption = Annotated[
    str,
    typer.Option(
        "--registry",
        "-r",
        envvar="MODELLOOP_REGISTRY",
        callback=_address,
        is_eager=True,  # known before the options that depend on it
        help="Where the versions lie: s3://bucket/prefix, or a folder.",
    ),
]
EndpointOption = Annotated[
    str | None,
    typer.Option(
        envvar=["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"],
        callback=_of_a_bucket,
        help="URL of an S3-compatible store; absent means AWS.",
    ),
]
RegionOption = Annotated[
    str | None,
    typer.Option(envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], callback=_of_a_bucket, help="Region of the bucket."),
]
CAFileOption = Annotated[
    Path | None,
    typer.Option(
        envvar="AWS_CA_BUNDLE",
        callback=_of_a_bucket,
        exists=True,
        dir_okay=False,
        help="Certificates that sign the endpoint's (PEM).",
    ),
]
RangeOption = Annotated[
    VersionRange | None,
    typer.Option(
        "--version",
        "-v",
        parser=_range,
        metavar="VERSION",
        help="A version or a range such as '^1'; absent means the newest.",
    ),
]
ServedRangeOption = Annotated[
    VersionRange | None,
    typer.Option(
        "--version",
        "-v",
        parser=_range,
        metavar="VERSION",
        envvar=f"{PREFIX}MODEL_VERSION",
        help="A version or a range such as '^1'; absent means the newest.",
    ),
]
NewVersionOption = Annotated[
    Version | None,
    typer.Option(
        "--version", "-v", parser=_version, metavar="VERSION", help="The number to take; absent means the next."
    ),
]


def open_registry(uri: str, endpoint: str | None, region: str | None, ca_file: Path | None) -> Registry:
    """The registry that the options name; credentials come from the environment, as boto3 finds them."""
    return Registry(open_store(uri, endpoint=endpoint, region=region, ca_file=str(ca_file) if ca_file else None))


def choose(registry: Registry, wanted: VersionRange | None) -> Version:
    """The newest version in the range (default: any release, else any); raises VersionNotFound."""
    there = registry.versions()
    if not there:
        raise VersionNotFound("the registry holds no version; publish one with `modelloop publish`")
    if wanted is None:
        releases = [version for version in there if version.prerelease is None]
        return max(releases or there)
    found = wanted.newest(there)
    if found is None:
        raise VersionNotFound(f"no version is in {wanted.text!r}; the newest is {there[-1]}")
    return found
