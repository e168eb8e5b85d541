"""Holds parsed JSON rows against the signature and makes them the numbers that the model's preprocessing takes.

Decided here: a boolean is no number and a text is never read as one; a whole number may be written `3` or `3.0`; a
feature declared `bool` takes true, false, 0 and 1. Numbers must be finite in float32, which is what models compute in;
whole numbers beyond 2**53 lose their last digits. Every feature must be there, and null only where it is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple, assert_never

from modelloop_core.feature_schema import CategoricalFeature, Feature, NumericFeature, Signature, level_text
from modelloop_core.inference import UNSEEN, Float64s
from modelloop_core.wire.predictions import Fault, FieldError
from modelloop_predictor.parsing import MOST_ERRORS, Envelope, kind_of, shown
from modelloop_predictor.problems import INVALID, ProblemError
from modelloop_predictor.sieve import Sieve
from modelloop_predictor.telemetry.unseen import NOT_NOTED, UnseenLevels
from modelloop_predictor.typed_rows import LARGEST_FLOAT32

_NULL = float("nan")

_Reader = Callable[[Any], float]


class Wrong(NamedTuple):
    """Why a value cannot be its feature, in words and by kind."""

    message: str
    fault: Fault


class _Refused(Exception):
    """The value cannot be this feature."""

    def __init__(self, message: str, fault: Fault) -> None:
        super().__init__(message)
        self.wrong = Wrong(message, fault)


class RowReader:
    """Reads rows of one signature; the names of levels that it has not are noted in `unseen`."""

    def __init__(self, signature: Signature, unseen: UnseenLevels = NOT_NOTED) -> None:
        self._names = signature.feature_names
        self._readers = tuple(_reader(feature, unseen) for feature in signature.inputs)
        self._by_name = dict(zip(self._names, self._readers, strict=True))
        self._sieve = Sieve(signature, unseen)

    def read(self, envelope: Envelope) -> Float64s:
        """float64 [n, features] of a request's rows; raises 422 naming up to 100 faulty fields."""
        rows, odd = self._sieve.sift(envelope.rows)
        errors: list[FieldError] = []
        for position in odd:
            row = envelope.rows[position]
            try:
                rows[position] = self._row(row)
            except (_Refused, LookupError):
                place = f"instances[{position}]" if envelope.many else "features"
                errors += islice(self._row_errors(row, place), MOST_ERRORS - len(errors))
                if len(errors) == MOST_ERRORS:
                    break
        if errors:
            more = " (and more)" if len(errors) > 1 else ""
            raise ProblemError(INVALID, f"{errors[0].field}: {errors[0].message}{more}", errors)
        return rows

    def value(self, column: int, value: Any) -> tuple[float, Wrong | None]:
        """The number that one value becomes in `column`, and why it cannot be there (else None)."""
        try:
            return self._readers[column](value), None
        except _Refused as refused:
            return _NULL, refused.wrong

    def _row(self, row: Any) -> list[float]:
        # Says that something is wrong, not what; `_row_errors` then takes its time.
        if len(row) != len(self._readers) if isinstance(row, list | dict) else True:
            raise LookupError
        if isinstance(row, list):
            return [reader(value) for reader, value in zip(self._readers, row, strict=True)]
        return [reader(row[name]) for name, reader in self._by_name.items()]

    def _row_errors(self, row: Any, place: str) -> Iterator[FieldError]:
        if isinstance(row, list):
            yield from self._list_errors(row, place)
        elif isinstance(row, dict):
            yield from self._dict_errors(row, place)
        else:
            message = f"expected a list of {len(self._names)} values or an object by name, found {kind_of(row)}"
            yield FieldError(field=place, message=message, fault=Fault.WRONG_SHAPE)

    def _list_errors(self, row: list[Any], place: str) -> Iterator[FieldError]:
        if len(row) != len(self._names):
            message = f"expected {len(self._names)} values ({shown(', '.join(self._names))}), found {len(row)}"
            yield FieldError(field=place, message=message, fault=Fault.WRONG_SHAPE)
            return
        for position, (name, reader, value) in enumerate(zip(self._names, self._readers, row, strict=True)):
            if wrong := _wrong(reader, value):
                message = f"{name}: {wrong.message}"
                yield FieldError(field=f"{place}[{position}]", message=message, fault=wrong.fault)

    def _dict_errors(self, row: dict[str, Any], place: str) -> Iterator[FieldError]:
        for name in row:
            if name not in self._by_name:
                message = f"unknown feature; the model takes {shown(', '.join(self._names))}"
                yield FieldError(field=f"{place}.{shown(name)}", message=message, fault=Fault.WRONG_SHAPE)
        for name, reader in self._by_name.items():
            if name not in row:
                yield FieldError(field=f"{place}.{name}", message="missing", fault=Fault.MISSING)
            elif wrong := _wrong(reader, row[name]):
                yield FieldError(field=f"{place}.{name}", message=wrong.message, fault=wrong.fault)


