"""Versions of one model, each as good or bad as its graph makes it: no test hook anywhere, only bad models.

Inputs are two numbers between 0 and 1. Some versions cannot bear a `first` above 0.97, as 3 in 100 callers send.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import onnx
import onnx.parser

from modelloop_core.drift.reference import REFERENCE_NAME, build_reference
from modelloop_core.manifest import Manifest, ModelFormat
from modelloop_core.registry import Files, Registry, describe
from modelloop_core.storage.port import ObjectStore
from support.published import pair

LIVE, GOOD, ERRS, SHIFTED, CRASHES, NEVER_READY = "1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0"

_HEAD = """
<ir_version: 10, opset_import: ["" : 18]>
model (float[batch, 2] x) => (float[batch, 1] prediction) {
  columns = Constant<value_ints: ints = [1]>()
  place = Constant<value_ints: ints = [0]>()
  most = Constant<value_float: float = 0.97>()
  little = Constant<value_float: float = 0.000001>()
  mean = ReduceMean<keepdims: int = 1>(x, columns)
  first = Gather<axis: int = 1>(x, place)
"""
_LOGITS = {
    LIVE: "logit = Identity(mean)",
    GOOD: """
  steeper = Constant<value_float: float = 1.02>()
  logit = Mul(mean, steeper)""",
    # The root of a negative number is no number: for these inputs there is no answer.
    ERRS: """
  left = Sub(most, first)
  root = Sqrt(left)
  part = Mul(root, little)
  logit = Add(mean, part)""",
    SHIFTED: """
  offset = Constant<value_float: float = 1.5>()
  logit = Add(mean, offset)""",
}
# For these inputs it asks for 2.4 GB and fills them: more than its container may have, so that the kernel kills it.
_HUNGRY = """
  over = Greater(first, most)
  counted = Cast<to: int = 1>(over)
  any = ReduceMax<keepdims: int = 0>(counted)
  million = Constant<value_float: float = 600000000.0>()
  wanted = Mul(any, million)
  whole = Cast<to: int = 7>(wanted)
  one = Constant<value_ints: ints = [1]>()
  size = Add(whole, one)
  room = ConstantOfShape<value: tensor = float[1] {1.0}>(size)
  filled = ReduceMean<keepdims: int = 0>(room)
  part = Mul(filled, little)
  logit = Add(mean, part)"""
_LOGITS |= {CRASHES: _HUNGRY, NEVER_READY: _HUNGRY}
_ROWS = 2000


def publish_all(store: ObjectStore) -> None:
    """Make all of them exist, with the same reference."""
    drawn = np.random.default_rng(6).random((_ROWS, 2))
    reference = build_reference(pair(), drawn, 1 / (1 + np.exp(-drawn.mean(axis=1)))).to_json()
    for version in _LOGITS:
        files: Files = {ModelFormat.ONNX.value: _model(version), REFERENCE_NAME: reference}
        manifest = Manifest(
            version=version,
            format=ModelFormat.ONNX,
            signature=pair(),
            files=describe(files),
            # What a predictor warms up with: this one dies of it each time, and is never ready.
            example=(1.0, 0.5) if version == NEVER_READY else (0.5, 0.5),
            created=datetime.now(UTC),
        )
        Registry(store).publish(manifest, files)


def _model(version: str) -> bytes:
    model = onnx.parser.parse_model(f"{_HEAD}  {_LOGITS[version].strip()}\n  prediction = Sigmoid(logit)\n}}")
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
