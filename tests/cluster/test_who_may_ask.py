"""The admission policy of docs/rollout.md, as it stands there: who may ask for a promotion, what others still may."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from cluster.control_plane import ROOT, Answer, ControlPlane, eventually
from modelloop_core.api import REQUEST_ANNOTATION

SPEC = {"registry": {"uri": "s3://models/churn"}}


def documented(namespace: str) -> list[dict[str, Any]]:
    """The policy and its binding, for one namespace of a shared API server."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/rollout.md").read_text(), re.DOTALL)
    (found,) = [block for block in blocks if "ValidatingAdmissionPolicy" in block]
    policy, binding = yaml.safe_load_all(found)
    for each in (policy, binding):
        each["metadata"]["name"] = f"who-may-ask-{namespace}"
    here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    binding["spec"] |= {"policyName": policy["metadata"]["name"], "matchResources": {"namespaceSelector": here}}
    return [policy, binding]


@pytest.fixture
def guarded(control_plane: ControlPlane, namespace: str) -> Iterator[str]:
    """A namespace with the policy, an MLModel, `ann` who may ask and `bob` who may write."""
    rules = {"apiGroups": ["modelloop.dev"], "resources": ["mlmodels"]}
    verbs = {"bob": ["get", "update", "patch"], "ann": ["get", "update", "patch", "ask"]}
    for name, allowed in verbs.items():
        meta = {"name": name, "namespace": namespace}
        subject = {"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
        role = {"kind": "Role", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
        rbac = "rbac.authorization.k8s.io/v1"
        control_plane.apply(
            {"apiVersion": rbac, "kind": "Role", "metadata": meta, "rules": [{**rules, "verbs": allowed}]},
            {"apiVersion": rbac, "kind": "RoleBinding", "metadata": meta, "subjects": [subject], "roleRef": role},
        )
    model = {"apiVersion": "modelloop.dev/v1alpha1", "kind": "MLModel", "spec": SPEC}
    control_plane.apply({**model, "metadata": {"name": "churn", "namespace": namespace}})
    found = documented(namespace)
    control_plane.apply(*found)
    yield namespace
    for each in found:
        control_plane.must("delete", each["kind"], each["metadata"]["name"])


def annotate(plane: ControlPlane, namespace: str, person: str, verb: str) -> Answer:
    # A new one each time: what stands there already is no change.
    request = f"{REQUEST_ANNOTATION}={json.dumps({'id': uuid.uuid4().hex, 'verb': verb})}"
    return plane.kubectl("annotate", "mlmodel/churn", "-n", namespace, "--as", person, "--overwrite", request)


def test_only_who_may_ask_asks_and_others_may_still_write(control_plane: ControlPlane, guarded: str) -> None:
    def refused() -> bool:
        answer = annotate(control_plane, guarded, "bob", "promote")
        return answer.code != 0 and "needs the right to `ask` on mlmodels" in answer.err

    eventually(refused, "the policy to be in force", seconds=30)
    assert annotate(control_plane, guarded, "ann", "promote").code == 0
    assert refused(), "what somebody asked before gives nobody else the right"
    patch = json.dumps({"spec": {"version": "^1"}})
    words = ("patch", "mlmodel/churn", "-n", guarded, "--as", "bob", "--type=merge", "-p", patch)
    assert control_plane.kubectl(*words).code == 0
