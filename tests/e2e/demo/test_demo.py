"""The demo, as a person runs it: it keeps its promises, says so in figures, and ends without a trace."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hack.demo.cluster import Cluster
from hack.demo.model import Model

ROOT = Path(__file__).resolve().parents[3]
DEADLINE_SECONDS = 900
EXAMPLES = sorted((ROOT / "examples").glob("*/mlmodel.yaml"))


def _demo(*options: str) -> str:
    command = [sys.executable, "-m", "hack.demo", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=DEADLINE_SECONDS, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-6000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One run's summary, and under `printed` what a person read."""
    target = tmp_path_factory.mktemp("demo") / "summary.json"
    try:
        printed = _demo("--json", str(target))
        yield {**json.loads(target.read_text()), "printed": printed}
    finally:
        _demo("--down")


def test_no_request_fails_through_rollouts_kill_and_damage(told: dict[str, Any]) -> None:
    assert told["failed"] == 0
    assert told["sent"] > 3000


def test_a_better_version_is_promoted_step_by_step_by_evidence_without_a_failed_request(told: dict[str, Any]) -> None:
    promoted = told["promoted"]
    assert (promoted["version"], promoted["shares"], promoted["reason"]) == ("1.1.0", [5, 25, 50], "RolloutPassed")
    assert promoted["failed"] == 0
    assert promoted["answered_by_it"] > 150
    assert "1.1.0 was promoted by evidence, 5 → 25 → 50 → 100 %" in told["printed"]


def test_a_worse_version_is_taken_back_by_evidence_without_a_failed_request(told: dict[str, Any]) -> None:
    back = told["taken_back"]
    assert (back["version"], back["reason"], back["failed"]) == ("1.2.0", "EvidenceFailed", 0)
    assert "PredictionPSI" in back["message"]
    assert set(back["shares"]) <= {5, 25}
    assert back["answered_by_it"] > 100
    assert "1.2.0 was taken back by evidence" in told["printed"]


def test_both_rollouts_are_watched_live(told: dict[str, Any]) -> None:
    watched = told["printed"].split("$ kubectl mlmodel watch employment -n demo")
    assert len(watched) == 3
    for version, part in zip(("1.1.0", "1.2.0"), watched[1:], strict=True):
        assert f"candidate {version}" in " ".join(part.split())


def test_half_of_the_requests_speak_v2_and_their_cost_is_told(told: dict[str, Any]) -> None:
    assert set(told["protocols"]) == {"/predict", "V2"}
    assert min(told["protocols"].values()) > 0.4 * told["sent"]
    assert told["requests_per_core"] > 100
    assert f"by the CPU they used: {told['requests_per_core']:.0f}" in told["printed"]


def test_three_versions_answer_and_the_damaged_one_never(told: dict[str, Any]) -> None:
    assert told["versions"] == ["1.0.0", "1.1.0", "1.2.0"]
    assert (told["refused"]["version"], told["refused"]["reason"]) == ("1.3.0", "ChecksumMismatch")


def test_the_figures_are_those_of_the_published_model(told: dict[str, Any]) -> None:
    """On 44,540 people 1.0.0 has an AUC of 0.860 and 1.1.0 one of 0.870; of a thousand they stray by 0.03 at most."""
    assert told["rows"]["1.0.0"]["auc"] == pytest.approx(0.860, abs=0.03)
    assert told["rows"]["1.1.0"]["auc"] == pytest.approx(0.870, abs=0.03)


def test_people_that_the_model_never_saw_are_served_worse(told: dict[str, Any]) -> None:
    assert told["rows"]["newcomers"]["auc"] < told["rows"]["1.1.0"]["auc"] - 0.05


def test_what_changed_is_noticed_and_one_person_is_told_once(told: dict[str, Any]) -> None:
    assert "AGEP" in told["noticed"]["features"]
    assert told["noticed"]["notifications"] == 1
    assert told["noticed"]["seconds"] < 180
    assert "         1.1.0 is stable: " in told["printed"]


def test_accuracy_is_known_with_its_interval_once_labels_arrive(told: dict[str, Any]) -> None:
    for part in ("30 and over", "all ages"):
        interval = told["noticed"]["accuracy"][part]
        assert interval["low"] < interval["value"] < interval["high"]
        assert interval["high"] - interval["low"] < 0.15
    # Of 40,000 people: 0.81 of those of 30 and over, 0.78 of all.
    assert told["noticed"]["accuracy"]["30 and over"]["value"] == pytest.approx(0.81, abs=0.06)


def test_a_wrong_manifest_is_refused_in_sentences(told: dict[str, Any]) -> None:
    assert "minReplicas must not be greater than maxReplicas" in told["printed"]
    assert "give gateway or ingress, not both" in told["printed"]


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_api_server_accepts_each_example(path: Path) -> None:
    Cluster.find().kubectl("apply", "--dry-run=server", "-n", "default", "-f", str(path))


@pytest.mark.usefixtures("told")
def test_ending_the_demo_leaves_the_cluster_as_it_was_before() -> None:
    """Runs last: the demo is over after it. Asked before the end too, for what was never there cannot be left."""
    assert _traces() == ["customresourcedefinition", "demo", "modelloop", "modelloop-crds", "modelloop-system", "store"]
    _demo("--down")
    assert _traces() == []


def _traces() -> list[str]:
    cluster = Cluster.find()
    names = {item["metadata"]["name"] for item in cluster.get("namespaces")["items"]}
    releases = {release["name"] for release in json.loads(cluster.helm("list", "--all-namespaces", "--output", "json"))}
    found = (names & {"demo", "modelloop-system"}) | (releases & {"modelloop", "modelloop-crds"})
    if cluster.get("customresourcedefinition", "mlmodels.modelloop.dev"):
        found.add("customresourcedefinition")
    if next(iter(Model(cluster).store().list("")), None):
        found.add("store")
    return sorted(found)
