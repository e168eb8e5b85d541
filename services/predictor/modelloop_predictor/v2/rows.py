"""Holds a request's tensors against the signature and makes them rows; the rules are those of `validation`.

Two forms are taken. All features may come as one tensor `features` [rows, features] when all are numeric. Else each is
a tensor of its own, [rows] or [rows, 1], by its name; levels as BYTES, or as numbers where the levels are numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from modelloop_core.feature_schema import CategoricalFeature, Feature, NumericFeature, Signature
from modelloop_core.inference import UNSEEN, Float64s
from modelloop_core.wire.predictions import Fault, FieldError
from modelloop_predictor.parsing import MOST_ERRORS, shown
from modelloop_predictor.problems import INVALID, ProblemError
from modelloop_predictor.telemetry.unseen import NOT_NOTED, UnseenLevels
from modelloop_predictor.v2.tensors import FLAG, TEXT, Described, Tensor, check_described, refused
from modelloop_predictor.validation import RowReader, Wrong

MATRIX = "features"
"""Name of the one tensor that holds all features."""

_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)

Place = Callable[[int, int], str]


class TensorReader:
    """Reads tensors of one signature; the names of levels that it has not are noted in `unseen`."""

    def __init__(self, signature: Signature, unseen: UnseenLevels = NOT_NOTED) -> None:
        self._features = signature.inputs
        self._names = signature.feature_names
        self._known = frozenset(self._names)
        self._one_tensor = is_matrix(signature)
        self._all_flags = all(isinstance(feature, NumericFeature) and _is_flag(feature) for feature in self._features)
        self._columns = tuple(
            _Levels(feature) if isinstance(feature, CategoricalFeature) else None for feature in self._features
        )
        self._limits = _limits(self._features)
        self._nullable = np.array([feature.nullable for feature in self._features])
        self._any_nullable = bool(self._nullable.any())
        self._whole = np.array([position for position, feature in enumerate(self._features) if _is_whole(feature)], int)
        self._values = RowReader(signature, unseen)

    def check(self, given: Sequence[Described]) -> None:
        """Raise 422 when tensors cannot be those of the signature, whatever their data is; 413 for too many rows."""
        if self._is_matrix(given):
            check_described(given[0])
            self._check_matrix(given[0])
            return
        self._check_names(given)
        for tensor in given:
            check_described(tensor)
        by_name = {tensor.name: tensor for tensor in given}
        for feature in self._features:
            _check_column(by_name[feature.name], feature, given[0])

    def read(self, tensors: Sequence[Tensor]) -> Float64s:
        """float64 [rows, features] of tensors that were checked; raises 422 naming up to 100 of their elements."""
        return self._from_matrix(tensors[0]) if self._is_matrix(tensors) else self._from_columns(tensors)

    def _is_matrix(self, given: Sequence[Described]) -> bool:
        return len(given) == 1 and given[0].name == MATRIX and self._names != (MATRIX,)

    def _check_matrix(self, given: Described) -> None:
        width, shape = len(self._features), given.shape
        if not self._one_tensor:
            raise refused(MATRIX, f"not all features are numbers; send a tensor for each: {self._listed()}")
        if len(shape) != 2 or shape[1] != width:
            raise refused(
                MATRIX,
                f"expected shape [rows, {width}] ({self._listed()}), found {list(shape)}",
                fault=Fault.WRONG_SHAPE,
            )
        if given.datatype == TEXT or (given.datatype == FLAG and not self._all_flags):
            raise refused(MATRIX, f"expected numbers, found {given.datatype}", fault=Fault.WRONG_TYPE)

    def _from_matrix(self, tensor: Tensor) -> Float64s:
        rows = np.asarray(tensor.values).reshape(tensor.shape).astype(np.float64, copy=False)
        low, high = self._limits.of(tensor.datatype)
        self._check(rows, low, high, lambda row, column: f"inputs.{MATRIX}[{row}][{column}]")
        return rows

    def _from_columns(self, tensors: Sequence[Tensor]) -> Float64s:
        by_name = {tensor.name: tensor for tensor in tensors}
        rows = np.empty((tensors[0].shape[0], len(self._features)), dtype=np.float64)
        low, high = (limit.copy() for limit in self._limits.exact)
        for column, (feature, levels) in enumerate(zip(self._features, self._columns, strict=True)):
            tensor = by_name[feature.name]
            if levels is not None:
                rows[:, column] = self._codes(tensor, levels, column)
                continue
            rows[:, column] = tensor.values
            limits = self._limits.of(tensor.datatype)
            low[column], high[column] = limits[0][column], limits[1][column]
        self._check(rows, low, high, lambda row, column: f"inputs.{self._names[column]}[{row}]")
        return rows

    def _check_names(self, given: Sequence[Described]) -> None:
        names = dict.fromkeys(tensor.name for tensor in given)
        unknown = islice((name for name in names if name not in self._known), MOST_ERRORS)
        message = f"unknown tensor; the model takes {self._listed()}"
        errors = [
            FieldError(field=f"inputs.{shown(name)}", message=message, fault=Fault.WRONG_SHAPE) for name in unknown
        ]
        errors += [
            FieldError(field=f"inputs.{name}", message="missing", fault=Fault.MISSING)
            for name in self._names
            if name not in names
        ]
        if errors:
            raise _invalid(errors)

    def _codes(self, tensor: Tensor, levels: _Levels, column: int) -> list[float]:
        values = tensor.values.tolist() if isinstance(tensor.values, np.ndarray) else tensor.values
        codes: list[float] = []
        errors: list[FieldError] = []
        for row, value in enumerate(values):
            code = levels.codes.get(value) if isinstance(value, str | bytes) else None
            if code is None:
                code, wrong = self._rare_code(value, levels.feature, column)
                if wrong is not None:
                    field = f"inputs.{tensor.name}[{row}]"
                    errors.append(FieldError(field=field, message=wrong.message, fault=wrong.fault))
                if len(errors) == MOST_ERRORS:
                    break
            codes.append(code)
        if errors:
            raise _invalid(errors)
        return codes

    def _rare_code(self, value: object, feature: CategoricalFeature, column: int) -> tuple[float, Wrong | None]:
        if isinstance(value, bytes):
            try:
                value = value.decode()
            except UnicodeDecodeError:
                return UNSEEN, Wrong(f"{shown(repr(value))} is not UTF-8", Fault.WRONG_TYPE)
        if isinstance(value, float) and np.isnan(value):
            value = None
        return self._values.value(column, value)

    def _check(self, rows: Float64s, low: Float64s, high: Float64s, place: Place) -> None:
        inside = (rows >= low) & (rows <= high)
        if self._any_nullable:
            inside |= np.isnan(rows) & self._nullable
        if self._whole.size:
            part = rows[:, self._whole]
            inside[:, self._whole] &= (part == np.floor(part)) | np.isnan(part)
        # Quicker than all() where rows are few, and no slower where they are many.
        if b"\x00" in inside.tobytes():
            faults = np.argwhere(~inside)[:MOST_ERRORS].tolist()
            raise _invalid([self._error(rows, row, column, place(row, column)) for row, column in faults])

    def _error(self, rows: Float64s, row: int, column: int, field: str) -> FieldError:
        value = float(rows[row, column])
        if np.isnan(value):
            wrong: Wrong | None = Wrong("NaN stands for null, which is not allowed", Fault.MISSING)
        else:
            wrong = self._values.value(column, value)[1]
        message = f"{self._names[column]}: {wrong.message if wrong else None}"
        return FieldError(field=field, message=message, fault=wrong.fault if wrong else None)

    def _listed(self) -> str:
        return shown(", ".join(self._names))


@dataclass(frozen=True)
class _Limits:
    """Inclusive bounds of each column; `rounded` ones let pass what a bound becomes as a float32."""

    exact: tuple[Float64s, Float64s]
    rounded: tuple[Float64s, Float64s]

    def of(self, datatype: str) -> tuple[Float64s, Float64s]:
        return self.rounded if datatype == "FP32" else self.exact


class _Levels:
    """A categorical feature's codes by level, as text and as its bytes."""

    def __init__(self, feature: CategoricalFeature) -> None:
        self.feature = feature
        self.codes: dict[str | bytes, float] = {}
        for position, level in enumerate(feature.levels):
            self.codes[level] = self.codes[level.encode()] = float(position)


