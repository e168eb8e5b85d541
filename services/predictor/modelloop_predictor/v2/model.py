"""The one model of a predictor as the protocol sees it: its name, versions, metadata and state."""

from __future__ import annotations

from importlib.metadata import version as distribution_version

import msgspec
import numpy as np

from modelloop_core.inference import Float64s
from modelloop_core.manifest import ModelFormat
from modelloop_core.versions import Version
from modelloop_core.wire.environment import PredictorEnvironment
from modelloop_predictor.accounts import Exchange
from modelloop_predictor.parsing import shown
from modelloop_predictor.predicting import predict
from modelloop_predictor.problems import UNKNOWN_MODEL, ProblemError
from modelloop_predictor.readiness import Phase
from modelloop_predictor.serving import Serving
from modelloop_predictor.v2.contract import TensorSpec
from modelloop_predictor.version import LoadedVersion

EXTENSIONS = ("binary_tensor_data", "model_repository_index")

_PLATFORMS = {
    ModelFormat.TORCH_EXPORT: "pytorch_export",
    ModelFormat.TORCHSCRIPT: "pytorch_torchscript",
    ModelFormat.ONNX: "onnx_onnxv1",
}


class Live(msgspec.Struct):
    """Whether the process lives."""

    live: bool


class Ready(msgspec.Struct):
    """Whether the model answers."""

    ready: bool


class ModelReady(msgspec.Struct):
    """Whether the model of this name answers."""

    name: str
    ready: bool


class ServerMetadata(msgspec.Struct):
    """What runs here; the version is the server's own."""

    name: str
    version: str
    extensions: tuple[str, ...]


class ModelMetadata(msgspec.Struct, omit_defaults=True):
    """What the model takes and gives; `column_inputs` is the other form in which it takes its inputs."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    column_inputs: tuple[TensorSpec, ...] = ()


class IndexEntry(msgspec.Struct):
    """A model in the index; `state` as in the protocol: LOADING, READY, UNAVAILABLE, UNLOADING."""

    name: str
    version: str
    state: str
    reason: str


def server_metadata() -> ServerMetadata:
    """What runs here."""
    return ServerMetadata(name="modelloop", version=distribution_version("modelloop"), extensions=EXTENSIONS)


def model_metadata(version: LoadedVersion) -> ModelMetadata:
    """What a loaded version takes and gives."""
    contract = version.contract
    return ModelMetadata(
        name=contract.model_name,
        versions=(contract.version_name,),
        platform=_PLATFORMS[version.manifest.format],
        inputs=contract.inputs,
        outputs=contract.outputs,
        column_inputs=contract.column_inputs if contract.column_inputs != contract.inputs else (),
    )


def check_known(serving: Serving, name: str, version: str) -> None:
    """Raise 404 unless this process serves the model, in that version where one is named."""
    mine = serving.settings.served_model
    if name != mine:
        raise ProblemError(UNKNOWN_MODEL, f"there is no model {shown(name)!r} here; this predictor serves {mine!r}")
    if version and not _same(version, serving.settings):
        raise ProblemError(UNKNOWN_MODEL, f"there is no version {shown(version)!r} here; it is {serving.served_name}")


def index(serving: Serving, *, ready_only: bool) -> list[IndexEntry]:
    """The models of this process: one, or none when it is not ready and only ready ones are wanted."""
    state = serving.state
    if ready_only and not state.ready:
        return []
    reason = "" if state.ready else f"{state.reason}: {state.message}"
    return [IndexEntry(serving.settings.served_model, serving.served_name, _state_name(state.phase), reason)]


async def score(
    serving: Serving, version: LoadedVersion, rows: Float64s, exchange: Exchange
) -> tuple[Float64s, LoadedVersion]:
    """Predictions of checked rows and whose they are; raises 503, 504 and what the model raises."""
    values, by = await predict(serving, version, rows, exchange)
    return np.asarray(values, dtype=np.float64), by


def _same(version: str, settings: PredictorEnvironment) -> bool:
    try:
        return str(Version.parse(version)) == settings.model_version
    except ValueError:
        return False


def _state_name(phase: Phase) -> str:
    match phase:
        case Phase.READY:
            return "READY"
        case Phase.DRAINING:
            return "UNLOADING"
        case Phase.FAILED:
            return "UNAVAILABLE"
        case _:
            return "LOADING"
