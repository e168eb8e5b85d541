"""From model files to predictions: numpy always, torch or ONNX Runtime only when a format needs it."""

from modelloop_core.inference.arrays import UNSEEN, Float32s, Float64s, Floats, rows_from_columns
from modelloop_core.inference.encode import Encoder
from modelloop_core.inference.errors import (
    BadOutput,
    InferenceError,
    LoadError,
    ModelFailed,
    ModelUnreadable,
    NotAModel,
    OutOfMemory,
    PredictError,
    RuntimeMissing,
)
from modelloop_core.inference.loading import load_model
from modelloop_core.inference.model import Model
from modelloop_core.inference.scorer import Scorer

__all__ = [
    "UNSEEN",
    "BadOutput",
    "Encoder",
    "Float32s",
    "Float64s",
    "Floats",
    "InferenceError",
    "LoadError",
    "Model",
    "ModelFailed",
    "ModelUnreadable",
    "NotAModel",
    "OutOfMemory",
    "PredictError",
    "RuntimeMissing",
    "Scorer",
    "load_model",
    "rows_from_columns",
]