def is_matrix(signature: Signature) -> bool:
    """Whether all features fit in one tensor of numbers."""
    return all(isinstance(feature, NumericFeature) for feature in signature.inputs)


def _limits(features: Sequence[Feature]) -> _Limits:
    bounds = np.array([_bounds(feature) for feature in features], dtype=np.float64).T
    low, high = bounds
    finite = np.clip(bounds, -_LARGEST_FLOAT32, _LARGEST_FLOAT32).astype(np.float32).astype(np.float64)
    rounded = np.minimum(low, finite[0]), np.maximum(high, finite[1])
    return _Limits(exact=(low, high), rounded=rounded)


def _bounds(feature: Feature) -> tuple[float, float]:
    if isinstance(feature, CategoricalFeature):
        # Codes, which were judged when they were made.
        return UNSEEN, float(len(feature.levels))
    low, high = (0.0, 1.0) if _is_flag(feature) else (-_LARGEST_FLOAT32, _LARGEST_FLOAT32)
    given_low = low if feature.minimum is None else max(feature.minimum, low)
    return given_low, high if feature.maximum is None else min(feature.maximum, high)


def _is_flag(feature: NumericFeature) -> bool:
    return feature.dtype == "bool"


def _is_whole(feature: Feature) -> bool:
    return isinstance(feature, NumericFeature) and feature.dtype in ("int64", "bool")


def _check_column(tensor: Described, feature: Feature, first: Described) -> None:
    if len(tensor.shape) == 2 and tensor.shape[1] != 1:
        raise refused(
            tensor.name, f"expected shape [rows] or [rows, 1], found {list(tensor.shape)}", fault=Fault.WRONG_SHAPE
        )
    if tensor.shape[0] != first.shape[0]:
        message = f"has {tensor.shape[0]} rows, but {shown(first.name)} has {first.shape[0]}"
        raise refused(tensor.name, message, fault=Fault.WRONG_SHAPE)
    if isinstance(feature, CategoricalFeature):
        return
    if tensor.datatype == TEXT or (tensor.datatype == FLAG and not _is_flag(feature)):
        message = f"expected numbers ({feature.dtype}), found {tensor.datatype}"
        raise refused(tensor.name, message, fault=Fault.WRONG_TYPE)


def _invalid(errors: list[FieldError]) -> ProblemError:
    more = " (and more)" if len(errors) > 1 else ""
    return ProblemError(INVALID, f"{errors[0].field}: {errors[0].message}{more}", errors[:MOST_ERRORS])
