"""What one version takes and gives in this protocol, whether by HTTP or by gRPC."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, assert_never

import numpy as np

from modelloop_core.feature_schema import (
    BinaryOutput,
    CategoricalFeature,
    Feature,
    MulticlassOutput,
    NumericFeature,
    Output,
    RegressionOutput,
    Signature,
    output_columns,
)
from modelloop_core.inference import Float64s
from modelloop_core.wire.predictions import FieldError
from modelloop_predictor.parsing import check_entity, shown
from modelloop_predictor.problems import INVALID, ProblemError
from modelloop_predictor.telemetry.unseen import NOT_NOTED, UnseenLevels
from modelloop_predictor.v2.rows import MATRIX, TensorReader, is_matrix
from modelloop_predictor.v2.tensors import TEXT, Described, Tensor

_MOST_STRANGE = 1000

PREDICTION = "prediction"
PROBABILITIES = "probabilities"
BINARY_SIZE = "binary_data_size"
"""Parameter of a tensor: how many bytes its data has."""
BINARY_DATA = "binary_data"
"""Parameter of an output: whether it comes as bytes."""
BINARY_OUTPUT = "binary_data_output"
"""Parameter of a request: whether outputs come as bytes, unless one says otherwise for itself."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What metadata says of a tensor; -1 is the number of rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output to answer with, and whether as bytes."""

    name: str
    binary: bool


