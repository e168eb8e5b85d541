"""What is answered where the model cannot: a declared fallback held against a version's signature, and its answers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from modelloop_core.fallback import Fallback, FallbackRule
from modelloop_core.feature_schema import (
    BinaryOutput,
    CategoricalFeature,
    Feature,
    MulticlassOutput,
    NumericFeature,
    Output,
    RegressionOutput,
    Signature,
    level_text,
)
from modelloop_core.inference import Float64s
from modelloop_predictor.answers import Values
from modelloop_predictor.parsing import kind_of, shown
from modelloop_predictor.problems import (
    BAD_OUTPUT,
    DEADLINE,
    INTERNAL,
    MODEL_FAILED,
    MODEL_STUCK,
    OUT_OF_MEMORY,
    QUEUE_FULL,
    ProblemError,
)
from modelloop_predictor.validation import RowReader

COVERED = frozenset({MODEL_FAILED, BAD_OUTPUT, OUT_OF_MEMORY, INTERNAL, DEADLINE, QUEUE_FULL, MODEL_STUCK})
"""What a fallback answers for: the model's and the machine's faults, never the request's."""

_Comparison = Callable[[Any, Any], npt.NDArray[np.bool_]]
_COMPARISONS: Mapping[str, _Comparison] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
}
_ORDERING = ("lt", "le", "gt", "ge")
_NO_ANSWER = -1


class FallbackMisfit(ValueError):
    """The fallback can never answer for this signature; the text names the field and what would fit."""


class FallbackAnswers:
    """Answers of one fallback for one version; raises FallbackMisfit where the signature excludes it.

    They go out under the name of the served version, whose signature they obey.
    """

    version = None
    answered_by = None

    def __init__(self, declared: Fallback, signature: Signature) -> None:
        rules, reader = declared.rules or (), RowReader(signature)
        self._rules = [_Rule(rule, f"rules[{position}]", signature, reader) for position, rule in enumerate(rules)]
        given = [(f"rules[{position}].prediction", rule.prediction) for position, rule in enumerate(rules)]
        if declared.constant is not None:
            given.append(("constant", declared.constant))
        self._predictions = np.array([_prediction(value, signature.output, place) for place, value in given])
        self._otherwise = len(rules) if declared.constant is not None else _NO_ANSWER

    def instead_of(self, problem: ProblemError, rows: Callable[[], Float64s]) -> Values | None:
        """Predictions to answer with, or None where the problem has to be told.

        `rows` gives the request's checked rows; the ProblemError that it raises for an invalid request passes.
        """
        return self.answer(rows()) if problem.kind in COVERED else None

    def answer(self, rows: Float64s) -> Values | None:
        """One prediction for each of the rows, float64 [n, features]; None when one of them has none."""
        chosen = np.full(len(rows), self._otherwise)
        # From the last to the first, so that the first rule that a row meets has the last word.
        for position in range(len(self._rules) - 1, -1, -1):
            chosen[self._rules[position].meets(rows)] = position
        if (chosen == _NO_ANSWER).any():
            return None
        predictions: Values = self._predictions[chosen].tolist()
        return predictions


class _Rule:
    def __init__(self, rule: FallbackRule, place: str, signature: Signature, reader: RowReader) -> None:
        if rule.feature not in signature.feature_names:
            known = shown(", ".join(signature.feature_names))
            raise FallbackMisfit(f"{place}.feature: the model has no feature {rule.feature!r}; it takes {known}")
        self._column = signature.feature_names.index(rule.feature)
        feature = signature.inputs[self._column]
        if rule.op in _ORDERING and not _has_order(feature):
            raise FallbackMisfit(f"{place}.op: {rule.op} needs numbers, but {rule.feature} has none; use eq or ne")
        # A float32 feature's values come as JSON or as float32 bytes; a rule means the same number for both.
        single = isinstance(feature, NumericFeature) and feature.dtype == "float32"
        self._dtype = np.dtype("float32" if single else "float64")
        self._value = self._dtype.type(_value(rule, place, feature, reader, self._column))
        self._compare = _COMPARISONS[rule.op]

    def meets(self, rows: Float64s) -> npt.NDArray[np.bool_]:
        values = rows[:, self._column]
        met = self._compare(values.astype(self._dtype), self._value)
        # Null compares as unequal to everything, but it is no value that a rule could speak of.
        return met & ~np.isnan(values)


def _has_order(feature: Feature) -> bool:
    return isinstance(feature, NumericFeature) and feature.dtype != "bool"


def _value(rule: FallbackRule, place: str, feature: Feature, reader: RowReader, column: int) -> float:
    if isinstance(feature, CategoricalFeature) and level_text(rule.value) not in feature.levels:
        # Asked here and not of the reader: an open feature takes any text, but has one code for all it does not know.
        levels = shown(", ".join(feature.levels))
        raise FallbackMisfit(f"{place}.value: {rule.value!r} is no level of {feature.name}, which has {levels}")
    value, wrong = reader.value(column, rule.value)
    if wrong is not None:
        raise FallbackMisfit(f"{place}.value: {feature.name}: {wrong.message}")
    return value


def _prediction(value: object, output: Output, place: str) -> float | list[float]:
    match output:
        case BinaryOutput():
            probability = _number(value, place)
            if not 0 <= probability <= 1:
                raise FallbackMisfit(f"{place}: {value!r} is no probability; the model answers one in [0, 1]")
            return probability
        case MulticlassOutput(classes=classes):
            label = level_text(value)
            if label not in classes:
                known = shown(", ".join(classes))
                raise FallbackMisfit(f"{place}: {value!r} is no class of the model, which has {known}")
            return [float(name == label) for name in classes]
        case RegressionOutput(names=()):
            return _number(value, place)
        case RegressionOutput(names=names):
            listed = shown(", ".join(names))
            raise FallbackMisfit(f"{place}: the model answers several values ({listed}), and a fallback has one")
        case _:
            assert_never(output)


def _number(value: object, place: str) -> float:
    if type(value) is not int and type(value) is not float:
        raise FallbackMisfit(f"{place}: the model answers a number, found {kind_of(value)}")
    return float(value)
