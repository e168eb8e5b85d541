"""`GET /v1/models/{namespace}/{name}/evidence`: what the operator asks before it gives a candidate more traffic."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from modelloop_core.wire.evidence import EvidenceQuery, RolloutEvidence
from modelloop_monitor.answers import PROBLEMS, json_answer
from modelloop_monitor.monitor import Monitor
from modelloop_monitor.pages.model_settings import MODEL_PATH, ModelName
from modelloop_monitor.problems import UNKNOWN_MODEL, ProblemError
from modelloop_monitor.rollouts.reporting import rollout_evidence
from modelloop_monitor.store import models


def add_rollouts(router: APIRouter, monitor: Monitor) -> None:
    """Add it."""
    settings = monitor.settings

    @router.get(
        MODEL_PATH + "/evidence",
        summary="How a candidate does beside the live version",
        response_model=RolloutEvidence,
        responses=PROBLEMS,
    )
    def get_evidence(
        request: Request, namespace: ModelName, name: ModelName, query: Annotated[EvidenceQuery, Query()]
    ) -> Response:
        """The verdict of every limit that is asked for, over the same intervals of both versions."""
        monitor.access.caller(request.headers).require(namespace)
        now = monitor.now()
        with monitor.store.reading() as connection:
            if models.find(connection, (namespace, name)) is None:
                raise ProblemError(UNKNOWN_MODEL, f"nothing was posted for {namespace}/{name}, and nobody set it up")
            found = rollout_evidence(
                connection,
                monitor.references,
                (namespace, name),
                query,
                width=settings.traffic_seconds,
                settled=now - settings.settle_seconds,
                now=now,
            )
        return json_answer(found)