class Asked(Protocol):
    """A request's wish for an output."""

    @property
    def name(self) -> str: ...

    @property
    def parameters(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Inference:
    """A request that fits the signature; `rows` may lie in the request's own memory and are not to be written to."""

    rows: Float64s
    id: str | None
    entity: str | None
    outputs: tuple[Wanted, ...]


class Contract:
    """One version's tensors, under the names by which callers ask for it."""

    def __init__(
        self,
        signature: Signature,
        model_name: str,
        version_name: str,
        entity_key: str,
        unseen: UnseenLevels = NOT_NOTED,
    ) -> None:
        self.model_name = model_name
        self.version_name = version_name
        self.inputs = inputs_of(signature)
        self.column_inputs = tuple(_spec(feature) for feature in signature.inputs)
        self.outputs = outputs_of(signature.output)
        self._output = signature.output
        self._output_names = tuple(spec.name for spec in self.outputs)
        self._all_outputs = {
            binary: tuple(Wanted(name, binary) for name in self._output_names) for binary in (False, True)
        }
        self._entity_key = entity_key
        self._reader = TensorReader(signature, unseen)

    def check_inputs(self, given: Sequence[Described]) -> None:
        """Raise 422 for tensors that cannot fit the signature, and 413 for too many rows, before their data is read."""
        if len(given) > len(self.column_inputs) + _MOST_STRANGE:
            raise _invalid("inputs", f"there are {len(given)}; the model takes {len(self.column_inputs)} at the most")
        if not given:
            raise _invalid("inputs", f"there are none; the model takes {shown(', '.join(s.name for s in self.inputs))}")
        if len(given) > 1:
            _check_distinct([tensor.name for tensor in given])
        self._reader.check(given)

    def rows(self, tensors: Sequence[Tensor]) -> Float64s:
        """float64 [rows, features] of tensors that were checked; raises 422 for values that do not fit."""
        return self._reader.read(tensors)

    def check_outputs(self, asked: int) -> None:
        """Raise 422 for far more outputs than the model has, before any of them is looked at."""
        if asked > len(self.outputs) + _MOST_STRANGE:
            raise _invalid("outputs", f"there are {asked}; the model gives {len(self.outputs)}")

    def wanted(self, asked: Sequence[Asked], binary: bool) -> tuple[Wanted, ...]:
        """The outputs asked for by name and parameters, all when none is; raises 422 for what is not there."""
        if not asked:
            return self._all_outputs[binary]
        self.check_outputs(len(asked))
        wanted: list[Wanted] = []
        for output in asked:
            name = output.name
            if name not in self._output_names:
                given = ", ".join(self._output_names)
                raise _invalid(f"outputs.{shown(name)}", f"unknown output; the model gives {given}")
            if any(name == other.name for other in wanted):
                raise _invalid(f"outputs.{name}", "this name is there more than once")
            wanted.append(Wanted(name, flag(output.parameters, BINARY_DATA, f"outputs.{name}", binary)))
        return tuple(wanted)

    def check_parameters(self, parameters: Iterable[str]) -> None:
        """Raise 422 for a parameter of a request that nothing here obeys."""
        refuse_unknown(parameters, (BINARY_OUTPUT, self._entity_key), "")

    def entity(self, parameters: Mapping[str, Any]) -> str | None:
        """Whom the prediction is about, from a request's parameters; raises 422 for any that is not known."""
        self.check_parameters(parameters)
        entity = parameters.get(self._entity_key)
        errors = check_entity(entity, f"parameters.{self._entity_key}")
        if errors:
            raise _invalid(errors[0].field, errors[0].message)
        return None if entity is None else str(entity)

    def output(self, name: str, scores: Float64s) -> Tensor:
        """The output tensor `name` of checked predictions, [rows] or [rows, values]."""
        if name == PROBABILITIES:
            return Tensor(name, "FP64", scores.shape, scores.reshape(-1))
        if isinstance(self._output, MulticlassOutput):
            classes = self._output.classes
            labels = [classes[index] for index in np.argmax(scores, axis=1).tolist()]
            return Tensor(name, TEXT, (len(labels),), labels)
        if columns := output_columns(self._output):
            return Tensor(name, "FP64", (len(scores),), np.ascontiguousarray(scores[:, columns.index(name)]))
        return Tensor(name, "FP64", scores.shape, scores)


def inputs_of(signature: Signature) -> tuple[TensorSpec, ...]:
    """What metadata shows: one tensor where all features are numbers, else one for each."""
    if not is_matrix(signature):
        return tuple(_spec(feature) for feature in signature.inputs)
    datatypes = {_spec(feature).datatype for feature in signature.inputs}
    datatype = datatypes.pop() if len(datatypes) == 1 else "FP64"
    return (TensorSpec(MATRIX, datatype, (-1, len(signature.inputs))),)


def outputs_of(output: Output) -> tuple[TensorSpec, ...]:
    """The tensors of an answer."""
    match output:
        case BinaryOutput() | RegressionOutput(names=()):
            return (TensorSpec(PREDICTION, "FP64", (-1,)),)
        case RegressionOutput(names=names):
            return tuple(TensorSpec(name, "FP64", (-1,)) for name in names)
        case MulticlassOutput(classes=classes):
            label = TensorSpec(PREDICTION, TEXT, (-1,))
            return label, TensorSpec(PROBABILITIES, "FP64", (-1, len(classes)))
        case _:
            assert_never(output)


def flag(parameters: Mapping[str, Any], key: str, place: str, default: bool) -> bool:
    """A parameter that is true or false and, under `place`, the only one there; raises 422."""
    if place:
        refuse_unknown(parameters, (key,), f"{place}.")
    value = parameters.get(key, default)
    if not isinstance(value, bool):
        raise _invalid(f"{place}.parameters.{key}".removeprefix("."), f"expected true or false, found {value!r}"[:80])
    return value


def refuse_unknown(parameters: Iterable[str], known: Sequence[str], place: str) -> None:
    """Raise 422 for a parameter that nothing here obeys."""
    for key in parameters:
        if key not in known:
            listed = f"known are {', '.join(known)}" if known else "none is known here"
            raise _invalid(f"{place}parameters.{shown(key)}", f"unknown parameter; {listed}")


def _spec(feature: Feature) -> TensorSpec:
    match feature:
        case CategoricalFeature():
            return TensorSpec(feature.name, TEXT, (-1,))
        case NumericFeature(dtype=dtype):
            datatype = {"float32": "FP32", "float64": "FP64", "int64": "INT64", "bool": "BOOL"}[dtype]
            return TensorSpec(feature.name, datatype, (-1,))
        case _:
            assert_never(feature)


def _check_distinct(names: list[str]) -> None:
    if len(set(names)) != len(names):
        repeated = next(name for name, count in Counter(names).items() if count > 1)
        raise _invalid(f"inputs.{shown(repeated)}", "this name is there more than once")


def _invalid(field: str, message: str) -> ProblemError:
    return ProblemError(INVALID, f"{field}: {message}", [FieldError(field=field, message=message)])
