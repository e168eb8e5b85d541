"""What a version's reference is made of: the rows that its inputs allow, and what the stored model answers to them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from modelloop_core.drift.reference import REFERENCE_NAME, Reference, build_reference
from modelloop_core.feature_schema import RegressionOutput, Signature
from modelloop_core.inference import Float64s, InferenceError, Model, Scorer
from modelloop_core.preprocessing import Preprocessing
from modelloop_core.publishing.errors import PublishError
from modelloop_core.publishing.trial import allowed_rows
from modelloop_core.registry import Registry
from modelloop_core.storage.port import NotFound
from modelloop_core.versions import Version

_BLOCK_ROWS = 1024
_FEW_ROWS = 500


class Observed:
    """The rows of a reference that callers may send, and the answers to them."""

    def __init__(self, signature: Signature, preprocessing: Preprocessing, model: Model, frame: pd.DataFrame) -> None:
        self._signature = signature
        self._rows = allowed_rows(signature.inputs, frame)
        self._answers = _answers(Scorer(signature, preprocessing, model), self._rows)
        self._left_out = len(frame) - len(self._rows)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the reference."""
        few = f"the reference has {len(self._rows)} rows; with fewer than {_FEW_ROWS} hardly any drift can be told"
        out = f"{self._left_out} rows of the reference are not in it, as the inputs do not allow them"
        return (*([few] if len(self._rows) < _FEW_ROWS else []), *([out] if self._left_out else []))

    def reference(self, registry: Registry, version: Version) -> Reference:
        """The reference of `version`, its outputs in the bins of the newest version before it with this signature."""
        return build_reference(
            self._signature, self._rows, self._answers, earlier=next(self._earlier(registry, version), None)
        )

    def _earlier(self, registry: Registry, version: Version) -> Iterator[Reference]:
        if not isinstance(self._signature.output, RegressionOutput):
            return
        for other in sorted(_before(version, registry), reverse=True):
            manifest = registry.manifest(other)
            if REFERENCE_NAME in manifest.files and manifest.signature.output == self._signature.output:
                yield Reference.model_validate_json(registry.read(other, REFERENCE_NAME, manifest))


def _before(version: Version, registry: Registry) -> list[Version]:
    try:
        return [other for other in registry.versions() if other.major == version.major and other < version]
    except NotFound:
        return []


def _answers(scorer: Scorer, rows: Float64s) -> Float64s:
    try:
        blocks = [scorer.predict(rows[start : start + _BLOCK_ROWS]) for start in range(0, len(rows), _BLOCK_ROWS)]
    except InferenceError as error:
        raise PublishError(
            f"the model fails on some of the {len(rows)} rows of the reference: {error}",
            "correct the model, or leave these rows out of the reference",
        ) from error
    return np.concatenate(blocks)
