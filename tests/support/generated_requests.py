"""Signatures, and bodies for them that are right or only just wrong, as hypothesis makes them up."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from modelloop_core.feature_schema import BinaryOutput, CategoricalFeature, Feature, NumericFeature, Signature
from modelloop_core.wire.predictions import RESERVED_KEYS

ENTITY_KEY = "user_id"
RawJson = str
"""A JSON document as text: what a dump of Python values cannot hold (1e400, keys twice) is in it too."""

_NAMES = ("age", "income", "ünïcode", "a b", 'quo"te', "f0")
LEVELS = ("north", "3", "true", "1e3", "", "ü", "18446744073709551617", "0.5")
_BOUNDS = st.sampled_from([-5.0, 0.0, 0.25, 1.0, 120.0, 2.0**53, 3e38])
ODD_VALUES: tuple[RawJson, ...] = (
    *("0", "1", "3", "3.0", "0.5", "-0.0", "-0", "1e2", "1E-400", "2.5e-324", "1e38", "3.5e38", "-4e38", "1e400"),
    *("9007199254740992", "9007199254740993", "18446744073709551615", "18446744073709551617", "1" * 400),
    *("1" * 5000, "0." + "1" * 5000, "-9223372036854775809", "120.00000000000001", "true", "false", "null"),
    *('"3"', '"north"', '"true"', '""', '"\\u00fc"', '"ü"', '"\\ud800"', '"\\u0000"', '"a\tb"', '"x\\/y"', '"1e3"'),
    *("01", "1.", "+1", ".5", "NaN", "Infinity", "-", "[]", "[1]", "{}", '{"a":1}', '"\x7f"', '"\\x"', "nul"),
)
"""One value each, at the edge of what a kind of feature takes or past it; the last ones are no JSON."""

_SCALARS = st.sampled_from(ODD_VALUES)
_SPACE = st.sampled_from(["", "", "", " ", "\n\t ", "\x0b"])


@st.composite
def signatures(draw: st.DrawFn) -> Signature:
    """Signatures of one to four features of any kind."""
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=4, unique=True))
    return Signature(inputs=tuple(draw(_feature(name)) for name in names), output=BinaryOutput())


@st.composite
def usual(draw: st.DrawFn, signature: Signature) -> RawJson:
    """A request as a client's JSON library writes one that the signature allows."""
    rows = draw(st.lists(_valid_row(signature), min_size=1, max_size=3))
    document: dict[str, Any] = {"features": rows[0]} if draw(st.booleans()) else {"instances": rows}
    if draw(st.booleans()):
        document["request_id"] = draw(st.none() | st.text("abc-019", min_size=1, max_size=12))
    if draw(st.booleans()):
        document[ENTITY_KEY] = draw(st.none() | st.integers(-(2**63), 2**63) | st.text(min_size=1, max_size=12))
    return json.dumps(document, ensure_ascii=draw(st.booleans()))


@st.composite
def odd(draw: st.DrawFn, signature: Signature) -> RawJson:
    """Something close to a request: its parts may be of a wrong kind, missing, there twice or no JSON."""
    row = _odd_row(signature)
    rows = st.lists(row, max_size=3).map(lambda parts: f"[{','.join(parts)}]")
    ids = st.sampled_from(['"a"', '"a\\n"', '"\\u0061"', '"ü"', '""', "5", "null", '"' + "x" * 129 + '"', "true"])
    values = {"features": row, "instances": rows, "request_id": ids, ENTITY_KEY: _SCALARS, "other": _SCALARS}
    keys = draw(st.lists(st.sampled_from([*RESERVED_KEYS, ENTITY_KEY, "other"]), max_size=3))
    keys = [*keys, draw(st.sampled_from(["features", "instances"]))]
    members = [f"{json.dumps(key)}:{draw(_SPACE)}{draw(values[key])}" for key in keys]
    return f"{draw(_SPACE)}{{{','.join(members)}}}{draw(_SPACE)}"


def _feature(name: str) -> st.SearchStrategy[Feature]:
    return _numeric(name) | _categorical(name)


@st.composite
def _numeric(draw: st.DrawFn, name: str) -> NumericFeature:
    dtype = draw(st.sampled_from(["float32", "float64", "int64", "bool"]))
    low, high = sorted((draw(_BOUNDS), draw(_BOUNDS)))
    if dtype == "bool":
        low, high = min(low, 0.0), max(high, 1.0)
    return NumericFeature(
        name=name,
        dtype=dtype,
        nullable=draw(st.booleans()),
        minimum=draw(st.sampled_from([None, low])),
        maximum=draw(st.sampled_from([None, high])),
    )


def _categorical(name: str) -> st.SearchStrategy[CategoricalFeature]:
    return st.builds(
        CategoricalFeature,
        name=st.just(name),
        levels=st.lists(st.sampled_from(LEVELS), min_size=1, max_size=4, unique=True).map(tuple),
        open=st.booleans(),
        nullable=st.booleans(),
    )


@st.composite
def _valid_row(draw: st.DrawFn, signature: Signature) -> Any:
    cells = {feature.name: draw(_valid_cell(feature)) for feature in signature.inputs}
    if draw(st.booleans()):
        return list(cells.values())
    return dict(draw(st.permutations(list(cells.items()))))


def _valid_cell(feature: Feature) -> st.SearchStrategy[Any]:
    cell: st.SearchStrategy[Any]
    if isinstance(feature, CategoricalFeature):
        cell = st.sampled_from(feature.levels)
        cell = cell | st.text(max_size=5) | st.integers(-10, 10) | st.booleans() if feature.open else cell
    elif feature.dtype == "bool":
        cell = st.sampled_from([True, False, 0, 1, 0.0, 1.0])
    else:
        low = -3e38 if feature.minimum is None else feature.minimum
        high = 3e38 if feature.maximum is None else feature.maximum
        whole = st.integers(-(-int(low) if low == int(low) else -int(low) - 1), int(high)) if int(high) >= low else None
        if feature.dtype == "int64":
            cell = whole if whole is not None else st.just(low)
        else:
            cell = st.floats(low, high) if whole is None else st.floats(low, high) | whole.filter(_is_small)
    return cell | st.none() if feature.nullable else cell


def _is_small(number: int) -> bool:
    return abs(number) < 2**53


@st.composite
def _odd_row(draw: st.DrawFn, signature: Signature) -> RawJson:
    cells = [(feature.name, draw(_SCALARS | _valid_cell(feature).map(json.dumps))) for feature in signature.inputs]
    change = draw(st.sampled_from(["none", "none", "drop", "add", "twice"]))
    if change == "drop":
        cells.pop()
    elif change == "add":
        cells.append(("more", draw(_SCALARS)))
    elif change == "twice":
        cells.append((cells[0][0], draw(_SCALARS)))
    if draw(st.booleans()):
        return f"[{draw(_SPACE)}{','.join(cell for _, cell in cells)}]"
    return f"{{{','.join(f'{json.dumps(name)}:{cell}' for name, cell in cells)}}}"
