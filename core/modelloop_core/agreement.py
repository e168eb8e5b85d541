"""Whether two versions answered the same request alike, by what kind of output they have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import assert_never

from modelloop_core.feature_schema import BinaryOutput, MulticlassOutput, Output, RegressionOutput

VALUE_TOLERANCE = 0.05
"""Values agree when they differ by no more than this part of the larger one."""

Answer = float | str | Sequence[float]
"""As predictions are logged: a probability, a value, several values or probabilities, or a class."""


def agree(ours: Answer, theirs: Answer, output: Output, their_output: Output) -> bool:
    """Whether two answers say the same; what one of the outputs cannot be never does.

    Probabilities of one class lie on the same side of each version's own threshold, of several classes the likeliest is
    the same, and of a regression each value differs by at most VALUE_TOLERANCE of the larger one.
    """
    if output.task is not their_output.task:
        return False
    match output:
        case BinaryOutput():
            return _positive(ours, output) == _positive(theirs, their_output) is not None
        case MulticlassOutput():
            return _class(ours, output) == _class(theirs, their_output) is not None
        case RegressionOutput():
            pairs = zip(_values(ours), _values(theirs), strict=False)
            return len(_values(ours)) == len(_values(theirs)) and all(_near(*pair) for pair in pairs)
        case _:
            assert_never(output)


def _positive(answer: Answer, output: Output) -> bool | None:
    if isinstance(answer, str | Sequence) or not isinstance(output, BinaryOutput):
        return None
    return answer >= output.threshold


def _class(answer: Answer, output: Output) -> str | None:
    if isinstance(answer, str) or not isinstance(output, MulticlassOutput):
        return answer if isinstance(answer, str) else None
    values = _values(answer)
    return output.classes[values.index(max(values))] if len(values) == len(output.classes) else None


def _values(answer: Answer) -> list[float]:
    if isinstance(answer, str):
        return []
    return [answer] if isinstance(answer, int | float) else list(answer)


def _near(ours: float, theirs: float) -> bool:
    return math.isclose(ours, theirs, rel_tol=VALUE_TOLERANCE, abs_tol=1e-12)
