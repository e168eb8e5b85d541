"""Every example is what the operator accepts, and the employment example's columns are what its version declares."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from examples.employment import census

from modelloop_core.api import MLModelSpec
from modelloop_core.api.spec import Serving
from modelloop_core.fallback import Fallback
from modelloop_predictor.fallback import FallbackAnswers
from support.published import PEOPLE

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


def test_the_fallback_fits_the_model_that_it_speaks_of() -> None:
    spec = MLModelSpec.model_validate(yaml.safe_load((EXAMPLES / "fallback/mlmodel.yaml").read_text())["spec"])
    assert spec.serving.fallback is not None
    group = census.launch_population(census.records(), 2015)
    FallbackAnswers(spec.serving.fallback, census.signature(group))


def test_the_fallback_in_the_documents_answers_as_it_says() -> None:
    text = (EXAMPLES.parent / "docs/predictor.md").read_text()
    (written,) = re.findall(r"```yaml\n(fallback:\n.*?)```", text, re.DOTALL)
    declared = Fallback.model_validate(yaml.safe_load(written)["fallback"])
    north, south = PEOPLE.inputs[3].levels.index("north"), PEOPLE.inputs[3].levels.index("south")  # type: ignore[union-attr]
    rows = np.array([[65, 0, 0, north, 0], [64, 0, 0, north, 0], [64, 0, 0, south, 0]], dtype=np.float64)
    assert FallbackAnswers(declared, PEOPLE).answer(rows) == [0.9, 0.3, 0.1]


def test_the_cache_in_the_documents_is_a_valid_one() -> None:
    text = (EXAMPLES.parent / "docs/predictor.md").read_text()
    (written,) = re.findall(r"```yaml\n(cache:\n.*?)```", text, re.DOTALL)
    cache = Serving.model_validate(yaml.safe_load(written)).cache
    assert (cache.maxEntries, cache.ttl, cache.redisSecretName) == (10000, "5m", "redis")


def test_a_persons_columns_name_each_level_once() -> None:
    group = census.launch_population(census.records(), 2015)
    columns = census.matrix(group.head(100), census.signature(group), census.preprocessing(group))
    assert np.array_equal(columns.sum(axis=1), np.full(100, 16, dtype=np.float32))


def test_the_launch_population_is_of_thirty_and_over() -> None:
    group = census.launch_population(census.records(), 2015)
    assert group[census.AGE].min() == 30
    assert set(group[census.YEAR]) == {2015}
