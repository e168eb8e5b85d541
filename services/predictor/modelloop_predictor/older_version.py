"""Another version of the same registry as the fallback: held against the served one at the start, asked in its place.

It is asked on the event loop, where the served model's own failures are told: a thread would have to be waited for by
requests whose time is over. So it has to be quick, and answers no more rows at once than a batch has.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from modelloop_core.feature_schema import Signature
from modelloop_core.inference import Float64s
from modelloop_core.versions import Version
from modelloop_core.wire.environment import PredictorEnvironment
from modelloop_predictor.answers import Values
from modelloop_predictor.fallback import COVERED, FallbackMisfit
from modelloop_predictor.logs import event
from modelloop_predictor.parsing import shown
from modelloop_predictor.problems import ProblemError
from modelloop_predictor.version import QUICK_SECONDS, LoadedVersion, example_row, open_version, warm_up

_TRIES = 10


class OlderVersion:
    """Answers of another version, which go out under its own name (`answered_by`)."""

    def __init__(self, version: LoadedVersion, most_rows: int) -> None:
        self.version = version
        self.answered_by = Version.parse(version.manifest.version).served_name
        self._most_rows = most_rows

    def instead_of(self, problem: ProblemError, rows: Callable[[], Float64s]) -> Values | None:
        """Predictions to answer with, or None where the problem has to be told.

        `rows` gives the request's checked rows; the ProblemError that it raises for an invalid request passes.
        """
        return self.answer(rows()) if problem.kind in COVERED else None

    def answer(self, rows: Float64s) -> Values | None:
        """One prediction for each of the rows, float64 [n, features]; None for too many, or when it fails as well."""
        if len(rows) > self._most_rows:
            return None
        try:
            values: Values = self.version.scorer.predict(rows).tolist()
        except Exception as error:  # noqa: BLE001 whatever it is, the caller gets the served model's own problem
            event("fallback-failed", logging.ERROR, error, fallback_version=self.answered_by)
            return None
        return values


def check_another(older: Version, settings: PredictorEnvironment) -> None:
    """Raise FallbackMisfit when the fallback is the version that is served."""
    if str(older) == settings.model_version:
        raise FallbackMisfit(
            "it is the version that is served, and fails where that one does; name another version, or give "
            "constant or rules"
        )


def open_older(folder: Path, served: LoadedVersion, settings: PredictorEnvironment) -> OlderVersion:
    """Load and warm up the version in `folder` as the fallback of `served`.

    Raises FallbackMisfit where it cannot stand in, UnusableVersion or InferenceError where it cannot answer at all.
    """
    # It counts nothing and has no fallback of its own.
    alone = settings.model_copy(update={"fallback": None, "monitor_url": None, "capture": None})
    opened = open_version(folder, alone)
    _check_same(opened.manifest.signature, served.manifest.signature)
    version = warm_up(opened, settings.batch_max_size)
    _check_quick(version, settings.batch_max_size)
    return OlderVersion(version, settings.batch_max_size)


def _check_same(older: Signature, served: Signature) -> None:
    advice = "name a version with the same signature, or give constant or rules"
    if older.feature_names != served.feature_names:
        theirs, ours = (shown(", ".join(one.feature_names)) for one in (older, served))
        raise FallbackMisfit(f"it takes the features {theirs}, and the served version {ours}; {advice}")
    parts: list[tuple[str, BaseModel, BaseModel]] = [("output", older.output, served.output)]
    parts += [(f"feature {its.name}", its, own) for its, own in zip(older.inputs, served.inputs, strict=True)]
    for what, its, own in parts:
        if its != own:
            theirs, ours = (shown(one.model_dump_json(exclude_defaults=True)) for one in (its, own))
            raise FallbackMisfit(f"its {what} is {theirs}, and the served version's {ours}; {advice}")


def _check_quick(version: LoadedVersion, rows: int) -> None:
    if version.scorer.open_ended:
        raise FallbackMisfit(
            "its program has loops or sizes that depend on values, so nothing bounds how long it holds up other "
            "requests; name a version whose program has none, or give constant or rules"
        )
    if version.quick:
        return
    took = _quickest(version, rows)
    if took > QUICK_SECONDS:
        raise FallbackMisfit(
            f"a batch of {rows} rows takes it {took * 1000:.1f} ms, and {QUICK_SECONDS * 1000:g} ms is the most for "
            "a model that answers between other requests; name a smaller model, lower batching.maxBatchSize, or give "
            "constant or rules"
        )


def _quickest(version: LoadedVersion, rows: int) -> float:
    """Seconds of the quickest of some batches: what else a machine does as a pod starts must not end the pod."""
    batch, found = np.repeat(example_row(version), rows, axis=0), []
    for _ in range(_TRIES):
        started = time.perf_counter()
        version.scorer.predict(batch)
        found.append(time.perf_counter() - started)
    return min(found)
