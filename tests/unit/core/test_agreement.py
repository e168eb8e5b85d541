"""What counts as the same answer to one request, by kind of output."""

from __future__ import annotations

from typing import Any

import pytest

from modelloop_core.agreement import agree
from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, Output, RegressionOutput

BINARY, STRICT = BinaryOutput(), BinaryOutput(threshold=0.9)
CLASSES = MulticlassOutput(classes=("a", "b", "c"))
VALUE, VALUES = RegressionOutput(), RegressionOutput(names=("low", "high"))

CASES = [
    pytest.param(BINARY, 0.7, 0.99, True, id="both positive"),
    pytest.param(BINARY, 0.49, 0.51, False, id="either side of the threshold"),
    pytest.param(BINARY, 0.5, 0.51, True, id="at the threshold is positive"),
    pytest.param(BINARY, "yes", 0.5, False, id="no number"),
    pytest.param(CLASSES, [0.5, 0.3, 0.2], [0.4, 0.35, 0.25], True, id="the likeliest is the same"),
    pytest.param(CLASSES, [0.5, 0.3, 0.2], [0.3, 0.5, 0.2], False, id="another is likeliest"),
    pytest.param(CLASSES, "a", [0.5, 0.3, 0.2], True, id="a class by name"),
    pytest.param(CLASSES, [0.5, 0.5], [0.5, 0.5], False, id="not as many probabilities as classes"),
    pytest.param(VALUE, 100.0, 105.0, True, id="a value within 5 %"),
    pytest.param(VALUE, 100.0, 106.0, False, id="a value beyond 5 %"),
    pytest.param(VALUE, 0.0, 0.0, True, id="zero"),
    pytest.param(VALUE, 1.0, -1.0, False, id="the other sign"),
    pytest.param(VALUES, [1.0, 2.0], [1.01, 2.02], True, id="each value is near"),
    pytest.param(VALUES, [1.0, 2.0], [1.01, 3.0], False, id="one value is not"),
    pytest.param(VALUES, [1.0, 2.0], [1.0], False, id="another number of values"),
]


@pytest.mark.parametrize(("output", "ours", "theirs", "same"), CASES)
def test_agreement(output: Output, ours: Any, theirs: Any, same: bool) -> None:
    assert agree(ours, theirs, output, output) is same
    assert agree(theirs, ours, output, output) is same


def test_each_version_has_its_own_threshold() -> None:
    assert agree(0.95, 0.6, STRICT, BINARY)
    assert not agree(0.6, 0.6, STRICT, BINARY)


def test_outputs_of_two_kinds_never_agree() -> None:
    assert not agree(0.6, 0.6, BINARY, VALUE)
