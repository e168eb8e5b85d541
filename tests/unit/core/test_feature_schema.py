"""A version serves the callers of another only if it accepts all that they may send."""

from __future__ import annotations

import pytest

from modelloop_core.feature_schema import (
    BinaryOutput,
    CategoricalFeature,
    Feature,
    MulticlassOutput,
    NumericFeature,
    RegressionOutput,
    Signature,
)


def number(**fields: object) -> NumericFeature:
    return NumericFeature.model_validate({"name": "a", **fields})


def category(*levels: str, **fields: object) -> CategoricalFeature:
    return CategoricalFeature.model_validate({"name": "a", "levels": levels, **fields})


@pytest.mark.parametrize(
    ("new", "old", "accepts"),
    [
        pytest.param(number(), number(), True, id="the same"),
        pytest.param(number(name="b"), number(), False, id="another name"),
        pytest.param(number(dtype="int64"), number(), False, id="another type"),
        pytest.param(number(nullable=True), number(), True, id="null allowed now"),
        pytest.param(number(), number(nullable=True), False, id="null no longer allowed"),
        pytest.param(number(), number(minimum=0, maximum=1), True, id="bounds gone"),
        pytest.param(number(minimum=0), number(), False, id="a new minimum"),
        pytest.param(number(maximum=9), number(), False, id="a new maximum"),
        pytest.param(number(minimum=0), number(minimum=0), True, id="an equal minimum"),
        pytest.param(number(minimum=0), number(minimum=1), True, id="a lower minimum"),
        pytest.param(number(minimum=1), number(minimum=0), False, id="a higher minimum"),
        pytest.param(number(maximum=9), number(maximum=8), True, id="a higher maximum"),
        pytest.param(number(maximum=8), number(maximum=9), False, id="a lower maximum"),
        pytest.param(category("x", "y"), category("x", "y"), True, id="the same levels"),
        pytest.param(category("y", "x"), category("x", "y"), True, id="levels in another order"),
        pytest.param(category("x", "y", "z"), category("x", "y"), True, id="one level more"),
        pytest.param(category("x"), category("x", "y"), False, id="one level fewer"),
        pytest.param(category("x", open=True), category("x", "y"), True, id="any level now"),
        pytest.param(category("x", "y"), category("x", open=True), False, id="no longer any level"),
        pytest.param(category("x"), category("x", nullable=True), False, id="a category no longer null"),
        pytest.param(category("x"), number(), False, id="a category for a number"),
        pytest.param(number(), category("x"), False, id="a number for a category"),
    ],
)
def test_a_feature_accepts_what_another_accepted(new: Feature, old: Feature, accepts: bool) -> None:
    assert new.accepts_values_of(old) is accepts
    one, other = (Signature(inputs=(feature,), output=BinaryOutput()) for feature in (new, old))
    assert one.accepts_callers_of(other) is accepts


def test_features_have_their_places() -> None:
    one, other = number(name="a"), number(name="b")
    straight, turned = (Signature(inputs=inputs, output=BinaryOutput()) for inputs in ((one, other), (other, one)))
    shorter = Signature(inputs=(one,), output=BinaryOutput())
    assert not straight.accepts_callers_of(turned)
    assert not straight.accepts_callers_of(shorter)


def test_the_output_is_what_callers_read() -> None:
    outputs = (
        BinaryOutput(),
        RegressionOutput(),
        RegressionOutput(names=("x", "y")),
        RegressionOutput(names=("y", "x")),
        MulticlassOutput(classes=("x", "y")),
        MulticlassOutput(classes=("y", "x")),
    )
    signatures = [Signature(inputs=(number(),), output=output) for output in outputs]
    for one in signatures:
        assert [one.accepts_callers_of(other) for other in signatures] == [one is other for other in signatures]


def test_a_single_value_is_written_as_before_there_were_several() -> None:
    assert RegressionOutput().model_dump(mode="json") == {"task": "regression"}
    assert RegressionOutput(names=("x", "y")).model_dump(mode="json") == {"task": "regression", "names": ["x", "y"]}


@pytest.mark.parametrize("names", [("x",), ("x", "x")], ids=["one name", "a name twice"])
def test_names_tell_values_apart(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="name"):
        RegressionOutput(names=names)
