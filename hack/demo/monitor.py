"""The monitor as the demo asks it: through the API server, as not every cluster's Services can be reached from here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from hack.demo.cluster import Cluster
from hack.demo.model import NAME, NAMESPACE
from hack.demo.stage import SYSTEM
from hack.demo.traffic import Answer

from modelloop_core.wire.feedback import FEEDBACK_PATH, MOST_ITEMS
from modelloop_core.wire.reports import MODELS_PATH, DriftReport, ModelQuality, QualityReport

_SERVICE = f"/api/v1/namespaces/{SYSTEM}/services/http:modelloop-monitor:8080/proxy"
_MODEL = f"{_SERVICE}{MODELS_PATH}/{NAMESPACE}/{NAME}"


@dataclass(frozen=True)
class Monitor:
    """The monitor of one cluster."""

    cluster: Cluster

    def drift(self) -> DriftReport:
        """Its last judged window of the model."""
        return DriftReport.model_validate_json(self.cluster.kubectl("get", "--raw", f"{_MODEL}/drift"))

    def quality(self, version: str) -> list[QualityReport]:
        """Windows of a version that have labels, newest last."""
        quality = ModelQuality.model_validate_json(self.cluster.kubectl("get", "--raw", f"{_MODEL}/quality"))
        return [report for report in quality.reports if report.version == version and report.labelled]

    def label(self, answers: Sequence[Answer]) -> int:
        """Tell what was true of each; how many were taken."""
        taken = 0
        for start in range(0, len(answers), MOST_ITEMS):
            part = answers[start : start + MOST_ITEMS]
            labels = [{"request_id": answer.request_id, "label": answer.person.label} for answer in part]
            post = json.dumps({"namespace": NAMESPACE, "name": NAME, "feedback": labels})
            said = self.cluster.kubectl("create", "--raw", f"{_SERVICE}{FEEDBACK_PATH}", "-f", "-", stdin=post)
            receipt = json.loads(said)
            taken += receipt["joined"] + receipt["waiting"]
        return taken
