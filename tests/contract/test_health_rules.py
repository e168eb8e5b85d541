"""Argo CD's health rule in docs/rollout.md, run by a real Lua on statuses as the operator writes them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hack.cluster.packages import ensure

from fakes.seen import NOW, a_status, observed, ready, routed, starting
from fakes.trying import FAILED, INCONCLUSIVE, TRIED, in_rollout
from modelloop_core.api import MLModelStatus
from modelloop_operator.cluster.commit import to_dict
from modelloop_operator.decide.decisions import Promote, Refuse, Start, Wait
from modelloop_operator.decide.observation import Observation, Policy
from modelloop_operator.decide.serving import decide
from modelloop_operator.decide.status import next_status

ROOT = Path(__file__).resolve().parents[2]
RULE = re.search(r"```lua\n(.*?)```", (ROOT / "docs/rollout.md").read_text(), re.DOTALL)
POLICY = Policy()
SERVES = observed(a_status("1.0.0"), versions=("1.0.0",), pods={"1.0.0": ready()}, route=routed("1.0.0"))


def now(seen: Observation) -> MLModelStatus:
    return next_status(seen, decide(seen, NOW, POLICY), NOW)


STATES = [
    pytest.param({}, "Progressing", "waiting for the operator", id="no operator has looked yet"),
    pytest.param({"status": {}}, "Progressing", "waiting for the operator", id="an empty status"),
    pytest.param(
        next_status(
            observed(a_status(None, "1.0.0"), pods={"1.0.0": starting()}),
            Wait("CandidateNotReady", "0 of 2 pods are ready", POLICY.recheck),
            NOW,
        ),
        "Progressing",
        "0 of 2 pods",
        id="the first version starts",
    ),
    pytest.param(now(SERVES), "Healthy", "1.0.0 serves", id="it serves"),
    pytest.param(
        next_status(SERVES, Start(TRIED, "NewVersion", "bringing up 1.1.0"), NOW), "Suspended", "1.1.0", id="it begins"
    ),
    pytest.param(now(in_rollout(5, judgement=INCONCLUSIVE)), "Suspended", "1.1.0 stays at 5 %", id="a rollout"),
    pytest.param(
        next_status(in_rollout(50), Promote(TRIED, "RolloutPassed", "1.1.0 replaces 1.0.0"), NOW),
        "Healthy",
        "1.1.0 replaces 1.0.0",
        id="it is promoted",
    ),
    pytest.param(now(in_rollout(5, judgement=FAILED)), "Degraded", "3.1 % of 400 requests failed", id="taken back"),
    pytest.param(
        next_status(SERVES, Refuse(TRIED, "VersionFailed", "it is broken"), NOW),
        "Degraded",
        "broken",
        id="refused",
    ),
    pytest.param(
        now(observed(a_status("1.0.0"), versions=("1.0.0",), pods={"1.0.0": starting()}, route=routed("1.0.0"))),
        "Progressing",
        "1.0.0",
        id="its pods are away",
    ),
]


@pytest.mark.parametrize(("found", "status", "message"), STATES)
def test_argo_cd_sees(found: MLModelStatus | dict[str, Any], status: str, message: str) -> None:
    body = found if isinstance(found, dict) else {"status": to_dict(found)}
    health, said = judged({"kind": "MLModel", "metadata": {"name": "churn"}, **body})
    assert health == status
    assert message in said


def test_the_rule_is_for_the_resource_by_the_name_that_argo_cd_gives_it() -> None:
    assert RULE is not None
    assert RULE[1].startswith("-- resource.customizations.health.modelloop.dev_MLModel\n")


def test_flux_and_helm_do_not_wait_for_a_rollout() -> None:
    for weight in (5, 50):
        status = now(in_rollout(weight, judgement=INCONCLUSIVE))
        assert {kind: said(status, kind) for kind in ("Ready", "Reconciling", "Stalled")} == {
            "Ready": "True",
            "Reconciling": None,
            "Stalled": "False",
        }


def said(status: MLModelStatus, kind: str) -> str | None:
    found = status.condition(kind)
    return found.status if found is not None else None


def judged(obj: dict[str, Any]) -> list[str]:
    """What the rule answers: Lua 5.1, as Argo CD's interpreter is."""
    ensure({"lua5.1": "lua5.1"})
    assert RULE is not None
    program = f"local obj = {lua(obj)}\nlocal function rule()\n{RULE[1]}\nend\nlocal found = rule()\n"
    program += 'io.write(found.status, "\\0", found.message)\n'
    done = subprocess.run(["lua5.1", "-"], input=program, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\0")


def lua(value: Any) -> str:
    """A JSON value as Lua writes it."""
    match value:
        case dict():
            return "{" + ", ".join(f"[{lua(key)}] = {lua(one)}" for key, one in value.items()) + "}"
        case list():
            return "{" + ", ".join(map(lua, value)) + "}"
        case str() | bool():
            return json.dumps(value, ensure_ascii=False)
        case None:
            return "nil"
        case _:
            return str(value)
