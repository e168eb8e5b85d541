"""Every example is what the operator accepts, and the employment example's columns are what its version declares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from examples.employment import census

from modelloop_core.api import MLModelSpec

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
MANIFESTS = sorted(EXAMPLES.glob("*/mlmodel.yaml"))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.parent.name)
def test_an_example_is_a_valid_mlmodel(path: Path) -> None:
    manifest = yaml.safe_load(path.read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("modelloop.dev/v1alpha1", "MLModel")
    MLModelSpec.model_validate(manifest["spec"])


def test_each_example_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    assert [path.parent.name for path in MANIFESTS if f"]({path.parent.name}/)" not in listed] == []


def test_a_persons_columns_name_each_level_once() -> None:
    group = census.launch_population(census.records(), 2015)
    columns = census.matrix(group.head(100), census.signature(group), census.preprocessing(group))
    assert np.array_equal(columns.sum(axis=1), np.full(100, 16, dtype=np.float32))


def test_the_launch_population_is_of_thirty_and_over() -> None:
    group = census.launch_population(census.records(), 2015)
    assert group[census.AGE].min() == 30
    assert set(group[census.YEAR]) == {2015}
