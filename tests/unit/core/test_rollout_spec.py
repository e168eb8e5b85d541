"""The parser refuses of spec.rollout what the API server must refuse, and takes what only looks like it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cluster.right_rollouts import TAKEN_OF_ROLLOUTS
from cluster.wrong_rollouts import REFUSED_OF_ROLLOUTS
from modelloop_core.api.spec import MLModelSpec

REGISTRY = {"registry": {"uri": "s3://models/churn"}}
# What was stored before there was that rule is read as ten years.
REFUSED = [row for row in REFUSED_OF_ROLLOUTS if "ten years" not in row.values[3]]


def changed(path: str, value: Any) -> dict[str, Any]:
    """A spec with `value` at a path like `spec.rollout.steps`."""
    spec: dict[str, Any] = {"spec": {**REGISTRY}}
    place, at = path.split("."), spec
    for part in place[:-1]:
        at = at.setdefault(part, {})
    at[place[-1]] = value
    found: dict[str, Any] = spec["spec"]
    return found


@pytest.mark.parametrize(("path", "value", "field", "told"), REFUSED)
def test_what_the_api_server_must_refuse_the_parser_refuses_too(path: str, value: Any, field: str, told: str) -> None:
    with pytest.raises(ValidationError):
        MLModelSpec.model_validate(changed(path, value))


@pytest.mark.parametrize("fields", TAKEN_OF_ROLLOUTS)
def test_what_only_looks_like_it_is_taken(fields: dict[str, Any]) -> None:
    assert MLModelSpec.model_validate({**REGISTRY, **fields})