def _wrong(reader: _Reader, value: Any) -> Wrong | None:
    try:
        reader(value)
    except _Refused as refused:
        return refused.wrong
    return None


def _reader(feature: Feature, unseen: UnseenLevels) -> _Reader:
    match feature:
        case CategoricalFeature():
            return _level_reader(feature, unseen.noter(feature.name))
        case NumericFeature(dtype="bool"):
            return _flag_reader(feature)
        case NumericFeature():
            return _number_reader(feature)
        case _:
            assert_never(feature)


def _number_reader(feature: NumericFeature) -> _Reader:
    low = -LARGEST_FLOAT32 if feature.minimum is None else max(feature.minimum, -LARGEST_FLOAT32)
    high = LARGEST_FLOAT32 if feature.maximum is None else min(feature.maximum, LARGEST_FLOAT32)
    whole, nullable = feature.dtype == "int64", feature.nullable

    def read(value: Any) -> float:
        # `type is` and not isinstance: it is quicker, and a bool is an int to isinstance.
        if type(value) is not float and type(value) is not int:
            if value is None and nullable:
                return _NULL
            raise _of_another_type(f"a {'whole ' if whole else ''}number", value)
        number = float(value)
        if not low <= number <= high:
            bounds = f"[{_bound(feature.minimum, low)}, {_bound(feature.maximum, high)}]"
            raise _Refused(f"{value!r} is outside {bounds}", Fault.OUT_OF_DOMAIN)
        if whole and not number.is_integer():
            raise _Refused(f"expected a whole number, found {value!r}", Fault.WRONG_TYPE)
        return number

    return read


def _flag_reader(feature: NumericFeature) -> _Reader:
    low = 0 if feature.minimum is None else feature.minimum
    high = 1 if feature.maximum is None else feature.maximum

    def read(value: Any) -> float:
        if value is None and feature.nullable:
            return _NULL
        if not isinstance(value, int | float):
            raise _of_another_type("true, false, 0 or 1", value)
        if value not in (0, 1):
            raise _Refused(f"expected true, false, 0 or 1, found {kind_of(value)}", Fault.OUT_OF_DOMAIN)
        if not low <= value <= high:
            raise _Refused(f"{kind_of(value)} is outside [{low}, {high}]", Fault.OUT_OF_DOMAIN)
        return float(value)

    return read


def _level_reader(feature: CategoricalFeature, note: Callable[[str], None] | None) -> _Reader:
    codes = {level: float(position) for position, level in enumerate(feature.levels)}

    def read(value: Any) -> float:
        if value is None and feature.nullable:
            return _NULL
        if not isinstance(value, str | int | float):
            raise _of_another_type(f"one of {_levels(feature)}", value)
        code = codes.get(level_text(value))
        if code is not None:
            return code
        if feature.open:
            if note is not None:
                note(level_text(value))
            return UNSEEN
        raise _Refused(f"{shown(level_text(value))!r} is none of {_levels(feature)}", Fault.OUT_OF_DOMAIN)

    return read


def _of_another_type(expected: str, value: Any) -> _Refused:
    fault = Fault.MISSING if value is None else Fault.WRONG_TYPE
    return _Refused(f"expected {expected}, found {kind_of(value)}", fault)


def _bound(declared: float | None, used: float) -> str:
    return f"{declared:g}" if declared is not None else f"{used:.8g} (float32)"


def _levels(feature: CategoricalFeature) -> str:
    first = ", ".join(repr(shown(level)) for level in feature.levels[:5])
    return first if len(feature.levels) <= 5 else f"{first}, ... ({len(feature.levels)} levels)"
